/**
 * Asks an endpoint for a proof of the device's key, with a nonce that nobody could know.
 *
 * @since 0.1.0
 */
import { createPublicKey, randomBytes, verify } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Instance } from "@guildhall/core/Instance"
import * as DeviceProof from "@guildhall/protocol/provider/DeviceProof"
import { type Answer, EndpointProbe } from "./EndpointProbe.ts"

const LIMIT_MS = 5_000
const BYTES_MAX = 128 * 1024

/**
 * What came of it: the proof, where it is one and its signature is by the key that it names.
 *
 * @category models
 * @since 0.1.0
 */
export interface Asked {
  readonly answer: Answer
  readonly proof: Result.Result<DeviceProof.DeviceProof, string>
}

const decode = Schema.decodeUnknownResult(Schema.fromJsonString(DeviceProof.DeviceProof))

const isSigned = (proof: DeviceProof.DeviceProof): boolean => {
  const key = createPublicKey({ format: "jwk", key: { kty: "OKP", crv: "Ed25519", x: proof.device } })
  const value = Buffer.from(proof.signature, "base64url")
  return value.length === 64 && verify(null, DeviceProof.bytes(proof), key, value)
}

/**
 * Reads the answer to a nonce.
 *
 * @category rules
 * @since 0.1.0
 */
export const read = (answer: Answer, nonce: string): Asked["proof"] => {
  if (answer._tag === "Broken") return Result.fail(answer.detail)
  if (answer.status !== 200) return Result.fail(`It answers ${DeviceProof.PATH} with status ${answer.status}.`)
  const decoded = decode(new TextDecoder().decode(answer.body))
  if (Result.isFailure(decoded)) return Result.fail("What it answers is no proof.")
  if (decoded.success.nonce !== nonce) return Result.fail("It signed another nonce than the one it was asked with.")
  return isSigned(decoded.success)
    ? Result.succeed(decoded.success)
    : Result.fail("The signature does not fit the key that the proof names.")
}

/**
 * Asks once.
 *
 * @category constructors
 * @since 0.1.0
 */
export const ask = Effect.fn("ProofAsk.ask")(function* (instance: Instance) {
  const probe = yield* EndpointProbe
  const nonce = yield* Effect.sync(() => randomBytes(32).toString("base64url"))
  const path = `${DeviceProof.PATH}?nonce=${nonce}`
  const answer = yield* probe.ask({ instance, method: "GET", path, limitMs: LIMIT_MS, bytesMax: BYTES_MAX })
  return { answer, proof: read(answer, nonce) } satisfies Asked
})
