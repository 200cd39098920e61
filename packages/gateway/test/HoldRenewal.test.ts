import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger } from "effect"
import { TestClock } from "effect/testing"
import { HoldId } from "@guildhall/ledger/Hold"
import { Ledger } from "@guildhall/ledger/Ledger"
import { LedgerError, Unavailable } from "@guildhall/ledger/LedgerError"
import { HoldGate } from "../src/HoldGate.ts"
import * as HoldRenewal from "../src/HoldRenewal.ts"
import { Market } from "../src/Market.ts"
import * as TestLane from "./TestLane.ts"

const { lifeMs, renewMs } = TestLane.definition.hold
const gate = () => {
  const reserved = { amount: 1n, tokens: 1 }
  const gate = new HoldGate({ id: HoldId.make("req_1"), reserved, most: reserved })
  gate.open(reserved, [])
  return gate
}

/** A ledger that renews as it is told to. */
const program = <A, E>(
  renew: (owner: string, lifeMs: number) => Effect.Effect<number, LedgerError>,
  effect: Effect.Effect<A, E, HoldRenewal.HoldRenewal>,
  state: "pending" | "expired" = "pending",
) => {
  const ledger = Layer.mock(Ledger, {
    lastAvailable: () => undefined,
    isStuck: () => false,
    renew,
    findHold: (id) =>
      Effect.succeed({
        id,
        account: TestLane.BUYER_ACCOUNT,
        amount: 1n,
        owner: "me",
        lifeMs,
        definitionDigest: "",
        context: null,
        state,
        drawn: 0n,
        claimed: false,
        expiresAtMs: 0,
      }),
  })
  const market = Layer.succeed(Market, { definition: TestLane.definition, digest: "", owner: "me", payments: [] })
  return Effect.provide(effect, HoldRenewal.layer.pipe(Layer.provide([ledger, market])))
}

const away = Effect.fail(new LedgerError({ reason: new Unavailable({ cause: "away" }) }))

describe("HoldRenewal", () => {
  it.effect("renews as this owner, as often as the market says", () => {
    const calls: Array<readonly [string, number]> = []
    return program(
      (owner, lifeMs) => Effect.sync(() => calls.push([owner, lifeMs])),
      Effect.gen(function* () {
        yield* TestClock.adjust(renewMs * 5)
        assert.isAtLeast(calls.length, 5)
        assert.deepStrictEqual(calls[0], ["me", lifeMs])
      }),
    )
  })

  const renewed = (count: number, tookMs = 0) => Effect.delay(Effect.succeed(count), tookMs)
  const cases = [
    ["leaves a hold open for as long as it is renewed", renewed(1), "pending", "open"],
    ["leaves a hold open that the store renewed, however long that took", renewed(1, lifeMs * 2), "pending", "open"],
    ["expires a hold that the store no longer has", renewed(0), "expired", "expired"],
    ["expires a hold of which a slow store no longer knows", renewed(0, lifeMs * 2), "expired", "expired"],
    ["does not take a hold for lost that was settled meanwhile", renewed(0), "pending", "open"],
  ] as const

  it.effect.each(cases)("%s", ([, renew, inStore, state]) =>
    program(
      () => renew,
      Effect.gen(function* () {
        const one = gate()
        const renewal = yield* HoldRenewal.HoldRenewal
        renewal.track(one)
        yield* TestClock.adjust(lifeMs * 10)
        assert.strictEqual(one.state, state)
      }),
      inStore,
    ),
  )

  it.effect("expires a hold that could not be renewed in its life", () =>
    program(
      () => away,
      Effect.gen(function* () {
        const [one, done] = [gate(), gate()]
        const renewal = yield* HoldRenewal.HoldRenewal
        renewal.track(one)
        renewal.track(done)
        renewal.untrack(done)
        yield* TestClock.adjust(lifeMs - renewMs)
        assert.strictEqual(one.state, "open")
        yield* TestClock.adjust(renewMs * 3)
        assert.strictEqual(one.state, "expired")
        assert.strictEqual(done.state, "open")
      }),
    ),
  )

  it.effect("tells an outage of the store in two lines", () => {
    const lines: Array<string> = []
    const log = Logger.make<unknown, void>(({ message }) => void lines.push(String(message)))
    let isAway = true
    return program(
      () => Effect.suspend(() => (isAway ? away : Effect.succeed(0))),
      Effect.gen(function* () {
        yield* TestClock.adjust(renewMs * 5)
        assert.lengthOf(lines, 1)
        assert.match(lines[0] ?? "", /^The holds of this process could not be renewed.* did not answer/)
        isAway = false
        yield* TestClock.adjust(renewMs * 5)
        assert.deepStrictEqual(lines.slice(1), ["The holds of this process are renewed again."])
      }),
    ).pipe(Effect.provide(Logger.layer([log])))
  })
})
