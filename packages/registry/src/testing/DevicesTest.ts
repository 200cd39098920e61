/**
 * The suite of `Devices`: one test for each of its numbered guarantees, with the same words. The layer under test
 * must refuse private endpoints.
 *
 * @since 0.1.0
 */
import { assert, describe, it, layer as sharing } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Layer from "effect/Layer"
import type { Devices } from "../Devices.ts"
import * as ChangeProofs from "./internal/ChangeProofs.ts"
import * as MarketProofs from "./internal/MarketProofs.ts"
import * as MessageProofs from "./internal/MessageProofs.ts"

/**
 * A guarantee with the program that proves it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Guarantee {
  readonly number: number
  readonly test: string
  readonly proof: Effect.Effect<void, unknown, Devices>
}

/**
 * What devices guarantee, in the order of the documentation.
 *
 * @category constants
 * @since 0.1.0
 */
export const guarantees: ReadonlyArray<Guarantee> = [
  {
    number: 1,
    test: "A message is accepted where the device signed exactly it, and answers the device's id.",
    proof: MessageProofs.exact,
  },
  {
    number: 2,
    test: "A message that was changed, or signed by another key, is refused with `invalid_signature`.",
    proof: MessageProofs.signature,
  },
  {
    number: 3,
    test: "A message signed longer ago than a minute, or as far in the future, is refused with `stale_message`.",
    proof: MessageProofs.skew,
  },
  {
    number: 4,
    test: "A sequence is used up once and in rising order, registered or not, however many arrive at once: `replayed_message`.",
    proof: MessageProofs.sequences,
  },
  {
    number: 5,
    test: "A device keeps its id and the id of each instance; registering again gives new terms.",
    proof: MarketProofs.registering,
  },
  { number: 6, test: "A device belongs to the member that registered it first, for ever.", proof: MarketProofs.owning },
  {
    number: 7,
    test: "An endpoint that the market may not call is refused with `invalid_endpoint`.",
    proof: MarketProofs.endpoints,
  },
  {
    number: 8,
    test: "A beat brings an offline instance back and tells of draining; one that changes nothing makes no version.",
    proof: MarketProofs.beating,
  },
  {
    number: 9,
    test: "A beat speaks only for the device's own instances on the market: `not_found`.",
    proof: MarketProofs.ownBeats,
  },
  {
    number: 10,
    test: "The events after any version, folded over that version's directory, give the instances of now.",
    proof: ChangeProofs.folding,
  },
  {
    number: 11,
    test: "Changes made at once are told in order: who follows by version misses none.",
    proof: ChangeProofs.ordered,
  },
  { number: 12, test: "An instance leaves the market by its member's word only.", proof: MarketProofs.leaving },
  {
    number: 13,
    test: "A revoked device is off the market and every message of it is refused with `device_revoked`.",
    proof: MarketProofs.revoking,
  },
]

/**
 * Proves devices on a layer. A guarantee that a layer cannot keep is skipped with its reason, which is printed.
 *
 * @category suites
 * @since 0.1.0
 */
export const suite = <E>(
  name: string,
  layer: Layer.Layer<Devices, E>,
  options: { readonly skip?: ReadonlyArray<{ readonly test: number; readonly reason: string }> } = {},
): void => {
  sharing(layer, { timeout: "60 seconds" })(`Devices: ${name}`, (it) => {
    for (const { number, test, proof } of guarantees) {
      const skipped = options.skip?.find((skip) => skip.test === number)
      if (skipped === undefined) it.effect(`${number}. ${test}`, () => proof)
      else it.skip(`${number}. ${test} (skipped: ${skipped.reason})`, () => {})
    }
  })
}

/**
 * Proves that the suite bites: on this layer the guarantee with this number must fail.
 *
 * @category suites
 * @since 0.1.0
 */
export const breaks = <E>(name: string, layer: Layer.Layer<Devices, E>, number: number): void => {
  describe(`Devices, broken: ${name}`, () => {
    it.effect(`${number}. fails`, () =>
      Effect.gen(function* () {
        const guarantee = guarantees.find((one) => one.number === number)
        if (guarantee === undefined) return assert.fail(`There is no guarantee ${number}.`)
        const exit = yield* Effect.exit(Effect.provide(guarantee.proof, layer))
        assert.isTrue(Exit.isFailure(exit), `guarantee ${number} holds on a layer that breaks it`)
      }),
    )
  })
}
