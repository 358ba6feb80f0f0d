// The development node: chopsticks, with another way to build blocks.
//
//   node node.mjs NODE_MODULES CONFIG.json
//
// The configuration is that of chopsticks; where the genesis that it names does not exist yet, it is built from the
// request that lies in CONFIG.json as `request` (genesis.mjs).
//
// Three things that a network of this project needs and chopsticks has not:
// - Time. Its blocks are stamped one slot after their parent, so a chain runs ahead of the clock when it is busy and
//   falls behind when it is idle, and other chains refuse its statements for that. Here a block carries the time at
//   which it is built, and time only grows.
// - Refusals. A transaction that the runtime refuses (while validating or while dispatching it) makes no block: the
//   submission answers with the reason, as a dry run would, for the price of building the block.
// - Order. One block is built after the other, whoever asks, so that two submissions never build on one head.
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
const { buildBlock } = require('@acala-network/chopsticks-core/blockchain/block-builder')
const { inherentProviders } = require('@acala-network/chopsticks-core/blockchain/inherent/index')
const { compactHex, getSlotDuration } = require('@acala-network/chopsticks-core/utils/index')
const { bnToU8a, hexToU8a, u8aToHex } = require('@polkadot/util')
const { blake2AsHex } = require('@polkadot/util-crypto')

const INVALID = 1010 // what a node's transaction pool answers with
const DISPATCH = 1020 // ours: the message is the SCALE-encoded DispatchError

const u64 = (value) => u8aToHex(bnToU8a(value, { bitLength: 64, isLe: true }))

// The head as the block builder is shown it: one slot before the time that the next block is to have.
async function headBefore(head, time) {
  const meta = await head.meta
  const slot = await getSlotDuration(head)
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

// The time of the next block: now, but later than the head's.
async function nextTime(head) {
  const meta = await head.meta
  const last = await head.read('u64', meta.query.timestamp.now)
  return Math.max(Date.now(), last.toNumber() + 1)
}

// Why a transaction that is in a block did nothing: its own failure, or that of the call that sudo made.
async function failure(head, diff) {
  const [meta, registry] = [await head.meta, await head.registry]
  const key = compactHex(meta.query.system.events())
  const raw = diff.find(([changed]) => changed === key)?.[1]
  if (!raw) return undefined
  for (const { event } of registry.createType('Vec<EventRecord>', hexToU8a(raw))) {
    if (event.section === 'system' && event.method === 'ExtrinsicFailed') return event.data[0].toHex()
    if (event.section === 'sudo' && event.data[0].isErr) return event.data[0].asErr.toHex()
  }
  return undefined
}

async function build(chain, transactions) {
  const view = await headBefore(chain.head, await nextTime(chain.head))
  const params = { transactions, upwardMessages: {}, downwardMessages: [], horizontalMessages: {} }
  const applied = []
  const invalid = []
  const [block, stuck] = await buildBlock(view, inherentProviders, params, {
    onApplyExtrinsicError: (_, error) => invalid.push(error),
    onPhaseApplied: (_, response) => applied.push(response.storageDiff),
  })
  if (invalid.length > 0) throw new ResponseError(INVALID, invalid[0].toString())
  if (stuck.length > 0) throw new ResponseError(INVALID, 'the runtime trapped')
  // Phases: initialisation, the time, the transactions, finalisation.
  for (const diff of applied.slice(-1 - transactions.length, -1)) {
    const error = await failure(view, diff)
    if (error) throw new ResponseError(DISPATCH, error)
  }
  await chain.onNewBlock(block)
  return block
}

function inTurn(chain) {
  let last = Promise.resolve()
  return (transactions) => {
    const next = last.then(() => build(chain, transactions))
    last = next.catch(() => undefined)
    return next
  }
}

async function main({ request, ...config }) {
  if (!existsSync(config.genesis)) {
    writeFileSync(`${config.genesis}.draft`, JSON.stringify(await buildGenesis(require, request)))
    renameSync(`${config.genesis}.draft`, config.genesis)
  }
  const context = await setupContext(config)
  const submit = inTurn(context.chain)
  const include = async (extrinsic) => {
    await submit([extrinsic])
    return blake2AsHex(extrinsic, 256)
  }
  context.chain.submitExtrinsic = include
  context.chain.newBlock = (params) => submit(params?.transactions ?? [])
  const answer = handler(context)
  // chopsticks' own `author_submitExtrinsic` puts a refusal into other words.
  const serve = (request, subscriptions) =>
    request.method === 'author_submitExtrinsic' ? include(request.params[0]) : answer(request, subscriptions)
  const { port } = await createServer(serve, config.port, config.host)
  if (port !== config.port) throw new Error(`port ${config.port} is in use`)
}

main(JSON.parse(readFileSync(process.argv[3], 'utf8'))).catch((error) => {
  process.stderr.write(`${error.stack ?? error}\n`, () => process.exit(1))
})
