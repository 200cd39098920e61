/** Proofs of what is guaranteed of following the changes. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { DirectoryEvent } from "@guildhall/core/DirectoryEvent"
import type { Instance, InstanceId } from "@guildhall/core/Instance"
import { Devices } from "../../Devices.ts"
import * as SampleDevice from "../SampleDevice.ts"

/** The directory after these events. */
const fold = (directory: Map<InstanceId, Instance>, events: ReadonlyArray<DirectoryEvent>) => {
  for (const event of events) {
    if (event._tag === "InstanceListed") directory.set(event.instance.id, event.instance)
    if (event._tag === "InstanceUnlisted") directory.delete(event.instanceId)
    if (event._tag === "StateChanged") {
      const known = directory.get(event.instanceId)
      if (known === undefined) assert.fail(`${event.instanceId} changed its state before it was listed`)
      else directory.set(event.instanceId, { ...known, state: event.state })
    }
  }
  return directory
}

export const folding = Effect.gen(function* () {
  const devices = yield* Devices
  const seen: Array<{ readonly version: number; readonly directory: Map<InstanceId, Instance> }> = []
  const look = Effect.gen(function* () {
    const all = yield* devices.changes(0)
    seen.push({ version: all.version, directory: fold(new Map(), all.events) })
  })
  yield* look
  const sample = SampleDevice.make()
  const first = yield* devices.register(sample.registration())
  yield* look
  const second = yield* devices.register(SampleDevice.make().registration())
  yield* look
  yield* devices.setState(first.instance.id, "offline")
  yield* look
  yield* devices.deregister(second.instance.id, second.instance.memberId)
  yield* look
  yield* devices.register(sample.registration({ concurrency: 9 }))
  yield* look
  yield* devices.deregister(first.instance.id, first.instance.memberId)
  yield* devices.register(sample.registration({ concurrency: 3 }))
  yield* devices.setState(first.instance.id, "draining")
  yield* look
  const now = new Map((yield* devices.instances).map(({ instance }) => [instance.id, instance]))
  for (const { version, directory } of seen) {
    const since = yield* devices.changes(version)
    assert.deepStrictEqual(fold(directory, since.events), now)
    assert.strictEqual(since.version, seen.at(-1)?.version)
  }
  assert.isTrue(new Set(seen.map((one) => one.version)).size === seen.length)
})

export const ordered = Effect.gen(function* () {
  const devices = yield* Devices
  const made = yield* Effect.forEach(Array.from({ length: 6 }), () =>
    devices.register(SampleDevice.make().registration()),
  )
  const start = yield* devices.changes(0)
  const directory = fold(new Map(), start.events)
  let at = start.version
  const follow = Effect.gen(function* () {
    const next = yield* devices.changes(at)
    assert.isAtLeast(next.version, at)
    fold(directory, next.events)
    at = next.version
  })
  const change = (id: InstanceId) =>
    Effect.forEach(["offline", "online", "draining", "offline"] as const, (state) => devices.setState(id, state))
  yield* Effect.all(
    [
      Effect.forEach(made, ({ instance }) => change(instance.id), { concurrency: "unbounded" }),
      Effect.forEach(Array.from({ length: 20 }), () => Effect.andThen(follow, Effect.yieldNow)),
    ],
    { concurrency: "unbounded" },
  )
  yield* follow
  const now = new Map((yield* devices.instances).map(({ instance }) => [instance.id, instance]))
  assert.deepStrictEqual(directory, now)
  assert.strictEqual(at, start.version + made.length * 4)
})
