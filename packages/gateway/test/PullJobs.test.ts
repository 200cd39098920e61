/** What a worker that pulls may do, and what happens to jobs that it loses. Leases here are short. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { setTimeout as pause } from "node:timers/promises"
import type { Instance } from "@guildhall/core"
import type { Dispatch, TransportError } from "@guildhall/protocol/ProviderTransport"
import * as Pull from "@guildhall/protocol/provider/PullJob"
import type { SampleDevice } from "@guildhall/registry/testing/SampleDevice"
import * as PullMarket from "./PullMarket.ts"
import * as PullWorker from "./PullWorker.ts"

const LEASE_MS = 400
const LOST_MS = 200
const IDLE_MS = 500

let market: PullMarket.Market
let device: SampleDevice
let instance: Instance.Instance
beforeAll(async () => {
  market = await PullMarket.start({ leaseMs: LEASE_MS, lostMs: LOST_MS, idleMs: IDLE_MS, waitingMax: 3 })
  const joined = await market.join()
  device = joined.device
  instance = joined.instance
})
afterAll(() => market.close())

interface Heard {
  readonly dispatch: Dispatch
  readonly text: () => string
  status: number
  end: TransportError | "end" | undefined
}

const send = (options: { readonly connectMs?: number; readonly goOn?: () => boolean } = {}): Heard => {
  const chunks: Array<Uint8Array> = []
  const state: Omit<Heard, "dispatch"> = {
    status: 0,
    end: undefined,
    text: () => Buffer.concat(chunks).toString("utf8"),
  }
  const dispatch = market.transport.dispatch(
    {
      instance,
      method: "POST",
      path: "/v1/chat/completions",
      headers: {},
      body: Buffer.from("{}"),
      connectMs: options.connectMs ?? 1_000,
      headersMs: 2_000,
    },
    {
      onStart: (status) => (state.status = status),
      onData: (chunk) => {
        chunks.push(Uint8Array.from(chunk))
        return options.goOn?.() ?? true
      },
      onEnd: () => (state.end = "end"),
      onError: (error) => (state.end = error),
    },
  )
  return Object.assign(state, { dispatch })
}

const until = async (what: string, is: () => boolean): Promise<void> => {
  const endAt = Date.now() + 3_000
  while (!is()) {
    if (Date.now() > endAt) return assert.fail(`waited in vain: ${what}`)
    await pause(5)
  }
}

const reasonOf = ({ end }: Heard) => (end === "end" || end === undefined ? end : end.reason)
const over = (heard: Heard) => until("the end", () => heard.end !== undefined)
const take = (more: Partial<PullWorker.Options> = {}) => PullWorker.take({ url: market.url, device, instance, ...more })

/** A request that a worker has taken. */
const taken = async (options: Parameters<typeof send>[0] = {}) => {
  const asked = take()
  await asked.heard
  const heard = send(options)
  const [job] = PullWorker.jobsOf(await asked.answer)
  if (job === undefined) return assert.fail("There was no job.")
  return { heard, job }
}

const HEAD = Buffer.from(Pull.encodeHead({ status: 200, headers: { "content-type": "text/plain" } }))
const part = (job: Pull.Job, bytes: Buffer, query: string) => {
  const { answer, request } = PullWorker.upload(market.url, job, query)
  request.end(bytes)
  return answer
}

