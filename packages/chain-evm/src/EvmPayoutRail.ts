/**
 * Pays members in a token: payouts wait until the next batch, and a batch of up to 500 is one transaction of the contract
 * Settlement, from what the operator has funded.
 *
 * A batch has an id that the contract takes once, kept before anything is sent: whatever dies, and
 * however often it is sent, it is paid once. It counts as paid when the contract says so at a block that is final. Nothing is
 * ever said to have failed: a batch that the contract does not take, because too little is funded, waits until it does. A member
 * whose address cannot be paid is credited at the contract instead, and claims it there.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { encodeFunctionData } from "viem/utils"
import type { Address } from "@guildhall/chain/Address"
import * as Entries from "@guildhall/chain/Entries"
import type { MemberId } from "@guildhall/core/Member"
import { type Movement, RailError } from "@guildhall/ledger/Movement"
import { type Payout, type PayoutRail, tooLate } from "@guildhall/ledger/PayoutRail"
import * as Abi from "./abi/index.ts"
import * as ChainReads from "./internal/ChainReads.ts"
import * as PayoutBook from "./internal/PayoutBook.ts"
import { bytes } from "./internal/Viem.ts"
import * as RailAsset from "./RailAsset.ts"
import { Rpc } from "./Rpc.ts"
import { Sender } from "./Sender.ts"

/**
 * - `name`: that of the rail, and of its accounts in the ledger. One rail has one name for good: its payouts are kept under it.
 * - `settlement`, `operator`: the contract that pays, and the account that may tell it to.
 * - `assets`: what can be paid, each by its token.
 * - `addressOf`: where a member is paid; undefined where it has not said.
 * - `batchMax`: so many payouts go in one transaction at most; 500 if nothing is said, which is the contract's own limit.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly name: string
  readonly settlement: Address
  readonly operator: Address
  readonly assets: ReadonlyArray<RailAsset.RailAsset>
  readonly addressOf: (member: MemberId) => Effect.Effect<Address | undefined, RailError>
  readonly batchMax?: number | undefined
}

/**
 * The rail, and what makes it pay: `flush` sends what waits and looks what became of what was sent; answers how many batches
 * were found to be paid. Run it every few minutes, from one place.
 *
 * @category models
 * @since 0.1.0
 */
export interface EvmPayoutRail {
  readonly rail: PayoutRail
  readonly flush: Effect.Effect<number, RailError>
}

const BATCH_MAX = 500

const refused = (detail: string) => new RailError({ reason: "Refused", detail })

const movementOf = (name: string, row: PayoutBook.Kept): Movement => ({
  cursor: `${row.number}`,
  idempotencyKey: row.key,
  externalId: `${name.toLowerCase()}-${row.number}`,
  asset: row.asset,
  amount: row.amount,
  state: row.isPaid === true ? { _tag: "Succeeded" } : { _tag: "Pending", next: row.detail },
})

const cursorOf = (after: string | null): number => {
  const number = after === null ? 0 : Number(after)
  return Number.isSafeInteger(number) && number >= 0 ? number : 0
}

type Book = Effect.Success<ReturnType<typeof PayoutBook.make>>

/** What a payout is on the chain, or why it cannot be. */
const entryOf = Effect.fnUntraced(function* (options: Options, payout: Payout) {
  const { amount, asset, idempotencyKey: key, member, notAfterMs } = payout
  if (amount <= 0n) return yield* refused("The amount must be above zero.")
  if (notAfterMs !== undefined && (yield* Clock.currentTimeMillis) > notAfterMs) return yield* tooLate(notAfterMs)
  const known = options.assets.find((each) => each.asset.code === asset)
  if (known === undefined) return yield* refused(`There is no token for ${asset} on this chain.`)
  const units = RailAsset.toUnits(known, amount)
  if (units === undefined) return yield* refused(`The token has ${known.decimals} decimal places, and this has more.`)
  if (units > Entries.MAX_AMOUNT) return yield* refused("The contract does not take as much at once.")
  const account = yield* options.addressOf(member)
  if (account === undefined) return yield* refused(`${member} has no address on this chain. It must give one first.`)
  return { key, member, asset, amount, token: known.token, account, units } satisfies PayoutBook.Entry
})

