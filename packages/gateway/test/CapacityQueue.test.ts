import { assert, describe, it } from "@effect/vitest"
import { type BuyerClass, MemberId } from "@guildhall/core/Member"
import * as SampleMarket from "@guildhall/routing/testing/SampleMarket"
import { type Bounds, CapacityQueue, type Waiting } from "../src/CapacityQueue.ts"

const bounds: Bounds = { waitMs: 5_000, requestsMax: 100, memberPercent: 50 }

/** Requests that tell who was served, and find room while there is some. */
const desk = (queue: CapacityQueue) => {
  const served: Array<string> = []
  let room = Infinity
  const wait = (name: string, buyerClass: BuyerClass = "standard", mayStart = () => true): Waiting => ({
    member: MemberId.make(`mem_${name}`),
    class: buyerClass,
    start: () => {
      if (room <= 0 || !mayStart()) return false
      room -= 1
      served.push(name)
      return true
    },
  })
  return {
    served,
    enter: (name: string, buyerClass?: BuyerClass, mayStart?: () => boolean, nowMs = 0) =>
      queue.enter(wait(name, buyerClass, mayStart), nowMs),
    wait,
    leaveRoomFor: (count: number) => {
      room = count
    },
  }
}

describe("a queue for capacity", () => {
  it("lets premium buyers go first, and members in turn, each with its oldest request", () => {
    const queue = new CapacityQueue(bounds)
    const { enter, served } = desk(queue)
    for (const name of ["a", "a", "b", "a", "c"]) enter(name)
    for (const name of ["p", "p", "q"]) enter(name, "premium")
    for (let at = 0; at < 8; at++) assert.isTrue(queue.room(at))
    assert.deepStrictEqual(served, ["p", "q", "p", "a", "b", "c", "a", "a"])
    assert.isFalse(queue.room(9))
    assert.strictEqual(queue.size, 0)
  })

  it("passes over a request that finds no room, and asks it again at its turn", () => {
    const queue = new CapacityQueue(bounds)
    const { enter, served } = desk(queue)
    let fits = false
    enter("long", "standard", () => fits)
    enter("short")
    assert.isTrue(queue.room(0))
    assert.deepStrictEqual(served, ["short"])
    assert.isFalse(queue.room(1))
    fits = true
    assert.isTrue(queue.room(2))
    assert.deepStrictEqual(served, ["short", "long"])
  })

  it("is bounded, as a whole and for each member", () => {
    const queue = new CapacityQueue({ waitMs: 5_000, requestsMax: 10, memberPercent: 30 })
    const { enter } = desk(queue)
    for (let at = 0; at < 3; at++) assert.strictEqual(enter("a"), "waits")
    assert.deepStrictEqual(enter("a"), { retryMs: 5_000 })
    for (let at = 0; at < 7; at++) assert.strictEqual(enter(`m${at}`), "waits")
    assert.deepStrictEqual(enter("last"), { retryMs: 5_000 })
    assert.strictEqual(queue.size, 10)
  })

  it("lets nobody in who would wait too long at the pace of the last starts, and says how long that would be", () => {
    const queue = new CapacityQueue(bounds)
    const { enter } = desk(queue)
    for (let at = 0; at < 10; at++) enter(`m${at}`)
    // One start a second.
    for (let at = 1; at <= 4; at++) queue.room(at * 1_000)
    assert.strictEqual(queue.size, 6)
    assert.deepStrictEqual(
      enter("late", "standard", () => true, 5_000),
      { retryMs: 6_000 },
    )
    // Nobody is before a premium buyer.
    assert.strictEqual(
      enter("late", "premium", () => true, 5_000),
      "waits",
    )
  })

  it("lets nobody wait where nobody may", () => {
    const queue = new CapacityQueue({ ...bounds, waitMs: 0 })
    assert.deepStrictEqual(desk(queue).enter("a"), { retryMs: 1_000 })
  })

  it("forgets who left, and nobody else", () => {
    const queue = new CapacityQueue(bounds)
    const { served, wait } = desk(queue)
    const [gone, stays] = [wait("gone"), wait("stays")]
    queue.enter(gone, 0)
    queue.enter(stays, 0)
    queue.leave(gone)
    queue.leave(gone)
    assert.strictEqual(queue.size, 1)
    assert.isTrue(queue.room(0))
    assert.deepStrictEqual(served, ["stays"])
  })

  it('gives members equal parts of what there is, however much each of them asks for (seed "fair")', () => {
    const dice = SampleMarket.dice("fair")
    const queue = new CapacityQueue({ ...bounds, requestsMax: 1_000 })
    const { enter, leaveRoomFor, served } = desk(queue)
    for (let tick = 0; tick < 300; tick++) {
      for (let at = 0; at < 6; at++) if (dice.below(2) === 0) enter("greedy", "standard", undefined, tick)
      if (dice.below(2) === 0) enter("modest", "standard", undefined, tick)
      if (dice.below(2) === 0) enter("other", "standard", undefined, tick)
      leaveRoomFor(1)
      queue.room(tick)
    }
    const count = (name: string) => served.filter((one) => one === name).length
    const [greedy, modest, other] = ["greedy", "modest", "other"].map(count)
    assert.isAtLeast(Math.min(greedy ?? 0, modest ?? 0, other ?? 0), 90, `${greedy}, ${modest}, ${other}`)
    assert.isAtMost(greedy ?? 0, 120)
  })
})
