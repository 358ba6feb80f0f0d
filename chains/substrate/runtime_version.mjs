// Compiles a runtime and prints what it says of itself: {specName, specVersion, transactionVersion}.
//
//   node runtime_version.mjs NODE_MODULES RUNTIME.wasm
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'

const [modules, path] = process.argv.slice(2)
const require = createRequire(modules + '/')

async function main() {
  const { getRuntimeVersion } = require('@acala-network/chopsticks-core/wasm-executor/index')
  const { specName, specVersion, transactionVersion } = await getRuntimeVersion(`0x${readFileSync(path).toString('hex')}`)
  process.stdout.write(JSON.stringify({ specName, specVersion, transactionVersion }))
}

main().then(
  () => process.exit(0), // the executor's worker would keep the process
  (error) => process.stderr.write(`${error.stack ?? error}\n`, () => process.exit(1)),
)
