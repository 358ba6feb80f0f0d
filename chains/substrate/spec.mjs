// Writes the specification of a chain for poft-node: the genesis that the runtime itself builds (genesis.mjs), raw.
//
//   node spec.mjs NODE_MODULES REQUEST.json SPEC.json
//
// The request is genesis.mjs's, with `chainType` (Development, Local, Live) and `id`, which names the data folder.
import { createRequire } from 'node:module'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { buildGenesis } from './genesis.mjs'

const [modules, input, output] = process.argv.slice(2)
const request = JSON.parse(readFileSync(input, 'utf8'))

async function main() {
  const { name, properties, genesis } = await buildGenesis(createRequire(modules + '/'), request)
  const spec = {
    name,
    id: request.id,
    chainType: request.chainType,
    bootNodes: [],
    telemetryEndpoints: null,
    protocolId: request.id,
    properties,
    codeSubstitutes: {},
    genesis: { raw: { ...genesis.raw, childrenDefault: {} } }, // the node wants the field
  }
  writeFileSync(`${output}.draft`, JSON.stringify(spec))
  renameSync(`${output}.draft`, output)
}

main().then(
  () => process.exit(0), // the executor's worker would keep the process
  (error) => process.stderr.write(`${error.stack ?? error}\n`, () => process.exit(1)),
)