describe("workers that pull", () => {
  it("upload an answer in parts: what comes twice counts once, and the last word may be said again", async () => {
    const { heard, job } = await taken()
    const whole = Buffer.concat([HEAD, Buffer.from("one two three")])
    const cut = HEAD.length + 4
    const first = await part(job, whole.subarray(0, cut), "offset=0&more=1")
    assert.deepStrictEqual(first.body, { state: "working", received: cut, lease_ms: LEASE_MS })
    await part(job, whole.subarray(0, cut), "offset=0&more=1")
    const gap = await part(job, whole.subarray(cut), `offset=${cut + 1}`)
    assert.strictEqual(gap.status, 400)
    // From before the end of what is known.
    const last = await part(job, whole.subarray(cut - 2), `offset=${cut - 2}`)
    assert.deepStrictEqual(last.body, { state: "done", received: whole.length, lease_ms: LEASE_MS })
    assert.strictEqual(heard.text(), "one two three")
    assert.strictEqual(heard.end, "end")
    const again = await part(job, whole, "offset=0")
    assert.strictEqual(again.status, 200)
    assert.strictEqual((again.body as Pull.Standing).state, "done")
    assert.strictEqual(((await PullWorker.tell(market.url, job, "renew")).body as Pull.Standing).state, "done")
  })

  it("go on after an upload that broke off, where the market says that it stopped", async () => {
    const { heard, job } = await taken()
    const { request } = PullWorker.upload(market.url, job)
    request.write(Buffer.concat([HEAD, Buffer.from("half ")]))
    await until("the first half", () => heard.text() === "half ")
    request.destroy()
    const { body } = await PullWorker.tell(market.url, job, "renew")
    const { received } = body as Pull.Standing
    assert.strictEqual(received, HEAD.length + 5)
    await part(job, Buffer.from("and half"), `offset=${received}`)
    assert.strictEqual(heard.text(), "half and half")
    assert.strictEqual(heard.end, "end")
  })

  it("keep a job by renewing its lease, and lose it soon after they fall silent or break off", async () => {
    const { heard, job } = await taken()
    for (let index = 0; index < 4; index++) {
      await pause(LEASE_MS / 2)
      assert.strictEqual((await PullWorker.tell(market.url, job, "renew")).status, 200)
    }
    const silentAt = Date.now()
    await over(heard)
    assert.strictEqual(reasonOf(heard), "ClosedEarly")
    assert.isAtLeast(Date.now() - silentAt, LEASE_MS - 50)
    const late = await part(job, Buffer.concat([HEAD, Buffer.from("late")]), "offset=0")
    assert.strictEqual(late.status, 410)
    assert.strictEqual((late.body as { code: string }).code, "job_over")

    const other = await taken()
    const { request } = PullWorker.upload(market.url, other.job)
    request.write(HEAD)
    await until("the head", () => other.heard.status === 200)
    const brokenAt = Date.now()
    request.destroy()
    await over(other.heard)
    assert.isBelow(Date.now() - brokenAt, LEASE_MS)
  })

  it("hand back what they cannot do, and hear of a buyer who left", async () => {
    const back = await taken()
    assert.strictEqual((await PullWorker.tell(market.url, back.job, "return")).status, 200)
    await over(back.heard)
    assert.strictEqual(reasonOf(back.heard), "ClosedEarly")

    const left = await taken()
    left.heard.dispatch.cancel("the buyer left")
    const renewed = await PullWorker.tell(market.url, left.job, "renew")
    assert.strictEqual(renewed.status, 410)
    assert.include(JSON.stringify(renewed.body), "the buyer left")
  })

  it("take several at once, and no more than they asked for; what waits is bounded, and waits no longer than it may", async () => {
    await PullWorker.take({ url: market.url, device, instance, waitMs: 0 }).answer
    const waiting = [send(), send(), send(), send()]
    await until("one too many", () => waiting.some(({ end }) => end !== undefined))
    assert.deepStrictEqual(waiting.map(reasonOf), [undefined, undefined, undefined, "Unreachable"])
    const jobs = PullWorker.jobsOf(await take({ count: 2 }).answer)
    assert.lengthOf(jobs, 2)
    for (const job of jobs) await part(job, HEAD, "offset=0")
    const late = send({ connectMs: 100 })
    await over(late)
    assert.strictEqual(reasonOf(late), "ConnectTimeout")
    for (const heard of waiting) heard.dispatch.cancel("the test is over")
    assert.strictEqual(market.jobs.size(), 0)
  })

  it("are there for a while after they asked, and then nobody waits for them", async () => {
    await take({ waitMs: 0 }).answer
    assert.isTrue(market.jobs.isThere(instance))
    await pause(IDLE_MS + 50)
    assert.isFalse(market.jobs.isThere(instance))
    const nobody = send()
    await over(nobody)
    assert.strictEqual(reasonOf(nobody), "Unreachable")
    // Whoever leaves in the middle of its question is given nothing.
    const asked = take()
    await asked.heard
    asked.leave()
    await pause(50)
    const heard = send({ connectMs: 100 })
    await over(heard)
    assert.strictEqual(reasonOf(heard), "ConnectTimeout")
  })

  it("speak of their own jobs only, and sign when they ask", async () => {
    const { heard, job } = await taken()
    const foreign = { job_id: job.job_id, lease: "0".repeat(32) }
    for (const act of ["renew", "return"] as const) {
      assert.strictEqual((await PullWorker.tell(market.url, foreign, act)).status, 404)
    }
    assert.strictEqual((await part({ ...job, ...foreign }, HEAD, "offset=0")).status, 404)
    assert.isUndefined(heard.end)

    const forged = PullWorker.take({ url: market.url, device, instance }, { "guildhall-signature": "A".repeat(86) })
    assert.strictEqual((await forged.answer).status, 401)
    // Another device gets nothing of this instance, whatever it asks for.
    const stranger = await market.join()
    const stolen = PullWorker.take({ url: market.url, device: stranger.device, instance, waitMs: 300 })
    await stolen.heard
    const other = send({ connectMs: 200 })
    assert.deepStrictEqual(PullWorker.jobsOf(await stolen.answer), [])
    await over(other)
    assert.strictEqual(reasonOf(other), "ConnectTimeout")
    heard.dispatch.cancel("the test is over")
  })

  it("break an answer that has no head, or one that is too long", async () => {
    const none = await taken()
    const ended = await part(none.job, Buffer.from(""), "offset=0")
    assert.strictEqual(ended.status, 410)
    assert.strictEqual(reasonOf(none.heard), "ClosedEarly")
    const long = await taken()
    await part(long.job, Buffer.alloc(Pull.HEAD_BYTES_MAX + 10, 97), "offset=0").catch(() => undefined)
    await over(long.heard)
    assert.strictEqual(reasonOf(long.heard), "ClosedEarly")
  })
})
