/**
 * Whether who answers at the endpoint has the device's key.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Verdict } from "@guildhall/core/EntryVerification"
import type { Instance } from "@guildhall/core/Instance"
import * as DeviceProof from "@guildhall/protocol/provider/DeviceProof"
import { type Check, doesNotApply, failed, passed } from "../Check.ts"
import * as ProofAsk from "../ProofAsk.ts"

const UNKEYED = "No key stands behind the device: it is known by its probes alone."

/**
 * The verdict. An instance without a key is `unattested`: there is nothing that it could prove.
 *
 * @category rules
 * @since 0.1.0
 */
export const judge = (key: Instance["devicePublicKey"], proof: ProofAsk.Asked["proof"]): Verdict => {
  if (key === undefined) return doesNotApply(UNKEYED)
  if (Result.isFailure(proof)) {
    return failed(
      "entry_no_proof",
      `The device's key is not proved at the endpoint. ${proof.failure}`,
      `Run an agent of this version. If another server stands in front of it, let that pass ${DeviceProof.PATH} on.`,
    )
  }
  const { device } = proof.success
  if (device === key) return passed(`It signed the market's nonce with the device's key ${key}.`)
  return failed(
    "entry_wrong_key",
    `It signed with the key ${device}; the device that registered this endpoint has the key ${key}.`,
    "Another device answers at this URL. Register the URL that leads to this device, or start the agent with this device's home.",
  )
}

/**
 * The check.
 *
 * @category checks
 * @since 0.1.0
 */
export const check: Check = {
  name: "device_key",
  run: ({ instance }) =>
    instance.devicePublicKey === undefined
      ? Effect.succeed(doesNotApply(UNKEYED))
      : instance.reach._tag === "Pull"
        ? // It gets no request, not this one either, that it has not asked for with a signature of this key.
          Effect.succeed(passed("It asks for requests itself, and signs each time with the device's key."))
        : Effect.map(ProofAsk.ask(instance), ({ proof }) => judge(instance.devicePublicKey, proof)),
}
