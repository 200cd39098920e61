/**
 * A store's figures made again from its history, and compared with what it says.
 *
 * @since 0.1.0
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { AccountId } from "../../Account.ts"
import * as Chain from "../../Chain.ts"
import type { Entry } from "../../Entry.ts"
import { partsOf } from "../../Hold.ts"
import { LedgerStore } from "../../LedgerStore.ts"
import * as History from "./History.ts"

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

const plainBatch = ({ chain, root, ...batch }: Chain.Batch) => ({ ...batch, root: hex(root), chain: hex(chain) })
const plainNode = ({ hash, ...node }: Chain.Node) => ({ ...node, hash: hex(hash) })

/** What `Chain` makes of a history whose batches ended there. */
const chainOf = (entries: ReadonlyArray<Entry>, recorded: ReadonlyArray<Chain.Batch>) => {
  let head = Chain.empty
  const batches: Array<Chain.Batch> = []
  const nodes: Array<Chain.Node> = []
  for (const { committedAtMs, lastSequence } of recorded) {
    const added = Chain.append(head, entries.slice(Number(head.size), Number(lastSequence)), committedAtMs)
    head = added.head
    if (added.batch !== undefined) batches.push(added.batch)
    nodes.push(...added.nodes)
  }
  return { head, batches, nodes }
}

/** Asserts that all batches and nodes are what `Chain` makes of the entries. @since 0.1.0 */
export const chain = Effect.gen(function* () {
  const [entries, batches, nodes] = [yield* History.entries, yield* History.batches, yield* History.nodes]
  const computed = chainOf(entries, batches)
  assert.strictEqual(computed.head.size, BigInt(entries.length), "the batches have all entries")
  assert.deepStrictEqual(batches.map(plainBatch), computed.batches.map(plainBatch))
  assert.deepStrictEqual(nodes.map(plainNode), computed.nodes.map(plainNode))
  for (const { committedAtMs, firstSequence, lastSequence } of batches) {
    for (const { postedAtMs, sequence } of entries.slice(Number(firstSequence) - 1, Number(lastSequence))) {
      assert.strictEqual(postedAtMs, committedAtMs, `entry ${sequence} is as old as its batch`)
    }
  }
  return { entries, batches, nodes }
})

/** The balances that an order of entries leads to; asserts that each one recorded what it led to itself. */
const run = (entries: ReadonlyArray<Entry>, assetOf: (id: AccountId) => string): Map<AccountId, bigint> => {
  const running = new Map<AccountId, bigint>()
  for (const entry of entries) {
    if (entry._tag !== "Posted") continue
    const sums = new Map<string, bigint>()
    for (const [at, { account, amount }] of entry.posting.legs.entries()) {
      running.set(account, (running.get(account) ?? 0n) + amount)
      assert.strictEqual(entry.balances[at], running.get(account), `entry ${entry.sequence}, leg ${at}`)
      sums.set(assetOf(account), (sums.get(assetOf(account)) ?? 0n) + amount)
    }
    for (const [asset, sum] of sums) assert.strictEqual(sum, 0n, `entry ${entry.sequence} in ${asset}`)
  }
  return running
}

const sorted = (balances: ReadonlyMap<AccountId, bigint>) => [...balances].sort(([a], [b]) => (a < b ? -1 : 1))

/** Asserts that sequences, balances, and what is held are what the history makes them, and that no limit is passed. @since 0.1.0 */
export const balances = Effect.gen(function* () {
  const store = yield* LedgerStore
  const [entries, accounts] = [yield* History.entries, yield* store.accounts()]
  assert.deepStrictEqual(
    entries.map(({ sequence }) => sequence),
    entries.map((_, at) => BigInt(at + 1)),
  )
  const assets = new Map(accounts.map(({ asset, id }) => [id, asset.code]))
  const running = run(entries, (id) => assets.get(id) ?? assert.fail(`there is no account ${id}`))
  const held = new Map<AccountId, bigint>()
  for (const { account, amount, drawn } of (yield* store.holds({ pending: true })).flatMap(partsOf)) {
    held.set(account, (held.get(account) ?? 0n) + amount - drawn)
  }
  for (const account of accounts) {
    const { balance, ceiling, floor, id } = account
    assert.deepStrictEqual([balance, account.held], [running.get(id) ?? 0n, held.get(id) ?? 0n], id)
    if (floor !== null) assert.isTrue(balance - account.held >= floor, `${id} is below its floor`)
    if (ceiling !== null) assert.isTrue(balance <= ceiling, `${id} is above its ceiling`)
  }
  const last = entries.at(-1)?.sequence ?? 0n
  assert.deepStrictEqual(sorted(yield* store.balances({ sequence: last })), sorted(running))
  return entries
})
