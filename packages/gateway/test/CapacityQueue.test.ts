import { assert, describe, it } from "@effect/vitest"
import { type BuyerClass, MemberId } from "@guildhall/core/Member"
import * as SampleMarket from "@guildhall/routing/testing/SampleMarket"
import { type Bounds, CapacityQueue, type Waiting } from "../src/CapacityQueue.ts"

const bounds: Bounds = { waitMs: 5_000, requestsMax: 100, memberPercent: 50 }

/** Requests that tell who was served, and find room while there is some. */
const desk = (queue: CapacityQueue) => {
  const served: Array<string> = []
  let room = Infinity
  const gaveWay: Array<{ readonly name: string; readonly retryMs: number }> = []
  let asked = 0
  const wait = (name: string, buyerClass: BuyerClass = "standard", mayStart = () => true): Waiting => ({
    member: MemberId.make(`mem_${name}`),
    class: buyerClass,
    needs: name,
    tokens: 1,
    giveWay: (retryMs) => void gaveWay.push({ name, retryMs }),
    start: () => {
      asked += 1
      if (room <= 0 || !mayStart()) return false
      room -= 1
      served.push(name)
      return true
    },
  })
  return {
    served,
    gaveWay,
    /** How many were asked since this was called last. */
    asked: () => {
      const count = asked
      asked = 0
      return count
    },
    enter: (name: string, buyerClass?: BuyerClass, mayStart?: () => boolean, nowMs = 0) =>
      queue.enter(wait(name, buyerClass, mayStart), nowMs),
    wait,
    leaveRoomFor: (count: number) => {
      room = count
    },
  }
}

/** Makes room for one. */
const room = (queue: CapacityQueue, nowMs: number): boolean => {
  queue.changed()
  return queue.next(nowMs) === "started"
}

