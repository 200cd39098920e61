/**
 * The suite of `Notifier`: one test for each of its numbered guarantees, with the same words. The layer under test gives the
 * registry's devices as well, whose beats carry warnings.
 *
 * @since 0.1.0
 */
import { assert } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import * as Conformance from "@guildhall/core/testing/Conformance"
import { Devices } from "../Devices.ts"
import { type NewWarning, Notifier, RIDING_MAX, type SentWay, type Warning, WAITING_MAX } from "../Notifier.ts"
import * as SampleDevice from "./SampleDevice.ts"

const HOOK = "https://hooks.example.com/guildhall"
const LEASE_MS = 30_000

/** A member with a device, and how it is warned. Each proof has a member and keys of its own. */
const warning = Effect.fnUntraced(function* (proof: string) {
  const notifier = yield* Notifier
  const devices = yield* Devices
  const member = SampleDevice.member()
  const join = Effect.suspend(() => devices.register(SampleDevice.make(member).registration())).pipe(
    Effect.map(({ device }) => device.id),
  )
  const keyOf = (name: string) => `${proof}:${member}:${name}`
  const given = (name: string): NewWarning => ({
    key: keyOf(name),
    memberId: member,
    topic: "offline",
    code: "offline",
    subject: "ins_1",
    detail: `It is offline: ${name}.`,
  })
  const warn = (name: string) => notifier.warn(given(name))
  const found = (name: string) => notifier.find(keyOf(name))
  const take = Effect.fnUntraced(function* (way: SentWay) {
    const all = yield* notifier.outgoing.take({ way, leaseMs: LEASE_MS, most: 1_000 })
    return all.filter((one) => one.warning.memberId === member)
  })
  return { found, given, join, keyOf, member, notifier, take, warn } as const
})

const names = (warnings: ReadonlyArray<Warning>) => warnings.map(({ detail }) => /: (.*)\.$/.exec(detail)?.[1])

const once = Effect.gen(function* () {
  const { found, given, member, notifier, take, warn } = yield* warning("once")
  yield* notifier.addresses.set(member, { webhookUrl: HOOK })
  const first = yield* warn("a")
  const others = yield* Effect.replicateEffect(notifier.warn({ ...given("a"), detail: "Another.", deadlineMs: 7 }), 8, {
    concurrency: "unbounded",
  })
  for (const other of others) assert.deepStrictEqual(other, first)
  const late = yield* Effect.replicateEffect(warn("b"), 8, { concurrency: "unbounded" })
  assert.lengthOf(new Set(late.map(({ id }) => id)), 1)
  assert.deepStrictEqual(names(yield* notifier.list(member)), ["b", "a"])
  assert.lengthOf(yield* take("webhook"), 2)
  assert.deepStrictEqual(yield* found("a"), first)
  assert.isUndefined(yield* found("c"))
})

const kept = Effect.gen(function* () {
  const { member, notifier, take, warn } = yield* warning("kept")
  assert.deepStrictEqual((yield* warn("nowhere")).waysLeft, [])
  yield* notifier.addresses.set(member, { webhookUrl: HOOK, email: "ann@example.com" })
  const both = yield* warn("both")
  assert.deepStrictEqual([both.waysLeft, both.delivery], [["webhook", "email"], null])
  assert.deepStrictEqual(
    (yield* take("webhook")).map(({ address, tries, warning }) => [warning.id, address, tries]),
    [[both.id, HOOK, 0]],
  )
  yield* notifier.addresses.set(member, { webhookUrl: null })
  assert.deepStrictEqual((yield* warn("mail")).waysLeft, ["email"])
  assert.deepStrictEqual(
    (yield* take("email")).map(({ address }) => address),
    ["ann@example.com", "ann@example.com"],
  )
})

