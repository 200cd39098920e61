import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Faults from "../src/testing/Faults.ts"
import type * as FaultUpstream from "../src/testing/FaultUpstream.ts"
import * as Speech from "../src/testing/Speech.ts"
import * as FaultLane from "./FaultLane.ts"
import * as Waiting from "./Waiting.ts"

const saying: Speech.Saying = { words: ["hé€", "llo ", "😀 wör", "ld"], promptTokens: 5 }

/** What the provider says in the end, without what is kept from a buyer who did not ask for usage. */
const plain = (said: Speech.Said, dialect: Speech.Dialect): string =>
  dialect === "messages" || dialect === "responses" ? said.stream : said.stream.replace(said.usage, "")

/** All at once, for most of them wait; each is looked at by a test of its own. */
const width = 24

const limits: Readonly<Record<string, keyof typeof FaultLane.patient>> = {
  provider_headers_timeout: "headersMs",
  provider_token_timeout: "firstTokenMs",
  provider_stalled: "betweenTokensMs",
}

/** How many cases were tried of each kind. */
const tried: Array<{ readonly dialect: Speech.Dialect; readonly streams: number; readonly wholes: number }> = []

const run = (dialect: Speech.Dialect) => {
  const faults = (list: ReadonlyArray<Faults.Fault>) =>
    list.filter(
      ({ dialects, waits }) =>
        (dialects === undefined || dialects.includes(dialect)) &&
        // Silence is the same in every dialect, and takes its time.
        (waits !== true || dialect === "chat/completions"),
    )
  const said = Speech.of(dialect, saying)
  const outcomes = new Map<string, Promise<Awaited<ReturnType<typeof ask>>>>()
  const lanes: Array<FaultLane.FaultLane> = []

  const ask = async (lane: FaultLane.FaultLane, answers: FaultUpstream.Answers, stream: boolean) => {
    const { ask, upstream } = await lane.provide(answers, { dialect, instances: "inTurn" in answers ? 2 : 1 })
    const answer = await ask({ stream }).answer
    await lane.idle()
    await Waiting.until("the end at the provider", () => upstream.counts().underWay === 0)
    return { answer, upstream }
  }

  beforeAll(async () => {
    const lane = await FaultLane.start()
    lanes.push(lane)
    /** Faults that show by a timeout get a lane where only that one is short. */
    const laneFor = async ({ reason, waits }: Faults.Fault) => {
      const limit = waits === true ? limits[reason] : undefined
      if (limit === undefined) return lane
      const impatient = await FaultLane.start({
        definition: { timeouts: { ...FaultLane.patient, [limit]: 400 } },
      })
      lanes.push(impatient)
      return impatient
    }
    const abreast = FaultLane.abreast(width)
    const add = (name: string, answers: FaultUpstream.Answers, stream: boolean, on = lane) =>
      void outcomes.set(
        name,
        abreast(() => ask(on, answers, stream)),
      )
    const good = Faults.manners[0]?.plan(said.stream) ?? []
    for (const fault of faults(Faults.early)) {
      const on = await laneFor(fault)
      add(`early, another: ${fault.name}`, { inTurn: [fault.plan(said), good] }, true, on)
      add(`early, alone: ${fault.name}`, { always: fault.plan(said) }, true, on)
    }
    for (const fault of faults(Faults.late)) {
      add(`late: ${fault.name}`, { inTurn: [fault.plan(said), good] }, true, await laneFor(fault))
    }
    for (const { name, plan, shape = String } of Faults.manners) {
      add(`manner: ${name}`, { always: plan(shape(said.stream)) }, true)
    }
    for (const { name, plan } of faults(Faults.wholes)) {
      add(`whole, another: ${name}`, { inTurn: [plan(said), Faults.wholeManners[0]?.plan(said.whole) ?? []] }, false)
      add(`whole, alone: ${name}`, { always: plan(said) }, false)
    }
    for (const { name, plan, shape = String } of Faults.wholeManners) {
      add(`whole manner: ${name}`, { always: plan(shape(said.whole)) }, false)
    }
    await Promise.allSettled(outcomes.values())
    const wholes = [...outcomes.keys()].filter((name) => name.startsWith("whole")).length
    tried.push({ dialect, streams: outcomes.size - wholes, wholes })
  }, 60_000)

  afterAll(async () => {
    for (const lane of lanes) {
      await lane.books()
      await lane.close()
    }
  })

  const outcome = async (name: string) => {
    const found = await outcomes.get(name)
    if (found === undefined) throw new Error(`no such case: ${name}`)
    return found
  }

  describe.each(faults(Faults.early))("a stream that fails early with $name", ({ name, reason }) => {
    it("is made elsewhere, and nothing shows", async () => {
      const { answer, upstream } = await outcome(`early, another: ${name}`)
      assert.strictEqual(answer.status, 200, answer.text)
      assert.strictEqual(answer.text, plain(said, dialect))
      assert.strictEqual(answer.headers["x-guildhall-attempts"], "2")
      assert.lengthOf(upstream.asked, 2)
    })

    it("is refused where there is nobody else, with its reason", async () => {
      const { answer } = await outcome(`early, alone: ${name}`)
      assert.isAtLeast(answer.status, 500)
      assert.strictEqual(FaultLane.codeOf(answer.text), reason, answer.text)
      assert.strictEqual(answer.headers["x-should-retry"], "true")
      assert.strictEqual(answer.headers["retry-after"], name.endsWith("with Retry-After") ? "30" : "1")
    })
  })

  it.each(faults(Faults.late))(
    "a stream that fails late with $name ends with an error, and is not made again",
    async (fault) => {
      const { answer, upstream } = await outcome(`late: ${fault.name}`)
      assert.strictEqual(answer.status, 200)
      const begun = said.opening + said.tokens.join("")
      assert.strictEqual(answer.text.slice(0, begun.length), begun)
      assert.notInclude(answer.text, said.done)
      assert.strictEqual(FaultLane.codeOf(answer.text), fault.reason, answer.text.slice(begun.length))
      assert.isFalse(answer.broken)
      assert.lengthOf(upstream.asked, 1)
    },
  )

  it.each(Faults.manners)("a stream arrives that is sent $name", async ({ name, shape = String, arrives = String }) => {
    const { answer } = await outcome(`manner: ${name}`)
    assert.strictEqual(answer.text, arrives(shape(plain(said, dialect))))
    assert.isFalse(answer.broken)
    assert.lengthOf(answer.text.split("[DONE]"), said.done.includes("[DONE]") ? 2 : 1)
  })

  describe.each(faults(Faults.wholes))("a whole answer that fails with $name", ({ name, reason }) => {
    it("is made elsewhere, and nothing shows", async () => {
      const { answer, upstream } = await outcome(`whole, another: ${name}`)
      assert.strictEqual(answer.status, 200, answer.text)
      assert.strictEqual(answer.text, said.whole)
      assert.lengthOf(upstream.asked, 2)
    })

    it("is refused where there is nobody else, with its reason", async () => {
      const { answer } = await outcome(`whole, alone: ${name}`)
      assert.isAtLeast(answer.status, 500)
      assert.strictEqual(FaultLane.codeOf(answer.text), reason, answer.text)
    })
  })

  it.each(Faults.wholeManners)("a whole answer arrives that is sent $name", async ({ name, shape = String }) => {
    const { answer } = await outcome(`whole manner: ${name}`)
    assert.strictEqual(answer.status, 200, answer.text)
    assert.strictEqual(answer.text, shape(said.whole))
  })
}

describe.each(Speech.dialects)("%s", (dialect) => run(dialect))

it("all of them were tried", () => {
  const streams = tried.reduce((sum, one) => sum + one.streams, 0)
  const wholes = tried.reduce((sum, one) => sum + one.wholes, 0)
  const each = tried.map((one) => `${one.dialect} ${one.streams} and ${one.wholes}`).join(", ")
  console.log(
    `figures: ${streams + wholes} fault cases: ${streams} of streams and ${wholes} of whole answers (${each})`,
  )
  assert.lengthOf(tried, Speech.dialects.length)
  assert.isAbove(streams + wholes, 500)
})