const send = (options: Options, book: Book) =>
  Effect.fnUntraced(function* (payout: Payout): Effect.fn.Return<Movement, RailError> {
    const { amount, asset, idempotencyKey: key, member } = payout
    const before = yield* book.find(key)
    if (before === undefined) yield* book.add(yield* entryOf(options, payout))
    const row = before ?? (yield* book.find(key))
    if (row === undefined) return yield* PayoutBook.unavailable()
    if (row.member !== member || row.asset !== asset || row.amount !== amount) {
      const detail = `It was ${row.amount} ${row.asset} for ${row.member}.`
      return yield* new RailError({ reason: "Conflict", detail })
    }
    return movementOf(options.name, row)
  })

/** Whether the contract says of a batch, at a block that is final, that it is paid. */
const isPaidAt = Effect.fnUntraced(function* (rpc: Rpc["Service"], settlement: Address, batch: string) {
  const reads = ChainReads.make(rpc)
  const head = yield* rpc.head
  const data = encodeFunctionData({ abi: Abi.Settlement.abi, functionName: "isPaid", args: [bytes(batch)] })
  const final = head - BigInt(rpc.chain.confirmations)
  // Before the contract was there it paid nothing.
  if (final < 0n) return false
  const answer = yield* reads.call({ to: settlement, data }, final)
  return answer.length === 66 && BigInt(answer) === 1n
})

/**
 * Makes the rail. Its payouts are kept in PostgreSQL; creates the tables where they are missing.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: Options) {
  const { name, operator, settlement } = options
  const rpc = yield* Rpc
  const sender = yield* Sender
  const book = yield* PayoutBook.make(name, Math.min(options.batchMax ?? BATCH_MAX, BATCH_MAX))

  const submit = Effect.fnUntraced(function* (batch: PayoutBook.Batch) {
    const entries = yield* book.parts(batch.batch)
    const args = [bytes(batch.token), bytes(batch.batch), bytes(Entries.pack(entries))] as const
    const data = encodeFunctionData({ abi: Abi.Settlement.abi, functionName: "payMany", args })
    const idempotencyKey = `payout:${name}:${batch.batch}#${batch.attempt}`
    yield* sender.send({ idempotencyKey, by: operator, to: settlement, data }).pipe(
      Effect.catch((error) => {
        const { reason } = error
        const isOver = reason._tag === "Reverted" && reason.isSent
        return Effect.andThen(
          Effect.logWarning(`A batch of ${entries.length} payouts of ${name} waits. ${error.message}`),
          book.waits(batch, error.message.slice(0, 300), isOver),
        )
      }),
    )
  })

  const advance = Effect.fnUntraced(function* (batch: PayoutBook.Batch) {
    const isPaid = yield* Effect.mapError(
      isPaidAt(rpc, settlement, batch.batch),
      (error) => new RailError({ reason: "Unavailable", detail: error.message }),
    )
    if (isPaid) yield* book.paid(batch.batch)
    else yield* submit(batch)
    return isPaid ? 1 : 0
  })

  const made: EvmPayoutRail = {
    rail: {
      name,
      capabilities: {
        scale: Math.min(...options.assets.map(({ decimals }) => decimals)),
        cancels: false,
        keyLifeMs: null,
        absenceMs: null,
      },
      send: send(options, book),
      find: Effect.fnUntraced(function* (key) {
        const row = yield* book.find(key)
        if (row === undefined) return yield* new RailError({ reason: "NotFound", detail: "Send it first." })
        return movementOf(name, row)
      }),
      movements: (after, limit) =>
        Effect.map(book.page(cursorOf(after), limit), (rows) => rows.map((row) => movementOf(name, row))),
    },
    flush: Effect.gen(function* () {
      const batches = yield* book.open
      const paid = yield* Effect.forEach(batches, advance)
      return paid.reduce((sum: number, one) => sum + one, 0)
    }).pipe(Effect.withSpan("EvmPayoutRail.flush")),
  }
  return made
})