const rides = Effect.gen(function* () {
  const { found, join, notifier, warn } = yield* warning("rides")
  const [one, other] = [yield* join, yield* join]
  const stranger = yield* warning("stranger")
  const theirs = yield* stranger.join
  yield* warn("a")
  const beat = (device: typeof one, given: string | undefined, next: string) =>
    Effect.map(notifier.beat({ device, given, next }), names)
  assert.deepStrictEqual(yield* beat(theirs, undefined, "t1"), [])
  assert.deepStrictEqual(yield* beat(one, undefined, "n1"), ["a"])
  // It is not heard to have come by another nonce, nor by that of another device.
  assert.deepStrictEqual(yield* beat(one, "n0", "n2"), ["a"])
  assert.deepStrictEqual(yield* beat(other, "n2", "m1"), ["a"])
  assert.deepStrictEqual(yield* beat(one, undefined, "n3"), ["a"])
  assert.deepStrictEqual(yield* beat(theirs, "n3", "t2"), [])
  assert.isNull((yield* found("a"))?.delivery ?? null)
  yield* warn("b")
  assert.deepStrictEqual(yield* beat(one, "n3", "n4"), ["b"])
  const atMs = yield* Clock.currentTimeMillis
  assert.deepStrictEqual((yield* found("a"))?.delivery, { atMs, way: "beat" })
  // The answer was lost: the device comes back with the nonce before.
  assert.deepStrictEqual(yield* beat(one, "n3", "n5"), ["b"])
  assert.deepStrictEqual(yield* beat(other, "m1", "m2"), ["b"])
  assert.deepStrictEqual(yield* beat(one, "n5", "n6"), [])
  assert.deepStrictEqual(yield* beat(other, "m2", "m3"), [])
  yield* Effect.forEach(
    Array.from({ length: RIDING_MAX + 2 }, (_, at) => `${at}`),
    warn,
  )
  assert.lengthOf(yield* beat(one, "n6", "n7"), RIDING_MAX)
  assert.deepStrictEqual(yield* beat(one, "n7", "n8"), [`${RIDING_MAX}`, `${RIDING_MAX + 1}`])
})

const first = Effect.gen(function* () {
  const { found, join, member, notifier, warn } = yield* warning("first")
  const device = yield* join
  yield* notifier.addresses.set(member, { webhookUrl: HOOK, email: "ann@example.com" })
  const { id } = yield* warn("a")
  yield* TestClock.adjust(1_000)
  const atMs = yield* Clock.currentTimeMillis
  yield* notifier.outgoing.sent(id, "webhook")
  const delivery = { atMs, way: "webhook" } as const
  assert.deepInclude(yield* found("a"), { delivery, waysLeft: ["email"] })
  yield* TestClock.adjust(1_000)
  yield* notifier.outgoing.sent(id, "email")
  yield* notifier.outgoing.sent(id, "webhook")
  yield* notifier.beat({ device, given: undefined, next: "n1" })
  yield* notifier.beat({ device, given: "n1", next: "n2" })
  assert.deepInclude(yield* found("a"), { delivery, waysLeft: [] })
})

const sends = Effect.gen(function* () {
  const { found, member, notifier, take, warn } = yield* warning("sends")
  yield* notifier.addresses.set(member, { webhookUrl: HOOK })
  const { id } = yield* warn("a")
  const taken = yield* Effect.replicateEffect(take("webhook"), 8, { concurrency: "unbounded" })
  assert.lengthOf(taken.flat(), 1)
  yield* TestClock.adjust(LEASE_MS - 1)
  assert.lengthOf(yield* take("webhook"), 0)
  yield* TestClock.adjust(1)
  assert.lengthOf(yield* take("webhook"), 1)
  yield* notifier.outgoing.failed(id, "webhook", 5_000)
  yield* TestClock.adjust(4_999)
  assert.lengthOf(yield* take("webhook"), 0)
  yield* TestClock.adjust(1)
  assert.deepStrictEqual(
    (yield* take("webhook")).map(({ tries }) => tries),
    [1],
  )
  yield* notifier.outgoing.failed(id, "webhook", undefined)
  yield* TestClock.adjust(LEASE_MS)
  assert.lengthOf(yield* take("webhook"), 0)
  yield* notifier.outgoing.sent(id, "webhook")
  assert.deepInclude(yield* found("a"), { delivery: null, waysLeft: [] })
  const other = yield* warning("sends")
  yield* notifier.addresses.set(other.member, { webhookUrl: HOOK })
  yield* Effect.forEach(["b", "c", "d"], warn)
  yield* TestClock.adjust(1)
  yield* other.warn("e")
  const inTurn = yield* notifier.outgoing.take({ way: "webhook", leaseMs: LEASE_MS, most: 2 })
  assert.sameMembers(names(inTurn.map((one) => one.warning)), ["b", "e"])
})

