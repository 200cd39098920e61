/**
 * The suite of the port `LedgerStore`: one test for each of its numbered guarantees, with the same words.
 *
 * @since 0.1.0
 */
import { assert, describe, it, layer as sharing } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type { LedgerStore } from "../LedgerStore.ts"
import * as Holds from "./internal/Holds.ts"
import * as Postings from "./internal/Postings.ts"
import * as Proof from "./internal/Proof.ts"
import * as ReadBack from "./internal/ReadBack.ts"
import type { Pass } from "./internal/Trial.ts"

/**
 * A guarantee with the program that proves it. `pass` lets the store's own time pass.
 *
 * @category models
 * @since 0.1.0
 */
export interface Guarantee {
  readonly number: number
  readonly test: string
  readonly proof: (pass: Pass) => Effect.Effect<void, unknown, LedgerStore>
}

/**
 * What a ledger's store guarantees, in the order of the port's documentation.
 *
 * @category constants
 * @since 0.1.0
 */
export const guarantees: ReadonlyArray<Guarantee> = [
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
    test: "An account's balance less its pending holds never falls below its floor, however many commands run at once.",
    proof: () => Holds.floors,
  },
  {
    number: 4,
    test: "A refused command leaves nothing behind and does not disturb the others of its batch.",
    proof: () => Postings.refused,
  },
  {
    number: 5,
    test: "A hold leaves `pending` once: it is posted up to its amount and the rest is free again, or voided, or expired.",
    proof: Holds.ends,
  },
  {
    number: 6,
    test: "Expiry follows the store's own clock; renewal by the owner puts it off; an expired hold releases its amount once.",
    proof: Holds.expires,
  },
  {
    number: 7,
    test: "A claim is paid only after its hold expired, and at most once; a settlement after expiry is refused.",
    proof: Holds.claimed,
  },
  {
    number: 8,
    test: "What `commit` answered is durable, and is read back by `accounts`, `holds`, `postings` and `attachments`.",
    proof: () => ReadBack.durable,
  },
  {
    number: 9,
    test: "Postings carry gapless sequence numbers in the order of their effect; recomputing every balance from them gives the balances.",
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
]

/**
 * How a suite is run. `pass` lets the store's time pass by so many milliseconds: `TestClock.adjust` for a store that
 * follows Effect's clock, a real pause for one with a clock of its own.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly pass: Pass
  readonly skip?: ReadonlyArray<{ readonly test: number; readonly reason: string }>
}

/**
 * Proves a store. A guarantee that a layer cannot keep is skipped with its reason, which is printed.
 *
 * @category suites
 * @since 0.1.0
 */
export const suite = <E>(name: string, layer: Layer.Layer<LedgerStore, E>, options: Options): void => {
  sharing(layer, { timeout: "60 seconds" })(`LedgerStore: ${name}`, (it) => {
    for (const { number, test, proof } of guarantees) {
      const skipped = options.skip?.find((skip) => skip.test === number)
      if (skipped === undefined) it.effect(`${number}. ${test}`, () => proof(options.pass))
      else it.skip(`${number}. ${test} (skipped: ${skipped.reason})`, () => {})
    }
  })
}

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
): void => {
  describe(`LedgerStore, broken: ${name}`, () => {
    it.effect(`${number}. fails`, () =>
      Effect.gen(function* () {
        const guarantee = guarantees.find((one) => one.number === number)
        if (guarantee === undefined) return assert.fail(`There is no guarantee ${number}.`)
        yield* Proof.mustFail(Effect.provide(guarantee.proof(options.pass), layer))
      }),
    )
  })
}
