import { assert, describe, it } from "@effect/vitest"
import type { DirectoryEvent } from "@guildhall/core/DirectoryEvent"
import { InstanceId } from "@guildhall/core/Instance"
import { ModelId } from "@guildhall/core/Model"
import { Result } from "effect"
import { Directory } from "../src/Directory.ts"
import * as DirectoryText from "../src/DirectoryText.ts"
import { seeds } from "../src/testing/RoutingPolicyTest.ts"
import * as SampleMarket from "../src/testing/SampleMarket.ts"
import { contentOf } from "./DirectoryContent.ts"

const listed = (name: string) => ({ _tag: "InstanceListed", instance: SampleMarket.instance({ name }) }) as const
const about = <T extends string>(tag: T, name: string) => ({ _tag: tag, instanceId: InstanceId.make(`ins_${name}`) })
const inFlight = (directory: Directory, name: string) =>
  directory.candidate(InstanceId.make(`ins_${name}`))?.inFlight ?? undefined

describe("Directory", () => {
  it("counts every event, known or not", () => {
    const directory = new Directory()
    assert.strictEqual(directory.apply(about("DispatchStarted", "a")), -1)
    assert.strictEqual(directory.apply(listed("a")), 0)
    assert.strictEqual(directory.apply(about("DispatchStarted", "a")), 0)
    assert.strictEqual(directory.version, 3)
    assert.strictEqual(inFlight(directory, "a"), 1)
  })

  it("never counts below zero", () => {
    const directory = new Directory()
    directory.apply(listed("a"))
    directory.apply(about("DispatchEnded", "a"))
    directory.apply(about("DispatchStarted", "a"))
    assert.strictEqual(inFlight(directory, "a"), 1)
  })

  it("a tier that is known no longer is forgotten, from the log as well", () => {
    const { id: instanceId } = SampleMarket.instance({ name: "a" })
    const tier = { priority: "preferred", weightBps: 15_000 } as const
    const events: ReadonlyArray<DirectoryEvent> = [
      listed("a"),
      { _tag: "InstanceRated", instanceId, rating: { healthBps: 9_000, tier } },
      { _tag: "InstanceRated", instanceId, rating: { bonded: true } },
      { _tag: "InstanceRated", instanceId, rating: { tier: null } },
    ]
    const directory = new Directory()
    const lines = events.map((event) => DirectoryText.encodeEvent(event, directory.apply(event)))
    assert.deepStrictEqual(directory.candidate(instanceId)?.rating, { healthBps: 9_000, bonded: true })
    const again = new Directory()
    DirectoryText.replay(again, lines.slice(0, 3).join("\n"), 3)
    assert.deepStrictEqual(again.candidate(instanceId)?.rating?.tier, tier)
    DirectoryText.replay(again, lines.slice(3).join("\n"), 4)
    assert.deepStrictEqual(contentOf(again), contentOf(directory))
  })

  it("new terms keep what is in flight, and a new model moves the instance", () => {
    const directory = new Directory()
    directory.apply(listed("a"))
    directory.apply(about("DispatchStarted", "a"))
    const model = ModelId.make("org/other")
    directory.apply({ _tag: "InstanceListed", instance: SampleMarket.instance({ name: "a", model }) })
    assert.strictEqual(inFlight(directory, "a"), 1)
    assert.lengthOf(directory.candidates(model), 1)
    assert.lengthOf(directory.candidates(SampleMarket.instance({ name: "a" }).model), 0)
  })

  it("an instance that leaves and returns keeps what is still in flight on it", () => {
    const directory = new Directory()
    directory.apply(listed("a"))
    for (let at = 0; at < 2; at++) directory.apply(about("DispatchStarted", "a"))
    directory.apply(about("InstanceUnlisted", "a"))
    assert.isUndefined(inFlight(directory, "a"))
    directory.apply(about("DispatchEnded", "a"))
    directory.apply(listed("a"))
    assert.strictEqual(inFlight(directory, "a"), 1)
  })

  it("forgets an instance that has left when its last request ends, but not that its model was offered", () => {
    const directory = new Directory()
    directory.apply(listed("a"))
    directory.apply(about("DispatchStarted", "a"))
    directory.apply(about("InstanceUnlisted", "a"))
    assert.lengthOf([...directory.places], 1)
    directory.apply(about("DispatchEnded", "a"))
    assert.lengthOf([...directory.places], 0)
    assert.isTrue(directory.offered.has(SampleMarket.instance({ name: "a" }).model))
    assert.strictEqual(directory.apply(listed("a")), 1)
  })

  it("tells its listeners after each change of an instance", () => {
    const directory = new Directory()
    const heard: Array<string> = []
    directory.onChange((id) => heard.push(`${id} ${directory.candidate(id)?.inFlight}`))
    directory.apply(listed("a"))
    directory.apply(about("DispatchStarted", "a"))
    directory.apply(about("DispatchStarted", "nobody"))
    directory.apply(about("InstanceUnlisted", "a"))
    assert.deepStrictEqual(heard, ["ins_a 0", "ins_a 1", "ins_a undefined"])
  })
})

describe("DirectoryText", () => {
  it.each(seeds)("a log gives the same directory at every version, from the start or from a snapshot: %s", (seed) => {
    const dice = SampleMarket.dice(seed)
    const directory = new Directory()
    const lines: Array<string> = []
    const states = [contentOf(directory)]
    const snapshots: Array<{ readonly version: number; readonly text: string }> = []
    for (let at = 0; at < 250; at++) {
      const event = SampleMarket.event(dice)
      lines.push(DirectoryText.encodeEvent(event, directory.apply(event)))
      states.push(contentOf(directory))
      if (at % 60 === 59) snapshots.push({ version: at + 1, text: DirectoryText.encodeSnapshot(directory) })
    }
    for (let version = 0; version <= 250; version += 7) {
      const fromStart = new Directory()
      assert.isTrue(Result.isSuccess(DirectoryText.replay(fromStart, lines.join("\n"), version)))
      assert.deepStrictEqual(contentOf(fromStart), states[version])
    }
    for (const snapshot of snapshots) {
      const version = snapshot.version + 10
      const restored = new Directory()
      assert.isTrue(Result.isSuccess(DirectoryText.restore(restored, snapshot.version, snapshot.text)))
      assert.deepStrictEqual(contentOf(restored), states[snapshot.version])
      assert.isTrue(Result.isSuccess(DirectoryText.replay(restored, lines.slice(snapshot.version).join("\n"), version)))
      assert.deepStrictEqual(contentOf(restored), states[Math.min(version, 250)])
    }
  })

  it("a request costs less than ten bytes, also on the ten thousandth instance", () => {
    const start = DirectoryText.encodeEvent(about("DispatchStarted", "a"), 9_999)
    const end = DirectoryText.encodeEvent(about("DispatchEnded", "a"), 9_999)
    assert.isBelow(start.length + end.length + 2, 11)
  })

  it.each(["", "x0", "+0", "+", "+zz", "o", "l0 {}", "l0", 'l0 {"id":"ins_a"}'])("refuses %j as a change", (line) => {
    assert.isTrue(Result.isFailure(DirectoryText.replay(new Directory(), line, 1)))
  })

  it.each(["", "0", "0 {}", "- []", "1 []\nl0 0 {}", "1 []\nl0 x {}", '1 ["a b"]'])(
    "refuses %j as a snapshot",
    (text) => {
      assert.isTrue(Result.isFailure(DirectoryText.restore(new Directory(), 1, text)))
    },
  )
})