const bounded = Effect.gen(function* () {
  const { found, given, join, member, notifier, take, warn } = yield* warning("bounded")
  const device = yield* join
  yield* notifier.addresses.set(member, { webhookUrl: HOOK })
  const came = yield* warn("came")
  yield* notifier.outgoing.sent(came.id, "webhook")
  yield* notifier.warn({ ...given("penalty"), topic: "penalty" })
  yield* Effect.forEach(
    Array.from({ length: WAITING_MAX }, (_, at) => `${at + 1}`),
    warn,
  )
  const [out, kept] = [yield* found("1"), yield* found("2")]
  assert.deepInclude(yield* found("penalty"), { delivery: null, waysLeft: ["webhook"] })
  assert.deepInclude(out, { delivery: null, waysLeft: [] })
  assert.deepInclude(kept, { delivery: null, waysLeft: ["webhook"] })
  assert.lengthOf(yield* take("webhook"), WAITING_MAX)
  const riding = names(yield* notifier.beat({ device, given: undefined, next: "n1" }))
  assert.deepStrictEqual(riding.slice(0, 3), ["came", "penalty", "2"])
  assert.deepInclude(yield* found("came"), { waysLeft: [] })
})

const own = Effect.gen(function* () {
  const { member, notifier, warn } = yield* warning("own")
  const other = yield* warning("other")
  yield* warn("a")
  yield* other.warn("b")
  yield* warn("c")
  assert.deepStrictEqual(names(yield* notifier.list(member)), ["c", "a"])
  assert.deepStrictEqual(yield* notifier.addresses.get(member), { webhookUrl: null, email: null })
  yield* notifier.addresses.set(member, { webhookUrl: HOOK })
  yield* notifier.addresses.set(member, { email: "ann@example.com" })
  const both = { webhookUrl: HOOK, email: "ann@example.com" }
  assert.deepStrictEqual(yield* notifier.addresses.get(member), both)
  assert.deepStrictEqual(yield* notifier.addresses.set(member, { webhookUrl: null }), { ...both, webhookUrl: null })
  assert.deepStrictEqual(yield* notifier.addresses.get(other.member), { webhookUrl: null, email: null })
})

const port: Conformance.Port<Notifier | Devices> = {
  name: "Notifier",
  clock: "virtual",
  guarantees: [
    {
      number: 1,
      test: "Of one key there is one warning, the first that came, however often and at the same time it is warned of.",
      proof: once,
    },
    {
      number: 2,
      test: "A warning is there for each way that its member had when it was made, and nobody waits for its delivery to make it.",
      proof: kept,
    },
    {
      number: 3,
      test: "On the answers to a device's beats a warning rides until the device beats with the nonce of such an answer: that, and no other nonce, is its delivery by beat.",
      proof: rides,
    },
    {
      number: 4,
      test: "The first delivery is recorded with its time and way, and never changes.",
      proof: first,
    },
    {
      number: 5,
      test: "What goes out on a way is taken by one at a time, the members in turn, again once its lease is over or its time has come, until it was sent or given up.",
      proof: sends,
    },
    {
      number: 6,
      test: "At most `WAITING_MAX` warnings of a member wait: one more ends the oldest of them, of penalties only where all are, which then was never delivered.",
      proof: bounded,
    },
    {
      number: 7,
      test: "A member sees its own warnings, the newest first, and its own addresses, as it set them last.",
      proof: own,
    },
  ],
}

/**
 * Proves a layer.
 *
 * @category suites
 * @since 0.1.0
 */
export const suite: (
  name: string,
  layer: Layer.Layer<Notifier | Devices, unknown>,
  options?: Conformance.Options,
) => void = Conformance.suite(port)

/**
 * Proves that the suite bites: on this layer the guarantee with this number must fail.
 *
 * @category suites
 * @since 0.1.0
 */
export const breaks: (name: string, layer: Layer.Layer<Notifier | Devices, unknown>, number: number) => void =
  Conformance.breaks(port)
