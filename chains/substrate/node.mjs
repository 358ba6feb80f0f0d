// The development node: chopsticks, with another way to build blocks.
//
//   node node.mjs NODE_MODULES CONFIG.json
//
// The configuration is that of chopsticks; where the genesis that it names does not exist yet, it is built from the
// request that lies in CONFIG.json as `request` (genesis.mjs).
//
// Five things that a network of this project needs and chopsticks has not:
// - Time. Its blocks are stamped one slot after their parent, so a chain runs ahead of the clock when it is busy and
//   falls behind when it is idle, and other chains refuse its statements for that. Here a block carries the time at
//   which it is built, and time only grows.
// - The digest. Its headers carry its own items alone; here the header is the one that the runtime made, with the
//   outbox's item. The state root stays zero: there is no trie.
// - Refusals. A transaction that the runtime refuses (while validating or while dispatching it) makes no block: the
//   submission answers with the reason, as a dry run would, for the price of building the block.
// - Order. One block is built after the other, whoever asks, so that two submissions never build on one head.
// - Speed. A block is one run of the executor instead of four.
// A submission answers when its block lies in the database.
import { createRequire } from 'node:module'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { buildGenesis } from './genesis.mjs'

const require = createRequire(process.argv[2] + '/')
const { setupContext } = require('@acala-network/chopsticks/context')
const { createServer } = require('@acala-network/chopsticks/server')
const { handler } = require('@acala-network/chopsticks/rpc/index')
const { ResponseError } = require('@acala-network/chopsticks-core')
const { Block } = require('@acala-network/chopsticks-core/blockchain/block')
const { Blockchain } = require('@acala-network/chopsticks-core/blockchain/index')
const { runTask, taskHandler } = require('@acala-network/chopsticks-core/wasm-executor/index')
const { compactHex, getSlotDuration } = require('@acala-network/chopsticks-core/utils/index')
const { GenericExtrinsic } = require('@polkadot/types')
const { bnToU8a, hexToU8a, u8aToHex } = require('@polkadot/util')
const { blake2AsHex } = require('@polkadot/util-crypto')

const INVALID = 1010 // what a node's transaction pool answers with
const UNKNOWN_METHOD = -32601
const DISPATCH = 1020 // ours: the message is the SCALE-encoded DispatchError
const ZERO = '0x' + '00'.repeat(32)

const u64 = (value) => u8aToHex(bnToU8a(value, { bitLength: 64, isLe: true }))

// The time of the next block: now, but later than the head's. The first follows the genesis, so that it is always the same.
async function nextTime(head, slot) {
  const meta = await head.meta
  const last = (await head.read('u64', meta.query.timestamp.now)).toNumber()
  return head.number === 0 ? last + slot : Math.max(Date.now(), last + 1)
}

// The header that the runtime begins with.
async function openHeader(head, time, slot) {
  const registry = await head.registry
  return registry.createType('Header', {
    parentHash: head.hash,
    number: head.number + 1,
    stateRoot: ZERO,
    extrinsicsRoot: ZERO,
    digest: { logs: [{ PreRuntime: ['aura', u64(Math.floor(time / slot))] }] },
  })
}

// The head's state as the runtime is shown it: one slot before `time`, whatever the head's own time is. The runtime
// wants a slot between two blocks.
async function stateBefore(head, time, slot) {
  const meta = await head.meta
  return new Block(head.chain, head.number, head.hash, head, {
    header: await head.header,
    extrinsics: [],
    storage: head.storage,
    storageDiff: {
      [compactHex(meta.query.timestamp.now())]: u64(time - slot),
      [compactHex(meta.query.aura.currentSlot())]: u64(Math.floor(time / slot) - 1),
    },
  })
}

async function run(state, calls) {
  const task = { wasm: await state.wasm, calls, runtimeLogLevel: 0, mockSignatureHost: false }
  const response = await runTask({ ...task, allowUnresolvedImports: false }, taskHandler(state))
  if (!('Call' in response)) throw new ResponseError(INVALID, `the runtime trapped: ${response.Error}`)
  return response.Call
}

