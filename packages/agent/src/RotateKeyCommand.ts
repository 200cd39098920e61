/**
 * The command line's `rotate-key`: gives this device another key. It stays the same device, with the same instances.
 *
 * @since 0.1.0
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type * as Option from "effect/Option"
import * as Command from "effect/cli/Command"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { proofBytes } from "@guildhall/protocol/provider/KeyChange"
import { AgentError } from "./AgentError.ts"
import * as AgentHome from "./AgentHome.ts"
import * as CommandFlags from "./CommandFlags.ts"
import * as DeviceKey from "./DeviceKey.ts"
import * as MarketClient from "./MarketClient.ts"
import * as PairCommand from "./PairCommand.ts"
import * as PairedMarket from "./PairedMarket.ts"

/**
 * Gives the device of this home another key, and answers its fingerprint. A run that was cut off is brought to its end by the
 * next one. Fails as the market refuses, and where it speaks of another key than this one.
 *
 * @category constructors
 * @since 0.1.0
 */
export const rotate = Effect.gen(function* () {
  const home = yield* AgentHome.AgentHome
  const key = yield* DeviceKey.DeviceKey
  const market = yield* MarketClient.MarketClient
  const next = yield* DeviceKey.makeNext(home, key.id)
  const expected = DeviceKey.fingerprintOf(next.publicKey)
  const body = { public_key: next.publicKey, proof: next.sign(proofBytes(key.id, key.publicKey, next.publicKey)) }
  const fingerprint = yield* market.changeKey(key.id, body).pipe(
    Effect.catchIf(
      (error: AgentError) => error.code === "key_replaced" && next.isOld,
      // The market heard the run that was cut off.
      () => Effect.succeed(expected),
    ),
    Effect.mapError((error) =>
      error.code === "key_replaced"
        ? new AgentError({
            reason: "MarketRefused",
            code: "key_replaced",
            detail:
              "This device has another key by now, and it was not given from here. Revoke the device in the market, and pair this machine as a new one with --home.",
          })
        : error,
    ),
  )
  if (fingerprint !== expected) {
    // Whoever stands between has had the market take another key than this one.
    return yield* new AgentError({
      reason: "MarketRefused",
      code: "invalid_signature",
      detail: `The market speaks of the key ${fingerprint.slice(0, 40)}, and this device's new one is ${expected}. Somebody may stand between: revoke the device in the market, and pair this machine as a new one with --home.`,
    })
  }
  yield* next.take
  return expected
})

const flags = {
  market: CommandFlags.market,
  home: CommandFlags.home,
  json: CommandFlags.json,
}

const run = Effect.fnUntraced(function* (input: {
  readonly market: Option.Option<string>
  readonly home: string
  readonly json: boolean
}) {
  const url = yield* PairedMarket.resolve(input.market, input.home)
  const services = MarketClient.layer({ url, apiKey: undefined }).pipe(
    Layer.provideMerge(DeviceKey.layer),
    Layer.provideMerge(AgentHome.layer({ directory: input.home })),
  )
  const fingerprint = yield* Effect.provide(rotate, services)
  yield* Console.log(
    input.json
      ? JSON.stringify({ ok: true, market: url, fingerprint })
      : `The device has a new key. Its fingerprint is ${fingerprint}; the former key is worth nothing any more.`,
  )
})

/**
 * The command `rotate-key`. The agent must not run meanwhile.
 *
 * @category commands
 * @since 0.1.0
 */
export const command = Command.make("rotate-key", flags, (input) =>
  run(input).pipe(
    Effect.catchTag("AgentError", (error) => PairCommand.fail(error, input.json)),
    Effect.provide(NodeHttpClient.layerNodeHttp),
    Effect.provide(Logger.layer([])),
    Effect.scoped,
  ),
).pipe(Command.withDescription("Give this device another key, as after somebody may have copied it."))