describe("a queue for capacity", () => {
  it("lets premium buyers go first, and members in turn, each with its oldest request", () => {
    const queue = new CapacityQueue(bounds)
    const { enter, served } = desk(queue)
    for (const name of ["a", "a", "b", "a", "c"]) enter(name)
    for (const name of ["p", "p", "q"]) enter(name, "premium")
    for (let at = 0; at < 8; at++) assert.isTrue(room(queue, at))
    assert.deepStrictEqual(served, ["p", "q", "p", "a", "b", "c", "a", "a"])
    assert.isFalse(room(queue, 9))
    assert.strictEqual(queue.size, 0)
  })

  it("passes over a request that finds no room, and asks it again at its turn", () => {
    const queue = new CapacityQueue(bounds)
    const { enter, served } = desk(queue)
    let fits = false
    enter("long", "standard", () => fits)
    enter("short")
    assert.isTrue(room(queue, 0))
    assert.deepStrictEqual(served, ["short"])
    assert.isFalse(room(queue, 1))
    fits = true
    assert.isTrue(room(queue, 2))
    assert.deepStrictEqual(served, ["short", "long"])
  })

  it("is bounded, as a whole and for each member", () => {
    const queue = new CapacityQueue({ waitMs: 5_000, requestsMax: 10, memberPercent: 20 })
    const { enter } = desk(queue)
    for (let at = 0; at < 2; at++) assert.strictEqual(enter("a"), "waits")
    assert.deepStrictEqual(enter("a"), { retryMs: 5_000 })
    for (let at = 0; at < 8; at++) assert.strictEqual(enter(`m${at}`), "waits")
    assert.deepStrictEqual(enter("m0"), { retryMs: 5_000 })
    assert.strictEqual(queue.size, 10)
  })

  it("lets nobody in who would wait too long at the pace of the last starts, and says how long that would be", () => {
    const queue = new CapacityQueue(bounds)
    const { enter } = desk(queue)
    for (let at = 0; at < 10; at++) enter(`m${at}`)
    // One start a second.
    for (let at = 1; at <= 4; at++) room(queue, at * 1_000)
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

  it("counts a member's own turn and not what others have waiting, one with 500 among them", () => {
    const queue = new CapacityQueue({ waitMs: 3_000, requestsMax: 1_000, memberPercent: 50 })
    const { enter, gaveWay, served } = desk(queue)
    const send = (name: string, nowMs: number) => enter(name, "standard", undefined, nowMs)
    for (let at = 0; at < 500; at++) send("greedy", 0)
    // Twenty starts a second.
    for (let at = 1; at <= 30; at++) room(queue, at * 50)
    for (let at = 0; at < 5; at++) assert.strictEqual(send("modest", 1_500), "waits", `${at}`)
    for (let at = 1; at <= 10; at++) room(queue, 1_500 + at * 50)
    assert.strictEqual(served.filter((name) => name === "modest").length, 5)
    // 465 of its own are before the next one.
    const refused = send("greedy", 2_000)
    if (refused === "waits") return assert.fail("it waits")
    assert.closeTo(refused.retryMs / (465 * 50), 1, 0.05)
    assert.deepStrictEqual(gaveWay, [])
  })

  it('says exactly how many are served before (seed "turns")', () => {
    const dice = SampleMarket.dice("turns")
    for (let round = 0; round < 200; round++) {
      const queue = new CapacityQueue({ waitMs: 1e9, requestsMax: 1_000, memberPercent: 100 })
      const { served, wait } = desk(queue)
      const names = Array.from({ length: 1 + dice.below(6) }, (_, at) => `m${at}`)
      const someone = () => names[dice.below(names.length)] ?? assert.fail("somebody")
      // A start each millisecond, so that the pace is one.
      for (let at = 0; at < 40; at++) queue.enter(wait("first"), 0)
      for (let at = 1; at <= 40; at++) room(queue, at)
      for (let at = 0; at < dice.below(30); at++)
        queue.enter(wait(someone(), dice.below(4) === 0 ? "premium" : "standard"), 40)
      for (let at = 0; at < dice.below(5); at++) room(queue, 40)
      const [name, buyerClass] = [someone(), dice.below(3) === 0 ? "premium" : "standard"] as const
      const mine = wait(name, buyerClass)
      let isServed = false
      const start = () => (isServed = true)
      const expected = queue.expectedMs(mine, 40)
      assert.isDefined(expected)
      const before = served.length
      queue.enter({ ...mine, start }, 40)
      for (let at = 0; at < 100 && !isServed; at++) room(queue, 40)
      assert.isTrue(isServed)
      const count = served.length - before
      // What is expected is in milliseconds, of which a start takes about one.
      assert.isAtMost(Math.abs((expected ?? 0) - count), 1 + count * 0.1, `${count} were served before`)
    }
  })

  it("full of others, lets a premium buyer in: the newest of the member with most waiting gives way", () => {
    const queue = new CapacityQueue({ waitMs: 5_000, requestsMax: 10, memberPercent: 60 })
    const { enter, gaveWay, leaveRoomFor, served } = desk(queue)
    for (let at = 0; at < 2; at++) enter("pace")
    for (let at = 0; at < 2; at++) room(queue, at * 1_000)
    served.length = 0
    for (let at = 0; at < 6; at++) enter("many", "standard", undefined, 1_000)
    for (let at = 0; at < 4; at++) enter("some", "standard", undefined, 1_000)
    assert.strictEqual(enter("p", "premium", undefined, 1_000), "waits")
    // Five of its own, four of the other and the premium buyer's are before the next of it, at half a second for a start.
    assert.deepStrictEqual(gaveWay, [{ name: "many", retryMs: 5_000 }])
    for (let at = 0; at < 3; at++) assert.strictEqual(enter("p", "premium", undefined, 1_000), "waits")
    assert.deepStrictEqual(
      gaveWay.slice(1).map(({ name }) => name),
      ["many", "many", "some"],
    )
    assert.strictEqual(queue.size, 10)
    leaveRoomFor(5)
    for (let at = 0; at < 5; at++) room(queue, 2_000)
    assert.deepStrictEqual(served, ["p", "p", "p", "p", "many"])
  })

  it("full of others, lets in who has less waiting than the one that has most, and nobody else", () => {
    const queue = new CapacityQueue({ waitMs: 5_000, requestsMax: 4, memberPercent: 100 })
    const { enter, gaveWay } = desk(queue)
    for (let at = 0; at < 4; at++) enter("greedy")
    assert.strictEqual(enter("modest"), "waits")
    assert.strictEqual(enter("modest"), "waits")
    assert.deepStrictEqual(enter("modest"), { retryMs: 5_000 })
    assert.strictEqual(enter("other"), "waits")
    assert.deepStrictEqual(
      gaveWay.map(({ name }) => name),
      ["greedy", "greedy", "greedy"],
    )
    // Whoever waits by a higher class does not give way.
    for (let at = 0; at < 4; at++) enter("p", "premium")
    assert.isObject(enter("late"))
    assert.strictEqual(queue.size, 4)
  })

  it("asks everybody after a change, a bounded number at a time, and is held up by nobody that finds no room", () => {
    const queue = new CapacityQueue({ waitMs: 5_000, requestsMax: 1_000, memberPercent: 50 })
    const { asked, enter, leaveRoomFor, served } = desk(queue)
    for (let at = 0; at < 100; at++) enter(`stuck${at}`, at % 2 === 0 ? "standard" : "premium", () => false)
    enter("fits")
    leaveRoomFor(1)
    queue.changed()
    let answer = queue.next(0)
    assert.isAtMost(asked(), 17)
    for (let at = 0; at < 10 && answer === "more"; at++) {
      // What changes meanwhile does not begin anew.
      queue.changed()
      answer = queue.next(at)
      assert.isAtMost(asked(), 17)
    }
    assert.strictEqual(answer, "started")
    assert.deepStrictEqual(served, ["fits"])
  })

  it("does not count those that were passed over, nor keep others out for them", () => {
    const queue = new CapacityQueue({ waitMs: 5_000, requestsMax: 1_000, memberPercent: 50 })
    const { enter } = desk(queue)
    for (let at = 0; at < 16; at++) for (let of = 0; of < 10; of++) enter(`stuck${at}`, "premium", () => false)
    for (let at = 1; at <= 4; at++) {
      enter("fits")
      queue.changed()
      let answer = queue.next(at * 1_000)
      while (answer === "more") answer = queue.next(at * 1_000)
      assert.strictEqual(answer, "started")
    }
    assert.strictEqual(enter("fits", "standard", undefined, 4_000), "waits")
  })

  it("asks one of those that need the same, but for who takes fewer tokens", () => {
    const queue = new CapacityQueue({ waitMs: 5_000, requestsMax: 1_000, memberPercent: 50 })
    const { asked, served, wait } = desk(queue)
    let mostTokens = 0
    const sized = (name: string, tokens: number): Waiting => {
      const one = wait(name, "standard", () => tokens <= mostTokens)
      return { ...one, needs: "", tokens }
    }
    for (let at = 0; at < 500; at++) queue.enter(sized(`large${at}`, 1_000 + at), 0)
    queue.enter(sized("small", 10), 0)
    assert.isFalse(room(queue, 0))
    assert.strictEqual(asked(), 2)
    mostTokens = 100
    assert.isTrue(room(queue, 0))
    assert.deepStrictEqual(served, ["small"])
    mostTokens = 2_000
    for (let at = 0; at < 500; at++) assert.isTrue(room(queue, 0))
    assert.deepStrictEqual(served.slice(1, 4), ["large0", "large1", "large2"])
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
    assert.isTrue(room(queue, 0))
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
      room(queue, tick)
    }
    const count = (name: string) => served.filter((one) => one === name).length
    const [greedy, modest, other] = ["greedy", "modest", "other"].map(count)
    assert.isAtLeast(Math.min(greedy ?? 0, modest ?? 0, other ?? 0), 90, `${greedy}, ${modest}, ${other}`)
    assert.isAtMost(greedy ?? 0, 120)
  })
})
