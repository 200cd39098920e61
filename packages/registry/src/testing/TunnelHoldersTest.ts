/**
 * The suite of `TunnelHolders`: one test for each of its numbered guarantees, with the same words. The layer under test must
 * have a life of {@link LIFE_MS}.
 *
 * @since 0.1.0
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { DeviceId } from "@guildhall/core/Device"
import * as Conformance from "@guildhall/core/testing/Conformance"
import { type Holder, TunnelHolders } from "../TunnelHolders.ts"

/** The life that the suite asks of a layer, in milliseconds. @category constants @since 0.1.0 */
export const LIFE_MS = 300

const device = (name: string): DeviceId => DeviceId.make(`dev_${name.padStart(32, "0")}`)

/** Tells and hears. Proofs may share a layer: each has gateways of its own. */
const telling = (proof: string) => (gateway: string, holds: Omit<Holder, "gateway">) =>
  Effect.gen(function* () {
    const holders = yield* TunnelHolders
    const heard = yield* holders.exchange({ ...holds, gateway: `${proof} ${gateway}` })
    const ours = heard.filter((one) => one.gateway.startsWith(`${proof} `))
    return Object.fromEntries(ours.map(({ gateway, ...rest }) => [gateway.slice(proof.length + 1), rest]))
  })

const hears = Effect.gen(function* () {
  const tell = telling("hears")
  const one = { devices: [device("a"), device("b")], peerUrl: "http://10.0.0.1:1", publicUrl: "https://one.example" }
  const two = { devices: [], peerUrl: undefined, publicUrl: undefined }
  assert.deepStrictEqual(yield* tell("1", one), {})
  assert.deepStrictEqual(yield* tell("2", two), { 1: one })
  assert.deepStrictEqual(yield* tell("1", one), { 2: two })
})

const replaces = Effect.gen(function* () {
  const tell = telling("replaces")
  yield* tell("1", { devices: [device("a")] })
  yield* tell("1", { devices: [device("b")] })
  const heard = yield* tell("2", { devices: [] })
  assert.deepStrictEqual(heard["1"]?.devices, [device("b")])
})

const dies = Effect.gen(function* () {
  const tell = telling("dies")
  yield* tell("1", { devices: [device("a")] })
  assert.deepStrictEqual(Object.keys(yield* tell("2", { devices: [] })), ["1"])
  const forgotten = yield* tell("2", { devices: [] }).pipe(
    Effect.repeat({
      schedule: Schedule.spaced("20 millis"),
      until: (heard) => Object.keys(heard).length === 0,
      times: 100,
    }),
  )
  assert.deepStrictEqual(forgotten, {}, "it is not forgotten after two seconds")
  assert.deepStrictEqual(Object.keys(yield* tell("3", { devices: [] })), ["2"], "who goes on is not forgotten")
})

const port: Conformance.Port<TunnelHolders> = {
  name: "TunnelHolders",
  clock: "real",
  guarantees: [
    {
      number: 1,
      test: "A gateway hears what every other one told last, with the addresses that it told, and nothing of its own.",
      proof: hears,
    },
    { number: 2, test: "What a gateway tells takes the place of what it told before.", proof: replaces },
    {
      number: 3,
      test: "What a gateway told counts for its life and no longer, so one that died is soon forgotten.",
      proof: dies,
    },
  ],
}

/** Proves a layer. @category suites @since 0.1.0 */
export const suite: Conformance.Suite<TunnelHolders> = Conformance.suite(port)

/** Proves that the suite bites: on this layer the guarantee with this number must fail. @category suites @since 0.1.0 */
export const breaks: Conformance.Breaks<TunnelHolders> = Conformance.breaks(port)
