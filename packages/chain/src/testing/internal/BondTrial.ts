/** What the proofs of bonds begin with: a bond that is active, and a slash of it. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Address } from "../../Address.ts"
import { BondVault } from "../../BondVault.ts"
import type { Bytes32 } from "../../Hex.ts"
import type { EndpointVerified } from "../../Message.ts"
import { ChainTestbed } from "../ChainTestbed.ts"
import { bytes32, does, funded, holder } from "./Trial.ts"

export const MINIMUM = 1_000n

const number = (): number => globalThis.crypto.getRandomValues(new Uint32Array(1))[0] ?? 0

/** A class of its own, and a provider with four times its minimum. */
export const prepared = Effect.gen(function* () {
  const vault = yield* BondVault
  const testbed = yield* ChainTestbed
  const classId = number()
  const curator = yield* holder("curator")
  yield* does(vault, { _tag: "AppendClass", by: curator, classId, minimum: MINIMUM })
  const by = yield* funded(vault.terms.token, 4n * MINIMUM)
  return { vault, testbed, classId, by, device: bytes32() }
})

export const word = Effect.fnUntraced(function* (device: Bytes32, provider: Address, classId: number, lifeS = 86_400) {
  const testbed = yield* ChainTestbed
  const verified: EndpointVerified = {
    _tag: "EndpointVerified",
    device,
    provider,
    classId,
    expiryS: (yield* testbed.nowS) + lifeS,
    nonce: BigInt(bytes32()),
  }
  return { verified, signature: yield* testbed.sign(yield* holder("verifier"), verified) }
})

/** A device with an active bond of its class's minimum. */
export const active = Effect.gen(function* () {
  const scene = yield* prepared
  const { by, classId, device, vault } = scene
  const shown = yield* word(device, by, classId)
  yield* does(vault, { _tag: "BondVerified", by, amount: MINIMUM, ...shown })
  return { ...scene, slasher: yield* holder("slasher"), arbiter: yield* holder("arbiter") }
})

export const slash = Effect.fnUntraced(function* (
  device: Bytes32,
  options: {
    readonly rateBps: number
    readonly offenceTimeS?: number
    readonly offenceId?: Bytes32
    readonly finder?: Address
  },
) {
  const vault = yield* BondVault
  const testbed = yield* ChainTestbed
  const offenceId = options.offenceId ?? bytes32()
  const { events } = yield* does(vault, {
    _tag: "ProposeSlash",
    by: yield* holder("slasher"),
    device,
    offenceId,
    rateBps: options.rateBps,
    offenceTimeS: options.offenceTimeS ?? (yield* testbed.nowS),
    evidenceHash: bytes32(),
    finder: options.finder ?? testbed.contracts.ProviderBond,
  })
  return { offenceId, events, case: yield* vault.case(offenceId) }
})

/** Why a slash was ignored. */
export const ignoredFor = (events: ReadonlyArray<{ readonly _tag: string }>): string => {
  const [event] = events
  assert.strictEqual(event?._tag, "ProviderBond.SlashIgnored")
  return event !== undefined && "reason" in event ? String(event.reason) : ""
}
