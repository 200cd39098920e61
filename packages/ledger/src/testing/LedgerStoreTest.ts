/**
 * The suite of the port `LedgerStore`: one test for each of its numbered guarantees, with the same words.
 *
 * @since 0.1.0
 */
import type * as Layer from "effect/Layer"
import * as Conformance from "@guildhall/core/testing/Conformance"
import type { LedgerStore } from "../LedgerStore.ts"
import * as Batches from "./internal/Batches.ts"
import * as Chained from "./internal/Chained.ts"
import * as Growth from "./internal/Growth.ts"
import * as Holds from "./internal/Holds.ts"
import * as Limits from "./internal/Limits.ts"
import * as Payouts from "./internal/Payouts.ts"
import * as Periods from "./internal/Periods.ts"
import * as Postings from "./internal/Postings.ts"
import * as ReadBack from "./internal/ReadBack.ts"
import * as Sources from "./internal/Sources.ts"
import type { Pass } from "./internal/Trial.ts"

/**
 * What a ledger's store guarantees, each with its proof, which is told how to let the store's time pass; in the order of the port's documentation.
 *
 * @category constants
 * @since 0.1.0
 */
export const guarantees: ReadonlyArray<Conformance.Guarantee<(pass: Pass) => Conformance.Proof<LedgerStore>>> = [
  {
    number: 1,
    test: "A command with a key that was used before gives the first outcome again if it is the same command, and a `Conflict` if not.",
    proof: () => Postings.idempotent,
  },
  {
    number: 2,
    test: "A posting moves all its legs or none, and only if they sum to zero for each asset.",
    proof: () => Postings.balanced,
  },
  {
    number: 3,
    test: "An account's balance less its pending holds never falls below its floor, nor its balance above its ceiling, however many commands run at once.",
    proof: () => Limits.limited,
  },
  {
    number: 4,
    test: "A refused command, or one that is only previewed, leaves nothing behind and does not disturb the others of its batch; linked commands are made all or none.",
    proof: () => Batches.refused,
  },
  {
    number: 5,
    test: "A hold leaves `pending` once: it is posted, in one or several steps up to its amount, and the rest is free again, or voided, or expired.",
    proof: Holds.ends,
  },
  {
    number: 6,
    test: "Expiry follows the store's own clock, which never goes back; renewal by the owner puts it off; an expired hold releases its amount once.",
    proof: Holds.expires,
  },
  {
    number: 7,
    test: "A claim is paid only after its hold expired, and at most once; a settlement after expiry is refused.",
    proof: Holds.claimed,
  },
  {
    number: 8,
    test: "What `commit` answered is durable, and is read back by `accounts`, `holds`, `balances` and `history`.",
    proof: ReadBack.durable,
  },
  {
    number: 9,
    test: "Entries carry gapless sequence numbers in the order of their effect; recomputing every balance from them gives the balances.",
    proof: () => ReadBack.recomputed,
  },
  {
    number: 10,
    test: "Attachments are stored with their command or not at all, in the same order.",
    proof: () => ReadBack.attached,
  },
  {
    number: 11,
    test: "A snapshot shows one moment: what is committed while it is read does not appear in it.",
    proof: () => ReadBack.oneMoment,
  },
  {
    number: 12,
    test: "Each batch's record carries the chain's head and the Merkle root over all entries up to it, as `Chain` computes them.",
    proof: () => Chained.chained,
  },
  {
    number: 13,
    test: "Nothing counts in a closed period, and the balances of any sequence or time stay as they were.",
    proof: Periods.closed,
  },
  {
    number: 14,
    test: "Payout ranges of an account have no gaps and do not overlap.",
    proof: () => Payouts.ranges,
  },
  {
    number: 15,
    test: "A pending hold grows to what is asked or stays as it is, and asking again changes nothing; what it grew to can be drawn and settled.",
    proof: Growth.grown,
  },
  {
    number: 16,
    test: "A hold of several accounts takes of each what it has, in their order, all or nothing; each part is posted, voided and expired with it.",
    proof: Sources.several,
  },
]

/**
 * How a suite is run. `pass` lets the store's time pass by so many milliseconds: `TestClock.adjust` for a store that
 * follows Effect's clock, a real pause for one with a clock of its own.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Conformance.Options {
  readonly pass: Pass
}

const port = ({ pass }: Pick<Options, "pass">): Conformance.Port<LedgerStore> => ({
  name: "LedgerStore",
  guarantees: guarantees.map((guarantee) => ({ ...guarantee, proof: guarantee.proof(pass) })),
  clock: "virtual",
})

/**
 * Proves a store. A guarantee that a layer cannot keep is skipped with its reason, which is printed.
 *
 * @category suites
 * @since 0.1.0
 */
export const suite = <E>(name: string, layer: Layer.Layer<LedgerStore, E>, options: Options): void =>
  Conformance.suite(port(options))(name, layer, options)

/**
 * Proves that the suite bites: on this layer the guarantee with this number must fail, by one of its assertions.
 *
 * @category suites
 * @since 0.1.0
 */
export const breaks = <E>(
  name: string,
  layer: Layer.Layer<LedgerStore, E>,
  number: number,
  options: Pick<Options, "pass">,
): void => Conformance.breaks(port(options))(name, layer, number)
