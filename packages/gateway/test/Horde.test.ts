/** Workers of Horde against the desk alone: what they are refused, and what ends a job. */
import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Logger, Result, Scope } from "effect"
import type { Member } from "@guildhall/core"
import type { Popped } from "@guildhall/protocol/provider/HordeWorker"
import type { Dispatch } from "@guildhall/protocol/ProviderTransport"
import { Devices } from "@guildhall/registry"
import * as SampleDevice from "@guildhall/registry/testing/SampleDevice"
import * as Horde from "../src/Horde.ts"
import { Market } from "../src/Market.ts"
import * as PullJobs from "../src/PullJobs.ts"
import * as TestLane from "./TestLane.ts"
import * as Waiting from "./Waiting.ts"

const PNG = Buffer.concat([Buffer.from("\u0089PNG\r\n\u001a\n", "latin1"), Buffer.alloc(100, 7)])
const TEXT = { name: "w", models: ["kobold/one"], max_length: 80, max_context_length: 1_024, threads: 1 }
const IMAGE = { name: "w", models: ["sd"], max_pixels: 1_048_576, threads: 1 }

let scope: Scope.Closeable
let horde: Horde.Horde["Service"]
let jobs: PullJobs.PullJobs["Service"]
let devices: Devices.Devices["Service"]
let member: Member.MemberId

beforeEach(async () => {
  scope = await Effect.runPromise(Scope.make())
  const market = Layer.succeed(Market, { definition: TestLane.definition, digest: "", owner: "me", payments: [] })
  const layer = Horde.layer({ holdMs: 200, ttlMs: 300, pictureBytesMax: 150, keptBytesMax: 250 }).pipe(
    Layer.provideMerge(Layer.mergeAll(market, PullJobs.layer(), Devices.layerMemory({ allowPrivate: true }))),
    Layer.provideMerge(Logger.layer([])),
    Layer.orDie,
  )
  const context = await Effect.runPromise(Layer.buildWithScope(layer, scope))
  horde = Context.get(context, Horde.Horde)
  jobs = Context.get(context, PullJobs.PullJobs)
  devices = Context.get(context, Devices.Devices)
  member = SampleDevice.member()
})
afterEach(() => Effect.runPromise(Scope.close(scope, Exit.void)))

const refused = async (effect: Effect.Effect<unknown, Horde.HordeRefusal>) => {
  const result = await Effect.runPromise(Effect.result(effect))
  return Result.isFailure(result) ? `${result.failure.status} ${result.failure.rc}` : "nothing"
}
const submit = (id: string | null, more: object = {}, kind: Horde.Kind = "text", who = member) =>
  horde.submit(who, kind, { id: id ?? "", generation: "fine", state: "ok", ...more })
const popText = () => Effect.runPromise(horde.popText(member, TEXT))
const popImage = () => Effect.runPromise(horde.popImage(member, IMAGE, "http://market"))

interface Asked {
  readonly dispatch: Dispatch
  readonly popped: Popped
  readonly heard: { status: number; text: string; end: string | undefined }
}

/** A request that the worker has popped; its instance is the one that its first pop listed. */
const asked = async (kind: Horde.Kind, body: object): Promise<Asked> => {
  const pop = kind === "text" ? popText : popImage
  await pop()
  const listed = await Effect.runPromise(devices.instances)
  const model = kind === "text" ? "kobold/one" : "sd"
  const instance = listed.find((one) => one.instance.model === model)?.instance
  if (instance === undefined) return assert.fail("It is not listed.")
  const heard: Asked["heard"] = { status: 0, text: "", end: undefined }
  const dispatch = jobs.dispatch(
    {
      instance,
      method: "POST",
      path: kind === "text" ? "/v1/chat/completions" : "/v1/images/generations",
      headers: {},
      body: Buffer.from(JSON.stringify(body)),
      connectMs: 1_000,
      headersMs: 5_000,
    },
    {
      onStart: (status) => (heard.status = status),
      onData: (chunk) => ((heard.text += Buffer.from(chunk).toString()), true),
      onEnd: () => (heard.end = "end"),
      onError: ({ reason }) => (heard.end = reason),
    },
  )
  return { dispatch, popped: await pop(), heard }
}
const CHAT = { messages: [{ role: "user", content: "Hi" }] }

