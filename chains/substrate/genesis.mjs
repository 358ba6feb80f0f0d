// Builds a raw genesis by asking the runtime itself (GenesisBuilder), in the executor that the devnet runs it with.
//
//   node genesis.mjs RUNTIME.wasm PRESET NODE_MODULES
//
// Writes one line of JSON with the runtime's default configuration and the preset's patch, both as strings; reads one
// line with the configuration to build; writes one line with the storage, `{"0xkey": "0xvalue"}`. Configurations stay
// strings here: they hold integers beyond 2^53, which JSON.parse would round.
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

const CODE = '0x3a636f6465' // ":code"

const require = createRequire(process.argv[4] + '/')
const { runTask } = require('@acala-network/chopsticks-core/wasm-executor/index')
const { compactAddLength, compactStripLength, u8aConcat, u8aToHex, u8aToString } = require('@polkadot/util')

const utf8 = (text) => new TextEncoder().encode(text)

// Storage is empty before genesis, so nothing is there to be read.
const empty = {
  getStorage: async () => undefined,
  getNextKey: async () => undefined,
  offchainGetStorage: async () => undefined,
  offchainTimestamp: async () => 0,
  offchainRandomSeed: async () => '0x' + '00'.repeat(32),
  offchainSubmitTransaction: async () => false,
}

async function call(wasm, method, argument) {
  const response = await runTask(
    {
      wasm,
      calls: [[method, [u8aToHex(argument)]]],
      mockSignatureHost: false,
      allowUnresolvedImports: false,
      runtimeLogLevel: 0,
    },
    empty,
  )
  if ('Error' in response) throw new Error(`${method}: ${response.Error}`)
  return { result: Buffer.from(response.Call.result.slice(2), 'hex'), diff: response.Call.storageDiff }
}

// Option<Vec<u8>> of UTF-8 text.
function text(option, name) {
  if (option[0] !== 1) throw new Error(`the runtime has no preset ${name}`)
  return u8aToString(compactStripLength(option.subarray(1))[1])
}

async function main([path, preset]) {
  const code = u8aToHex(readFileSync(path))
  const defaults = await call(code, 'GenesisBuilder_get_preset', new Uint8Array([0]))
  const named = u8aConcat(new Uint8Array([1]), compactAddLength(utf8(preset)))
  const patch = await call(code, 'GenesisBuilder_get_preset', named)
  const offer = { defaults: text(defaults.result, 'None'), preset: text(patch.result, preset) }
  process.stdout.write(JSON.stringify(offer) + '\n')

  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
  const configuration = (await lines.next()).value
  const built = await call(code, 'GenesisBuilder_build_state', compactAddLength(utf8(configuration)))
  // Result<(), String>
  if (built.result[0] !== 0) throw new Error(u8aToString(compactStripLength(built.result.subarray(1))[1]))
  const storage = Object.fromEntries(built.diff.filter(([, value]) => value !== null && value !== undefined))
  storage[CODE] = code
  // The executor's worker keeps the process alive.
  process.stdout.write(JSON.stringify(storage) + '\n', () => process.exit(0))
}

main(process.argv.slice(2)).catch((error) => {
  process.stderr.write(`${error.message ?? error}\n`, () => process.exit(1))
})
