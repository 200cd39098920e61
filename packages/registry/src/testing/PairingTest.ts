/**
 * The suite of `Pairing`: one test for each of its numbered guarantees, with the same words. The layer under test has its
 * `Devices` with it.
 *
 * @since 0.1.0
 */
import * as Conformance from "@guildhall/core/testing/Conformance"
import type { Devices } from "../Devices.ts"
import type { Pairing } from "../Pairing.ts"
import * as GuessProofs from "./internal/GuessProofs.ts"
import * as PairingProofs from "./internal/PairingProofs.ts"

const port: Conformance.Port<Pairing | Devices> = {
  name: "Pairing",
  clock: "virtual",
  guarantees: [
    {
      number: 1,
      test: "A device that sends a member's code waits for that member, who sees what it said and the fingerprint of its key.",
      proof: PairingProofs.waits,
    },
    {
      number: 2,
      test: "A code is good once and for ten minutes; whatever is wrong with it, it is refused with `invalid_pairing_code`.",
      proof: PairingProofs.once,
    },
    {
      number: 3,
      test: "A device that its member approves is the member's, one that is refused is nobody's, and each hears so when it asks again.",
      proof: PairingProofs.decided,
    },
    {
      number: 4,
      test: "Nobody but the member whose code it was sees, approves or refuses a device: `not_found`.",
      proof: PairingProofs.owned,
    },
    {
      number: 5,
      test: "Five wrong codes from a network lock it out for ten minutes, whatever it then sends: `pairing_locked`.",
      proof: GuessProofs.network,
    },
    {
      number: 6,
      test: "Five wrong codes that name a pairing end it, and lock no network.",
      proof: GuessProofs.named,
    },
    {
      number: 7,
      test: "Of all networks together, 50 wrong codes in ten minutes are heard; then a code is taken from where it was made, or with its pairing's name.",
      proof: GuessProofs.market,
    },
    {
      number: 8,
      test: "A member, a network and the market have no more pairings under way than the bounds: `too_many_pairings`.",
      proof: PairingProofs.bounded,
    },
    {
      number: 9,
      test: "Of many that send one code at once, one gets it, and wrong codes sent at once all count.",
      proof: GuessProofs.together,
    },
    { number: 10, test: "What waits for a member for an hour is over.", proof: PairingProofs.waitsAnHour },
  ],
}

/**
 * Proves a layer.
 *
 * @category suites
 * @since 0.1.0
 */
export const suite: Conformance.Suite<Pairing | Devices> = Conformance.suite(port)

/**
 * Proves that the suite bites: on this layer the guarantee with this number must fail.
 *
 * @category suites
 * @since 0.1.0
 */
export const breaks: Conformance.Breaks<Pairing | Devices> = Conformance.breaks(port)