describe("a worker of Horde", () => {
  it("is an instance without a key, which beats by its pops and comes back when it was taken off", async () => {
    await popText()
    const [listed] = await Effect.runPromise(devices.instances)
    if (listed === undefined) return assert.fail("It is not listed.")
    const { concurrency, contextLength, devicePublicKey, model } = listed.instance
    assert.isUndefined(devicePublicKey)
    assert.deepStrictEqual([String(model), contextLength, concurrency], ["kobold/one", 1_024, 1])
    assert.isTrue(jobs.isThere(listed.instance))
    assert.strictEqual(await refused(horde.popText(member, { ...TEXT, models: ["no name!"] })), "400 BadRequest")
    assert.strictEqual(await refused(horde.popText(member, { ...TEXT, models: [] })), "400 BadRequest")
    await Effect.runPromise(devices.revoke(listed.instance.deviceId))
    // With new terms it would be listed anew, and hears why it is not.
    assert.strictEqual(await refused(horde.popText(member, { ...TEXT, threads: 2 })), "403 WorkerMaintenance")
  })

  it("submits once, for its own member, and not after the job was over", async () => {
    const first = await asked("text", CHAT)
    const { id } = first.popped
    assert.strictEqual(await refused(submit(id, {}, "text", SampleDevice.member())), "403 WrongCredentials")
    assert.strictEqual(await refused(submit(id, {}, "image")), "404 InvalidJobID")
    assert.isAbove(await Effect.runPromise(submit(id)), 0)
    assert.strictEqual(first.heard.end, "end")
    assert.strictEqual(await refused(submit(id)), "400 DuplicateGen")

    const left = await asked("text", CHAT)
    left.dispatch.cancel("the buyer left")
    assert.strictEqual(await refused(submit(left.popped.id)), "400 AbortedGen")
    assert.strictEqual(await refused(submit(left.popped.id)), "400 AbortedGen")

    const late = await asked("text", CHAT)
    await Waiting.until("its time to run out", () => late.heard.end)
    assert.strictEqual(late.heard.end, "ClosedEarly")
    assert.strictEqual(await refused(submit(late.popped.id)), "400 AbortedGen")
    // One that faults what is over is told nothing bad.
    assert.strictEqual(await Effect.runPromise(submit(late.popped.id, { state: "faulted" })), 0)
  })

  it("faults a job, and one of several generations faults them all", async () => {
    const one = await asked("text", { ...CHAT, n: 2 })
    const next = await popText()
    assert.isString(next.id)
    await Effect.runPromise(submit(one.popped.id))
    assert.strictEqual(await Effect.runPromise(submit(next.id, { state: "faulted", generation: "faulted" })), 0)
    assert.strictEqual(one.heard.end, "ClosedEarly")
    assert.strictEqual(one.heard.status, 0)
  })

  it("tells the buyer what it cannot do, and asks for the next", async () => {
    const wrong = await asked("text", { ...CHAT, tools: [{}] })
    assert.isNull(wrong.popped.id)
    assert.strictEqual(wrong.heard.status, 400)
    assert.include(wrong.heard.text, "no tools")
  })

  it("uploads a picture once, of so many bytes, where its job said, and no other kind of file", async () => {
    const made = await asked("image", { prompt: "a hall" })
    const { id, r2_upload } = made.popped
    const [secret = ""] = (r2_upload ?? "").split("/").slice(-1)
    assert.strictEqual(r2_upload, `http://market/api/v2/generate/upload/${id}/${secret}`)
    const put = (bytes: Uint8Array, by = secret) => horde.put(id ?? "", by, bytes)
    assert.strictEqual(await refused(put(PNG, "0".repeat(32))), "404 InvalidJobID")
    assert.strictEqual(await refused(put(Buffer.alloc(200))), "413 BadRequest")
    await Effect.runPromise(put(PNG))
    assert.strictEqual(await refused(put(PNG)), "403 Forbidden")
    await Effect.runPromise(submit(id, { generation: "R2" }, "image"))
    assert.include(made.heard.text, PNG.toString("base64"))

    const nothing = await asked("image", { prompt: "a hall" })
    assert.strictEqual(await refused(submit(nothing.popped.id, { generation: "R2" }, "image")), "400 BadRequest")
    assert.strictEqual(nothing.heard.end, "ClosedEarly")

    const withheld = await asked("image", { prompt: "a hall" })
    assert.strictEqual(await Effect.runPromise(submit(withheld.popped.id, { state: "csam" }, "image")), 0)
    assert.strictEqual(withheld.heard.status, 400)
  })
})
