import * as NodeServices from "@effect/platform-node/NodeServices"
import { createPublicKey, verify } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as DeviceProof from "@guildhall/protocol/provider/DeviceProof"
import * as AgentHome from "../src/AgentHome.ts"
import * as DeviceKey from "../src/DeviceKey.ts"
import * as Memory from "../src/backends/Memory.ts"
import * as AgentProcess from "./AgentProcess.ts"
import * as Serving from "./Serving.ts"

const memory = Memory.layer({ models: [{ id: Serving.MODEL, contextLength: 1_000 }], answer: () => ["a "] })
const serves = [{ model: Serving.MODEL, contextLength: 1_000, weights: "a".repeat(64) }]

const isSigned = (proof: DeviceProof.DeviceProof): boolean => {
  const key = createPublicKey({ format: "jwk", key: { kty: "OKP", crv: "Ed25519", x: proof.device } })
  return verify(null, DeviceProof.bytes(proof), key, Buffer.from(proof.signature, "base64url"))
}

describe("the proof of a device", () => {
  it.live("signs a nonce with what the device serves, and nothing that is no nonce", () =>
    Effect.gen(function* () {
      const directory = yield* AgentProcess.temporaryHome
      const home = AgentHome.layer({ directory }).pipe(Layer.provide(NodeServices.layer))
      const key = yield* Effect.provide(DeviceKey.DeviceKey, DeviceKey.layer.pipe(Layer.provide(home)))
      const { url } = yield* Serving.make(memory, { prove: (nonce) => key.signProof(nonce, serves) })
      const get = (path: string) => Effect.promise(() => fetch(`${url}${path}`))
      const nonce = Buffer.alloc(32, 7).toString("base64url")
      const answer = yield* get(`${DeviceProof.PATH}?nonce=${nonce}`)
      const proof = (yield* Effect.promise(() => answer.json())) as DeviceProof.DeviceProof
      assert.deepInclude(proof, { nonce, device: key.publicKey, serves })
      assert.isTrue(isSigned(proof))
      assert.isFalse(isSigned({ ...proof, nonce: Buffer.alloc(32, 8).toString("base64url") }))
      assert.isFalse(isSigned({ ...proof, serves: [] }))
      for (const other of [
        "",
        "short",
        `${nonce}A`,
        "a".repeat(42) + "%",
        "guildhall-request-v1%0APOST",
        `${nonce}&x=1`,
      ]) {
        assert.strictEqual((yield* get(`${DeviceProof.PATH}?nonce=${other}`)).status, 400, other)
      }
    }).pipe(Effect.scoped),
  )

  it.live("is not there where there is no key to prove", () =>
    Effect.gen(function* () {
      const { url } = yield* Serving.make(memory)
      const nonce = Buffer.alloc(32, 7).toString("base64url")
      const answer = yield* Effect.promise(() => fetch(`${url}${DeviceProof.PATH}?nonce=${nonce}`))
      assert.strictEqual(answer.status, 404)
    }).pipe(Effect.scoped),
  )
})
