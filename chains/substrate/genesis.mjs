// Builds a raw genesis by asking the runtime itself (GenesisBuilder), in the executor that the node runs it with.
//
// A request is `{runtime, preset, configuration, endowed, coins, storage, name, id, properties}`: the WebAssembly's path,
// the preset to start from, what to set in its configuration, the addresses that get coins, and raw storage on top.
import { readFileSync } from 'node:fs'

const CODE = '0x3a636f6465' // ":code"

// Storage is empty before genesis, so nothing is there to be read.
const nothing = { getStorage: async () => undefined, getNextKey: async () => undefined }

// Configurations hold integers beyond 2^53, which JSON.parse would round: they are carried through as marked strings.
const parse = (text) => JSON.parse(text.replace(/([[:,]\s*)(\d{16,})/g, '$1"#$2"'))
const stringify = (value) => JSON.stringify(value).replace(/"#(\d{16,})"/g, '$1')

const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value)

// Objects merge, everything else replaces: the rule by which a preset patches the runtime's defaults.
function merge(base, patch) {
  const merged = { ...base }
  for (const [key, value] of Object.entries(patch)) {
    merged[key] = isObject(value) && isObject(merged[key]) ? merge(merged[key], value) : value
  }
  return merged
}

export async function buildGenesis(require, request) {
  const { runTask } = require('@acala-network/chopsticks-core/wasm-executor/index')
  const { compactAddLength, compactStripLength, u8aConcat, u8aToHex, u8aToString } = require('@polkadot/util')
  const utf8 = (text) => new TextEncoder().encode(text)
  const code = u8aToHex(readFileSync(request.runtime))

  async function call(method, argument) {
    const task = { wasm: code, calls: [[method, [u8aToHex(argument)]]], runtimeLogLevel: 0 }
    const response = await runTask({ ...task, mockSignatureHost: false, allowUnresolvedImports: false }, nothing)
    if ('Error' in response) throw new Error(`${method}: ${response.Error}`)
    return { result: Buffer.from(response.Call.result.slice(2), 'hex'), diff: response.Call.storageDiff }
  }

  // Option<Vec<u8>> of JSON.
  async function preset(name) {
    const option = name === null ? new Uint8Array([0]) : u8aConcat(new Uint8Array([1]), compactAddLength(utf8(name)))
    const { result } = await call('GenesisBuilder_get_preset', option)
    if (result[0] !== 1) throw new Error(`the runtime has no preset ${name}`)
    return parse(u8aToString(compactStripLength(result.subarray(1))[1]))
  }

  const configuration = merge(merge(await preset(null), await preset(request.preset)), request.configuration)
  const balances = configuration.balances.balances
  const known = new Set(balances.map(([address]) => address)) // the pallet refuses duplicates
  balances.push(...request.endowed.filter((address) => !known.has(address)).map((address) => [address, request.coins]))

  const built = await call('GenesisBuilder_build_state', compactAddLength(utf8(stringify(configuration))))
  // Result<(), String>
  if (built.result[0] !== 0) throw new Error(u8aToString(compactStripLength(built.result.subarray(1))[1]))
  const top = Object.fromEntries(built.diff.filter(([, value]) => value !== null && value !== undefined))
  return {
    name: request.name,
    id: request.name,
    properties: { ss58Format: 42, tokenDecimals: 12, tokenSymbol: 'UNIT' },
    genesis: { raw: { top: { ...top, [CODE]: code, ...request.storage } } },
  }
}
