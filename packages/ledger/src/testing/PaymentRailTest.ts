/**
 * The suite of the port `PaymentRail`: one test for each of its numbered guarantees, with the same words.
 *
 * @since 0.1.0
 */
import type { PaymentRail } from "../PaymentRail.ts"
import * as Proof from "./internal/Proof.ts"
import * as Rail from "./internal/Rail.ts"

/**
 * A rail to try, with an asset and an amount that it takes. `moved` is all the money that it has moved, by its own count;
 * `advance` lets it go on with what is pending. Both may be left out where there is no such thing.
 *
 * @category models
 * @since 0.1.0
 */
export type Trial = Rail.Trial<PaymentRail>

const of = Rail.of(({ start }: PaymentRail) => start)

/**
 * What a rail guarantees, in the order of the port's documentation.
 *
 * @category constants
 * @since 0.1.0
 */
export const guarantees: ReadonlyArray<Proof.Guarantee<Trial>> = [
  {
    number: 1,
    test: "Starting twice with the same key and the same top-up starts one; with another top-up it is a `Conflict`.",
    proof: of(Rail.once),
  },
  {
    number: 2,
    test: "A top-up that was started is found by its key, and its amount and asset are those that were asked for.",
    proof: of(Rail.found),
  },
  {
    number: 3,
    test: "A state that is `Succeeded` or `Failed` never changes again.",
    proof: of(Rail.final({ failedMovesNothing: false })),
  },
  {
    number: 4,
    test: "Every movement is listed, in a stable order, and a cursor goes on where the last page ended.",
    proof: of(Rail.listed),
  },
  {
    number: 5,
    test: "An amount of zero or less is refused, and nothing is started.",
    proof: of(Rail.refusesNothing),
  },
]

/**
 * Proves a rail. A guarantee that it cannot keep is skipped with its reason, which is printed.
 *
 * @category suites
 * @since 0.1.0
 */
export const suite: Proof.Suite<Trial> = Proof.suite("PaymentRail", guarantees)

/**
 * Proves that the suite bites: with this rail the guarantee with this number must fail, by one of its assertions.
 *
 * @category suites
 * @since 0.1.0
 */
export const breaks: Proof.Breaks<Trial> = Proof.breaks("PaymentRail", guarantees)
