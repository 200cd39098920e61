import { afterEach, assert, describe, it, vi } from "@effect/vitest"
import { Effect } from "effect"
import * as Plan from "../src/testing/FaultPlan.ts"
import * as Speech from "../src/testing/Speech.ts"
import * as FaultLane from "./FaultLane.ts"
import * as LateHolds from "./LateHolds.ts"
import * as TestLane from "./TestLane.ts"
import * as Waiting from "./Waiting.ts"

const closers: Array<() => Promise<unknown>> = []
afterEach(async () => {
  vi.restoreAllMocks()
  for (const close of closers.splice(0).reverse()) await close()
})

/** So many buyers ask at once and leave at once: as many as their key may have under way. */
const buyers = 5
const WITHIN_MS = 100
const word = "word".repeat(10)
const wordTokens = 10

const start = async () => {
  const released: Array<string> = []
  const made: Array<string> = []
  const lane = await FaultLane.start({
    definition: { limits: { ...TestLane.definition.limits, key: { concurrentRequests: buyers } } },
    wrapLedger: (ledger) => ({
      ...ledger,
      hold: (request) => Effect.tap(ledger.hold(request), () => Effect.sync(() => made.push(request.id))),
      settle: (id, posting) => Effect.tap(ledger.settle(id, posting), () => Effect.sync(() => released.push(id))),
      void: (id, attached) => Effect.tap(ledger.void(id, attached), () => Effect.sync(() => released.push(id))),
    }),
  })
  closers.push(lane.close)
  const apply = vi.spyOn(lane.router, "apply")
  const slots = () => {
    const tags = apply.mock.calls.map(([event]) => event._tag)
    return {
      taken: tags.filter((tag) => tag === "DispatchStarted").length,
      free: tags.filter((tag) => tag === "DispatchEnded").length,
    }
  }
  return { lane, made, released, slots }
}

interface Phase {
  readonly name: string
  readonly stream: boolean
  readonly plan: (said: Speech.Said) => Plan.FaultPlan
  /** Whether the buyer has seen what it waits for before it leaves. */
  readonly sees: (text: string, said: Speech.Said) => boolean
  readonly delivered: number
}

const phases: ReadonlyArray<Phase> = [
  { name: "before the headers", stream: true, plan: () => [Plan.stall], sees: () => true, delivered: 0 },
  {
    name: "before the first token",
    stream: true,
    plan: (said) => [Plan.streamHead, Plan.write(said.opening), Plan.stall],
    sees: () => true,
    delivered: 0,
  },
  {
    name: "in mid-stream",
    stream: true,
    plan: (said) => [Plan.streamHead, Plan.write(said.opening + said.tokens.join("")), Plan.stall],
    sees: (text, said) => text.endsWith(said.tokens.at(-1) ?? ""),
    delivered: 3 * wordTokens,
  },
  {
    name: "while a whole answer is made",
    stream: false,
    plan: (said) => [
      Plan.head(200, { "content-type": "application/json" }),
      Plan.write(said.whole.slice(0, 50)),
      Plan.stall,
    ],
    sees: () => true,
    delivered: 0,
  },
]

const middle = (times: ReadonlyArray<number>) =>
  times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? Infinity

