/**
 * Whether the device commits, with its signature, to the weights that it declared.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Settings, Verdict } from "@guildhall/core/EntryVerification"
import type { Instance } from "@guildhall/core/Instance"
import { type Check, doesNotApply, failed, notChecked, passed } from "../Check.ts"
import * as ProofAsk from "../ProofAsk.ts"

type Declared = Pick<Instance, "devicePublicKey" | "model" | "quantization" | "tokenizer" | "contextLength">

const differs = (detail: string): Verdict =>
  failed(
    "entry_model_differs",
    detail,
    "Start the agent with the weights that it declares, or declare those that it has: it then registers again.",
  )

/**
 * The verdict. Where the market lists the weights of a model, the digest must be one of them; where it does not, the device
 * must commit to some. The id is canonical by its form.
 *
 * @category rules
 * @since 0.1.0
 */
export const judge = (
  declared: Declared,
  proof: ProofAsk.Asked["proof"],
  weights: Settings["weights"] = undefined,
): Verdict => {
  const { contextLength, devicePublicKey, model, quantization, tokenizer } = declared
  if (devicePublicKey === undefined) {
    return doesNotApply("No key stands behind the device, so it can commit to nothing.")
  }
  if (Result.isFailure(proof)) return notChecked(`There is no commitment. ${proof.failure}`, "Mend `device_key` first.")
  if (proof.success.device !== devicePublicKey) {
    return notChecked("The commitment is another device's.", "Mend `device_key` first.")
  }
  const found = proof.success.serves.find((one) => one.model === model)
  if (found === undefined) {
    const names = proof.success.serves.map((one) => one.model).join(", ")
    return differs(`The device commits to ${names === "" ? "no model" : names}, and declared ${model}.`)
  }
  if (quantization !== undefined && found.quantization !== quantization) {
    return differs(`The device commits to ${found.quantization ?? "no precision"}, and declared ${quantization}.`)
  }
  if (tokenizer !== undefined && found.tokenizer !== undefined && found.tokenizer !== tokenizer) {
    return differs(`The device commits to another tokenizer (${found.tokenizer}) than it declared (${tokenizer}).`)
  }
  if (found.contextLength < contextLength) {
    return differs(`The device commits to a context of ${found.contextLength} tokens, and declared ${contextLength}.`)
  }
  const accepted = weights?.[model]
  if (found.weights === undefined) {
    return notChecked(
      `The device does not know the weights that ${found.engine ?? "its engine"} serves as ${model}.`,
      "Name the file of the weights with --weights, so that the agent can take its digest.",
      "entry_model_unknown",
    )
  }
  if (accepted !== undefined && !accepted.includes(found.weights)) {
    return differs(`The weights of the device, ${found.weights}, are none of those that the market knows as ${model}.`)
  }
  const known = accepted === undefined ? "The market lists none to compare them with" : "The market knows them"
  return passed(`The device commits to the weights ${found.weights}. ${known}.`)
}

/**
 * The check.
 *
 * @category checks
 * @since 0.1.0
 */
export const check: Check = {
  name: "model",
  run: ({ instance, settings }) =>
    instance.devicePublicKey === undefined || instance.reach._tag === "Pull"
      ? Effect.succeed(doesNotApply("There is no endpoint with a key at which it could commit."))
      : Effect.map(ProofAsk.ask(instance), ({ proof }) => judge(instance, proof, settings.weights)),
}
