import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as TestClock from "effect/testing/TestClock"
import * as SignedRequest from "@guildhall/protocol/provider/SignedRequest"
import * as AgentHome from "../src/AgentHome.ts"
import * as DeviceKey from "../src/DeviceKey.ts"
import * as AgentProcess from "./AgentProcess.ts"

const using = <A, E>(directory: string, use: Effect.Effect<A, E, DeviceKey.DeviceKey>) =>
  Effect.provide(
    use,
    DeviceKey.layer.pipe(Layer.provide(AgentHome.layer({ directory })), Layer.provide(NodeServices.layer)),
    { local: true },
  )

const body = new TextEncoder().encode('{"a":1}')
const request = { method: "POST", path: "/v1/providers/heartbeat", body }
const sign = Effect.flatMap(DeviceKey.DeviceKey, (key) => key.signRequest(request))
const sequenceOf = (headers: Readonly<Record<string, string>>) => Number(headers[SignedRequest.HEADERS.sequence])

describe("DeviceKey", () => {
  it.effect("is made once, stays in the home with mode 0600, and signs what the market can verify", () =>
    Effect.gen(function* () {
      const home = yield* AgentProcess.temporaryHome
      const first = yield* using(
        home,
        Effect.map(DeviceKey.DeviceKey, ({ id, publicKey }) => ({ id, publicKey })),
      )
      const file = Path.join(home, "device-key.json")
      assert.strictEqual(Fs.statSync(file).mode & 0o777, 0o600)
      yield* TestClock.setTime(1_700_000_000_000)
      const headers = yield* using(home, sign)
      assert.strictEqual(headers["guildhall-device"], first.publicKey)
      const raw = Buffer.from(first.publicKey, "base64url")
      assert.lengthOf(raw, 32)
      assert.strictEqual(first.id, `dev_${Crypto.createHash("sha256").update(raw).digest("hex").slice(0, 32)}`)
      const message = SignedRequest.bytes({
        ...request,
        issuedAtMs: Number(headers["guildhall-issued-at"]),
        sequence: sequenceOf(headers),
      })
      const publicKey = Crypto.createPublicKey({
        format: "jwk",
        key: { kty: "OKP", crv: "Ed25519", x: first.publicKey },
      })
      const signature = Buffer.from(headers["guildhall-signature"] ?? "", "base64url")
      assert.isTrue(Crypto.verify(null, message, publicKey, signature))
      assert.strictEqual(headers["guildhall-issued-at"], "1700000000000")
    }),
  )

  it.effect("raises the sequence with each message, over restarts, and when the clock is set back", () =>
    Effect.gen(function* () {
      const home = yield* AgentProcess.temporaryHome
      yield* TestClock.setTime(1_700_000_000_000)
      const first = yield* using(home, Effect.all([sign, sign, sign]))
      yield* TestClock.setTime(1_600_000_000_000)
      const second = yield* using(home, Effect.all([sign, sign]))
      yield* TestClock.setTime(1_700_000_500_000)
      const third = yield* using(
        home,
        Effect.gen(function* () {
          const key = yield* DeviceKey.DeviceKey
          const before = yield* sign
          yield* key.skipAhead
          return [before, yield* sign]
        }),
      )
      const sequences = [...first, ...second, ...third].map(sequenceOf)
      assert.deepStrictEqual(
        sequences,
        [...sequences].sort((a, b) => a - b),
      )
      assert.strictEqual(new Set(sequences).size, sequences.length)
      assert.isTrue(sequences.every(Number.isSafeInteger))
      assert.isAtLeast((sequences.at(-1) ?? 0) - (sequences.at(-2) ?? 0), 600_000)
    }),
  )

  it.effect("says what to do where its file is damaged", () =>
    Effect.gen(function* () {
      const home = yield* AgentProcess.temporaryHome
      const file = Path.join(home, "device-key.json")
      for (const text of ["", "{}", '{"algorithm":"ed25519","publicKey":"short","privateKey":"x"}']) {
        Fs.writeFileSync(file, text)
        const error = yield* Effect.flip(using(home, sign))
        assert.strictEqual(error.reason, "HomeUnusable")
        assert.include(error.message, "device-key.json")
      }
    }),
  )
})