describe("buyers who leave", () => {
  const measured = new Map<string, Array<number>>()

  it.each(phases.flatMap((phase) => Speech.dialects.map((dialect) => ({ ...phase, dialect }))))(
    "$name free the provider, and slot, place and hold once ($dialect)",
    async ({ delivered, dialect, name, plan, sees, stream }) => {
      const { lane, made, released, slots } = await start()
      const said = Speech.of(dialect, { words: [word, word, word] })
      const { ask, model, upstream } = await lane.provide({ always: plan(said) }, { dialect })
      const visits = Array.from({ length: buyers }, () => ask({ stream }))
      await Waiting.until(
        "all are served",
        () => upstream.counts().underWay === buyers && visits.every(({ state }) => sees(state.text, said)),
      )
      // What the provider wrote first has come by now. Nobody can see that it has: it is kept until a token comes.
      await Waiting.pause(20)
      const leftAtMs = visits.map(({ leave }) => leave())
      await Waiting.until("the provider is left", () => upstream.counts().cancelled === buyers)
      const lastMs = Math.max(...leftAtMs)
      const times = upstream.asked.map(({ endedAtMs = Infinity }) => endedAtMs - lastMs)
      measured.set(name, [...(measured.get(name) ?? []), ...times])
      assert.strictEqual(upstream.counts().socketsOpen, 0)

      const { spent } = await lane.books()
      assert.lengthOf(made, buyers)
      assert.sameMembers(released, made)
      assert.deepStrictEqual(slots(), { taken: buyers, free: buyers })
      const entries = await lane.ended()
      assert.lengthOf(entries, buyers)
      const body = { ...Speech.request(dialect, { model }), stream }
      const inputToken = Math.ceil(Buffer.byteLength(JSON.stringify(body)) / 4)
      for (const { receipt } of entries) {
        assert.strictEqual(receipt.outcome, "aborted")
        assert.strictEqual(receipt.reason, "client_closed_request")
        const prompt = dialect === "messages" && delivered > 0 ? 5 : inputToken
        assert.deepStrictEqual(receipt.usage, { inputToken: prompt, outputToken: delivered })
      }
      assert.strictEqual(
        spent,
        entries.reduce((sum, { receipt }) => sum + receipt.charge, 0n),
      )

      // Every place of the key is free again.
      upstream.use({ always: [...Plan.whole(200, said.whole)] })
      const again = await Promise.all(Array.from({ length: buyers }, () => ask().answer))
      assert.deepStrictEqual(
        again.map(({ status }) => status),
        again.map(() => 200),
      )
    },
  )

  it("free the provider within 100 ms", () => {
    for (const [name, times] of measured) {
      console.log(
        `figures: ${name}, ${times.length} provider sockets were closed ${middle(times).toFixed(1)} ms after their buyer left (median), ${Math.max(...times).toFixed(1)} ms at most`,
      )
      // The middle: a single one may have waited for a busy processor.
      assert.isBelow(middle(times), WITHIN_MS, name)
    }
  })

  it("while their hold is on its way free the provider as well", async () => {
    const { open, wrapLedger } = LateHolds.make()
    const lane = await FaultLane.start({ wrapLedger })
    closers.push(lane.close)
    const said = Speech.of("chat/completions", { words: [word] })
    const { ask, upstream } = await lane.provide({ always: [Plan.streamHead, Plan.write(said.opening), Plan.stall] })
    const visit = ask({ stream: true })
    await Waiting.until("the provider is asked", () => upstream.counts().underWay === 1)
    visit.leave()
    await Waiting.until("the provider is left", () => upstream.counts().cancelled === 1)
    open()
    await lane.books()
    const [entry] = await lane.ended()
    assert.strictEqual(entry?.receipt.outcome, "aborted")
    assert.strictEqual(entry?.receipt.usage.outputToken, 0)
  })

  it("and had stopped to read free the provider, who was held back", async () => {
    const lane = await FaultLane.start()
    closers.push(lane.close)
    const said = Speech.of("chat/completions", { words: ["x".repeat(10_000)] })
    const { model, upstream } = await lane.provide({
      always: [Plan.streamHead, Plan.write(said.opening), Plan.repeat(said.tokens[0] ?? "", 100_000), Plan.stall],
    })
    const body = Speech.request("chat/completions", { model, stream: true })
    const visit = FaultLane.visit(lane.port, "chat/completions", body, {}, (_, response) => void response.pause())
    await Waiting.until("it reads", () => visit.state.text !== "")
    // The provider is held back once nothing more goes out.
    for (let before = -1; before !== upstream.asked[0]?.written(); await Waiting.pause(100))
      before = upstream.asked[0]?.written() ?? 0
    visit.leave()
    await Waiting.until("the provider is left", () => upstream.counts().cancelled === 1)
    await lane.books()
  })

  it("between two attempts cause no further one", async () => {
    const lane = await FaultLane.start({ definition: { attempts: 5 } })
    closers.push(lane.close)
    const { ask, upstream } = await lane.provide(
      { always: [Plan.delay(60), ...Plan.whole(500, "oops")] },
      { instances: 5 },
    )
    const visit = ask({ stream: true })
    await Waiting.until("the second is asked", () => upstream.asked.length === 2)
    visit.leave()
    await Waiting.until("it is left", () => upstream.counts().underWay === 0)
    await lane.books()
    assert.lengthOf(upstream.asked, 2)
    assert.strictEqual(upstream.counts().cancelled, 1)
  })
})
