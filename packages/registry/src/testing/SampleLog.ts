/**
 * Usage logs and commitments of devices, to test a registry with.
 *
 * @since 0.1.0
 */
import { createHash } from "node:crypto"
import { AssetCode } from "@guildhall/core/Asset"
import { InstanceId } from "@guildhall/core/Instance"
import { ModelId } from "@guildhall/core/Model"
import { perMillionCents } from "@guildhall/core/PriceSheet"
import { RequestId } from "@guildhall/core/Request"
import * as SignedCommitment from "@guildhall/protocol/provider/SignedCommitment"
import { headBytes, lineBytes, type UsageHead, type UsageLine } from "@guildhall/protocol/provider/UsageLog"
import type { SampleDevice } from "./SampleDevice.ts"

type Base = Pick<UsageLine, "number" | "hash">

/** Before the first line. @since 0.1.0 */
export const START: Base = { number: 0, hash: "0".repeat(64) }

/** So many lines that follow a position. Those with another `outputTokens` are other lines. @since 0.1.0 */
export const lines = (count: number, from: Base = START, outputTokens = 5): ReadonlyArray<UsageLine> => {
  const made: Array<UsageLine> = []
  let last = from
  for (let at = 0; at < count; at++) {
    const line: Omit<UsageLine, "hash"> = {
      number: last.number + 1,
      previous: last.hash,
      ticket: {
        ticket: {
          requestId: RequestId.make(`req_${(last.number + 1).toString(16).padStart(32, "0")}`),
          attempt: 1,
          instanceId: InstanceId.make("ins_sample"),
          asset: AssetCode.make("USD"),
          cap: 1_000n,
          priceDigest: "p",
          definitionDigest: "d",
          issuedAtMs: 0,
          expiresAtMs: 60_000,
        },
        signature: { keyId: "ticket_sample", value: "sample" },
      },
      price: perMillionCents({ input: 100n, output: 200n }),
      usage: { inputToken: 10, outputToken: outputTokens },
      outcome: "completed",
      endedAtMs: 5,
    }
    const whole = { ...line, hash: createHash("sha256").update(lineBytes(line)).digest("hex") }
    made.push(whole)
    last = whole
  }
  return made
}

/** The head at a position, signed by the device. @since 0.1.0 */
export const head = (device: SampleDevice, { hash, number }: Base): UsageHead => ({
  number,
  hash,
  signature: device.signBytes(headBytes(device.publicKey, { number, hash })),
})

/** A commitment of the device to a model, signed. @since 0.1.0 */
export const commitment = (
  device: SampleDevice,
  number: number,
  model = "guildhall/demo",
): SignedCommitment.SignedCommitment => {
  const statement = {
    device: device.publicKey,
    number,
    serves: [{ model: ModelId.make(model), contextLength: 8192, engine: "sample", weights: "a".repeat(64) }],
  }
  return { ...statement, signature: device.signBytes(SignedCommitment.bytes(statement)) }
}