// What the events say about the extrinsic at this index: undefined when it did what it should, else its DispatchError,
// or the one of the call that sudo made; `missing` when it was not even applied.
function failure(events, index) {
  const own = events.filter(({ phase }) => phase.isApplyExtrinsic && phase.asApplyExtrinsic.eq(index))
  for (const { event } of own) {
    if (event.section === 'system' && event.method === 'ExtrinsicFailed') return event.data[0].toHex()
    if (event.section === 'sudo' && event.data[0].isErr) return event.data[0].asErr.toHex()
  }
  return own.some(({ event }) => event.section === 'system' && event.method === 'ExtrinsicSuccess') ? undefined : 'missing'
}

async function build(chain, transactions) {
  const head = chain.head
  const [meta, registry, slot] = [await head.meta, await head.registry, await getSlotDuration(head)]
  const time = await nextTime(head, slot)
  const state = await stateBefore(head, time, slot)
  const extrinsics = [new GenericExtrinsic(registry, meta.tx.timestamp.set(time)).toHex(), ...transactions]
  const opened = [
    ['Core_initialize_block', [(await openHeader(head, time, slot)).toHex()]],
    ...extrinsics.map((extrinsic) => ['BlockBuilder_apply_extrinsic', [extrinsic]]),
  ]
  const { result, storageDiff } = await run(state, [...opened, ['BlockBuilder_finalize_block', []]])

  const changes = Object.fromEntries(storageDiff)
  const events = registry.createType('Vec<EventRecord>', hexToU8a(changes[compactHex(meta.query.system.events())]))
  for (let index = 1; index < extrinsics.length; index++) {
    const error = failure(events, index)
    if (error === 'missing') {
      const applied = await run(state, opened.slice(0, index + 2))
      throw new ResponseError(INVALID, registry.createType('ApplyExtrinsicResult', applied.result).toString())
    }
    if (error) throw new ResponseError(DISPATCH, error)
  }

  const header = registry.createType('Header', { ...registry.createType('Header', result).toJSON(), stateRoot: ZERO })
  const block = new Block(chain, head.number + 1, header.hash.toHex(), head, {
    header,
    extrinsics,
    storage: head.storage,
    storageDiff: changes,
  })
  // Nobody sees a block that a kill could take back.
  await chain.saveBlockToDB(block)
  await chain.setHead(block)
  console.log(`${new Date().toISOString()} block ${block.number} ${block.hash} extrinsics ${transactions.length}`)
  return block
}

// One after the other.
const last = new WeakMap()
function submit(chain, transactions) {
  const next = (last.get(chain) ?? Promise.resolve()).then(() => build(chain, transactions))
  last.set(chain, next.catch(() => undefined))
  return next
}

Blockchain.prototype.submitExtrinsic = async function (extrinsic) {
  await submit(this, [extrinsic])
  return blake2AsHex(extrinsic, 256)
}

// Setting up makes the first block; a chain that is resumed has it.
Blockchain.prototype.newBlock = async function (params) {
  if (this.head.number === 0 && (await this.db.queryHighestBlock())) return this.head
  return submit(this, params?.transactions ?? [])
}

async function main({ request, ...config }) {
  if (!existsSync(config.genesis)) {
    writeFileSync(`${config.genesis}.draft`, JSON.stringify(await buildGenesis(require, request)))
    renameSync(`${config.genesis}.draft`, config.genesis)
  }
  const context = await setupContext(config)
  const answer = handler(context)
  // chopsticks' own `author_submitExtrinsic` puts a refusal into other words, and its `state_getReadProof` asks a network.
  const own = {
    author_submitExtrinsic: ([extrinsic]) => context.chain.submitExtrinsic(extrinsic),
    state_getReadProof: () => {
      throw new ResponseError(UNKNOWN_METHOD, 'this node keeps no trie')
    },
  }
  const serve = async (request, subscriptions) => {
    try {
      const method = own[request.method]
      return await (method ? method(request.params) : answer(request, subscriptions))
    } catch (error) {
      if (error.code !== UNKNOWN_METHOD) console.log(`${new Date().toISOString()} ${request.method}: ${error.message}`)
      throw error
    }
  }
  const { port } = await createServer(serve, config.port, config.host)
  if (port !== config.port) throw new Error(`port ${config.port} is in use`)
}

main(JSON.parse(readFileSync(process.argv[3], 'utf8'))).catch((error) => {
  process.stderr.write(`${error.stack ?? error}\n`, () => process.exit(1))
})
