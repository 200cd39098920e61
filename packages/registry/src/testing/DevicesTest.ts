/**
 * The suite of `Devices`: one test for each of its numbered guarantees, with the same words. The layer under test
 * must refuse private endpoints, and take {@link bounds} of devices and {@link rails}.
 *
 * @since 0.1.0
 */
import * as Conformance from "@guildhall/core/testing/Conformance"
import type { Devices, Options } from "../Devices.ts"
import * as BoundProofs from "./internal/BoundProofs.ts"
import * as ChangeProofs from "./internal/ChangeProofs.ts"
import * as KeylessProofs from "./internal/KeylessProofs.ts"
import * as MaintenanceProofs from "./internal/MaintenanceProofs.ts"
import * as MarketProofs from "./internal/MarketProofs.ts"
import * as MessageProofs from "./internal/MessageProofs.ts"
import * as OwningProofs from "./internal/OwningProofs.ts"
import * as RailProofs from "./internal/RailProofs.ts"

/**
 * The `devices` that the layer under test is made with.
 *
 * @category constants
 * @since 0.1.0
 */
export const bounds: NonNullable<Options["devices"]> = BoundProofs.bounds

/**
 * The `rails` that the layer under test is made with.
 *
 * @category constants
 * @since 0.1.0
 */
export const rails: NonNullable<Options["rails"]> = RailProofs.rails

/**
 * What devices guarantee, in the order of the documentation.
 *
 * @category constants
 * @since 0.1.0
 */
export const guarantees: ReadonlyArray<Conformance.Guarantee<Conformance.Proof<Devices>>> = [
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
  {
    number: 14,
    test: "What a registration declares is the instance's, as it stands; what the next one leaves out is declared no longer.",
    proof: MarketProofs.declaring,
  },
  {
    number: 15,
    test: "A provider's name belongs to the member that registered with it first: `provider_name_taken`.",
    proof: MarketProofs.naming,
  },
  {
    number: 16,
    test: "A device lists a model once, and no more models, nor a member more devices, than the market takes: `too_many_instances`.",
    proof: BoundProofs.bounded,
  },
  {
    number: 17,
    test: "A beat carries the nonce that the market gave last, or once the one before it; any other is refused with `stale_nonce`.",
    proof: OwningProofs.nonces,
  },
  {
    number: 18,
    test: "A device that was paired belongs to the member who approved it, before it has anything on the market.",
    proof: OwningProofs.adopting,
  },
  {
    number: 19,
    test: "A key is replaced only by one that proves itself: the device keeps its id and its instances, and the former key is refused with `key_replaced`.",
    proof: OwningProofs.replacing,
  },
  {
    number: 20,
    test: "A member sees, names and revokes its own devices only.",
    proof: OwningProofs.ownDevices,
  },
  {
    number: 21,
    test: "An instance that was silent for as long as the market waits leaves it, and one that beat since does not.",
    proof: OwningProofs.silence,
  },
  {
    number: 22,
    test: "A device without a key is one of its member by its name, and its instances have no key; nobody signs for it.",
    proof: KeylessProofs.keyless,
  },
  {
    number: 23,
    test: "An instance that is heard of in the window of its maintenance is told as under it, whatever it says or registers, until that is over or called off.",
    proof: MaintenanceProofs.maintained,
  },
  {
    number: 24,
    test: "A rail that a member turns off is off for its instances, those that it registers later too, and one rail stays on: `last_rail`.",
    proof: RailProofs.turning,
  },
  {
    number: 25,
    test: "A rail that needs something is off, and cannot be turned on, until that is set up: `onboarding_needed`.",
    proof: RailProofs.settingUp,
  },
]

const port: Conformance.Port<Devices> = { name: "Devices", guarantees, clock: "virtual" }

/**
 * Proves devices on a layer. A guarantee that a layer cannot keep is skipped with its reason, which is printed.
 *
 * @category suites
 * @since 0.1.0
 */
export const suite: Conformance.Suite<Devices> = Conformance.suite(port)

/**
 * Proves that the suite bites: on this layer the guarantee with this number must fail.
 *
 * @category suites
 * @since 0.1.0
 */
export const breaks: Conformance.Breaks<Devices> = Conformance.breaks(port)
