import { assert, describe, it } from "@effect/vitest"
import { AssetCode } from "@guildhall/core/Asset"
import { MemberId } from "@guildhall/core/Member"
import { Effect } from "effect"
import type { Movement, MovementState } from "../src/Movement.ts"
import * as PaymentRail from "../src/PaymentRail.ts"
import * as PayoutRail from "../src/PayoutRail.ts"
import * as PaymentRailTest from "../src/testing/PaymentRailTest.ts"
import * as PayoutRailTest from "../src/testing/PayoutRailTest.ts"
import * as ScriptedPayoutRail from "../src/testing/ScriptedPayoutRail.ts"

const asset = AssetCode.make("USD")
const amount = 5_000_000_000_000n
const states: ReadonlyArray<MovementState> = [
  { _tag: "Succeeded" },
  { _tag: "Failed", detail: "The account is closed." },
  { _tag: "Pending", next: "https://pay.example/1" },
  { _tag: "Unknown", detail: "The bank did not answer." },
]

/** Each movement ends in the next of the four states. */
const inTurn = () => {
  let at = 0
  return (): MovementState => states[at++ % states.length] ?? { _tag: "Succeeded" }
}
const topUps = () => PaymentRail.makeMemory({ name: "Test", fundingSource: "test", decide: inTurn() })
const payouts = () => PayoutRail.makeMemory({ name: "Test", scale: 2, decide: inTurn() })

PaymentRailTest.suite("memory", () => ({ rail: topUps(), asset, amount }))
PayoutRailTest.suite("memory", () => ({ rail: payouts(), asset, amount }))
PayoutRailTest.suite("scripted", () => {
  const state = inTurn()
  const deliver = () => ({ ...ScriptedPayoutRail.arrives, end: state() })
  const { rail, moved } = ScriptedPayoutRail.make({
    name: "Test",
    scale: 2,
    keyLifeMs: 60_000,
    absenceMs: 60_000,
    deliver,
  })
  return { rail, asset, amount, moved }
})

const brokenTopUps = (name: string, number: number, change: (rail: PaymentRail.PaymentRail) => object) =>
  PaymentRailTest.breaks(
    name,
    () => {
      const rail = topUps()
      return { rail: { ...rail, ...change(rail) }, asset, amount }
    },
    number,
  )
const brokenPayouts = (name: string, number: number, change: (rail: PayoutRail.PayoutRail) => object) =>
  PayoutRailTest.breaks(
    name,
    () => {
      const rail = payouts()
      return { rail: { ...rail, ...change(rail) }, asset, amount }
    },
    number,
  )

/** A movement whose state is another one at each look. */
const restless = () => {
  const next = inTurn()
  return <E>(effect: Effect.Effect<Movement, E>) => Effect.map(effect, (movement) => ({ ...movement, state: next() }))
}
/** Forgets its keys by giving each use of one another name. */
const anew = () => {
  let times = 0
  return (key: string) => `${key}-${times++}`
}

brokenTopUps("forgets its keys", 1, (rail) => {
  const name = anew()
  return {
    start: (topUp: PaymentRail.TopUp) =>
      Effect.map(rail.start({ ...topUp, idempotencyKey: name(topUp.idempotencyKey) }), (movement) => ({
        ...movement,
        idempotencyKey: topUp.idempotencyKey,
      })),
  }
})
brokenTopUps("takes any top-up under a key that was used", 1, (rail) => ({
  start: (topUp: PaymentRail.TopUp) => Effect.catch(rail.start(topUp), () => rail.find(topUp.idempotencyKey)),
}))
brokenTopUps("finds another amount", 2, (rail) => ({
  find: (key: string) => Effect.map(rail.find(key), (movement) => ({ ...movement, amount: movement.amount - 1n })),
}))
brokenTopUps("takes back a final state", 3, (rail) => {
  const change = restless()
  return { find: (key: string) => change(rail.find(key)) }
})
brokenTopUps("leaves one out of its list", 4, (rail) => ({
  movements: (after: string | null, limit: number) =>
    Effect.map(rail.movements(after, limit), (page) => page.filter(({ cursor }) => cursor !== "3")),
}))
brokenTopUps("starts each page at the beginning", 4, (rail) => ({
  movements: (after: string | null, limit: number) =>
    after === "7" ? Effect.succeed([]) : rail.movements(after === null ? null : "0", limit),
}))
brokenTopUps("takes a top-up of nothing", 5, (rail) => ({
  start: (topUp: PaymentRail.TopUp) =>
    Effect.map(rail.start({ ...topUp, amount: topUp.amount > 0n ? topUp.amount : 1n }), (movement) => movement),
}))

brokenPayouts("forgets its keys", 1, (rail) => {
  const name = anew()
  return {
    send: (payout: PayoutRail.Payout) =>
      Effect.map(rail.send({ ...payout, idempotencyKey: name(payout.idempotencyKey) }), (movement) => ({
        ...movement,
        idempotencyKey: payout.idempotencyKey,
      })),
  }
})
brokenPayouts("does not find what it sent", 2, (rail) => ({ find: (key: string) => rail.find(`${key}-other`) }))
PayoutRailTest.breaks(
  "says that it failed, and money left",
  () => {
    const rail = payouts()
    let moved = 0n
    return {
      rail: {
        ...rail,
        send: (payout) => Effect.tap(rail.send(payout), () => Effect.sync(() => void (moved += payout.amount))),
      },
      asset,
      amount,
      moved: Effect.sync(() => moved),
    }
  },
  3,
)
brokenPayouts("lists in another order each time", 4, (rail) => {
  let times = 0
  return {
    movements: (after: string | null, limit: number) =>
      Effect.map(rail.movements(after, limit), (page) => (times++ % 2 === 0 ? page : page.toReversed())),
  }
})
brokenPayouts("sends less than nothing", 5, (rail) => ({
  send: (payout: PayoutRail.Payout) =>
    rail.send({ ...payout, amount: payout.amount < 0n ? -payout.amount : payout.amount }),
}))
brokenPayouts("sends what comes too late", 6, (rail) => ({
  send: ({ idempotencyKey, member, asset, amount }: PayoutRail.Payout) =>
    rail.send({ idempotencyKey, member, asset, amount }),
}))
brokenPayouts("refuses to tell, after its time, of what it sent", 6, (rail) => ({
  send: (payout: PayoutRail.Payout) =>
    payout.notAfterMs !== undefined && payout.notAfterMs < 0
      ? Effect.fail(PayoutRail.tooLate(payout.notAfterMs))
      : rail.send(payout),
}))

describe("a rail in memory", () => {
  it.effect("gives a movement the same id after a restart, so that its posting is the same again", () =>
    Effect.gen(function* () {
      const topUp = { idempotencyKey: "k1", member: MemberId.make("mem_1"), asset, amount }
      const before = yield* topUps().start(topUp)
      const restarted = topUps()
      yield* restarted.start({ ...topUp, idempotencyKey: "another" })
      assert.strictEqual((yield* restarted.start(topUp)).externalId, before.externalId)
    }),
  )
})
