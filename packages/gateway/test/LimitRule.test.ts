import { assert, describe, it } from "@effect/vitest"
import { Effect, Random } from "effect"
import * as LimitRule from "../src/LimitRule.ts"

const SEED = "guildhall limit rule"
const LIFE_MS = 5_000
const LIMIT = 100

/** A process as the rule must be safe for: it spends and holds up to its lease, tells in time, and may be killed. */
interface Process {
  readonly who: string
  lease: number
  trustedUntilMs: number
  busy: number
  spent: number
  told: number
  askedAtMs: number
}

const ask = (
  process: Process,
  span: LimitRule.Span,
  wish: { readonly least: number; readonly more: number; readonly keepPart: number },
  nowMs: number,
): LimitRule.Ask => {
  const mine = nowMs < process.trustedUntilMs ? process.lease - (process.spent - process.told) : 0
  const keep = Math.max(process.busy, Math.floor(process.busy + (mine - process.busy) * wish.keepPart))
  const least = keep + wish.least
  return {
    counter: "c",
    span,
    limit: LIMIT,
    spent: process.spent,
    busy: process.busy,
    keep,
    least,
    need: least + wish.least,
    want: least + wish.least + wish.more,
  }
}

const trial = Effect.fnUntraced(function* (span: LimitRule.Span) {
  let counter = LimitRule.empty(span)
  // A little before the end of a day, and of a month.
  let nowMs = Date.parse("2026-11-30T23:57:00Z")
  let born = 0
  const spends: Array<{ readonly atMs: number; readonly units: number }> = []
  const birth = (): Process => ({
    who: `p${born++}`,
    lease: 0,
    trustedUntilMs: 0,
    busy: 0,
    spent: 0,
    told: 0,
    askedAtMs: nowMs,
  })
  const processes = [birth(), birth(), birth()]
  const int = (max: number) => Random.nextIntBetween(0, max)
  let lost = 0

  for (let step = 0; step < 2_000; step++) {
    nowMs += yield* int(250)
    const late = processes.findIndex((one) => nowMs - one.askedAtMs > LIFE_MS / 2)
    const at = late === -1 ? yield* int(processes.length - 1) : late
    const process = processes[at] ?? assert.fail("there are three")
    const room = nowMs < process.trustedUntilMs ? process.lease - process.busy - (process.spent - process.told) : 0
    const dice = late === -1 ? yield* Random.next : 1
    if (dice < 0.35 && room > 0) {
      const units = 1 + (yield* int(room - 1))
      if (span === "now" || (yield* Random.nextBoolean)) process.busy += units
      else {
        process.spent += units
        spends.push({ atMs: nowMs, units })
      }
    } else if (dice < 0.5 && process.busy > 0) {
      const units = 1 + (yield* int(process.busy - 1))
      process.busy -= units
      if (span !== "now") {
        const came = yield* int(units)
        process.spent += came
        spends.push({ atMs: nowMs, units: came })
      }
    } else if (dice < 0.502) {
      lost += process.spent - process.told
      processes[at] = birth()
    } else {
      const wish = { least: yield* int(20), more: yield* int(60), keepPart: yield* Random.next }
      const asked = ask(process, span, wish, nowMs)
      const done = LimitRule.exchange(counter, asked, { who: process.who, lifeMs: LIFE_MS, nowMs })
      const isLost = (yield* Random.next) < 0.05
      counter = done.counter
      process.told = asked.spent
      process.askedAtMs = nowMs
      if (isLost) process.lease = asked.keep
      else {
        process.lease = done.grant.lease
        process.trustedUntilMs = nowMs + LIFE_MS
        assert.isAtLeast(done.grant.lease, asked.keep)
        assert.isAtMost(done.grant.lease, asked.want)
      }
    }
    const busy = processes.reduce((sum, one) => sum + one.busy, 0)
    if (span === "now") assert.isAtMost(busy, LIMIT)
  }

  if (span === "minute") {
    for (const { atMs } of spends) {
      const minute = spends.filter((one) => one.atMs > atMs - 60_000 && one.atMs <= atMs)
      assert.isAtMost(
        minute.reduce((sum, one) => sum + one.units, 0),
        LIMIT,
      )
    }
    assert.isAbove(
      spends.reduce((sum, one) => sum + one.units, 0),
      LIMIT,
    )
  }
  if (span === "day" || span === "month") {
    const periods = new Map<number, number>()
    for (const { atMs, units } of spends) {
      const { startMs } = LimitRule.periodOf(span, atMs)
      periods.set(startMs, (periods.get(startMs) ?? 0) + units)
    }
    for (const sum of periods.values()) assert.isAtMost(sum, LIMIT + lost)
  }
})

describe("LimitRule", () => {
  it.effect.each(["minute", "day", "month", "now"] as const)(
    "lets nobody have more than the limit by the %s, whatever is spent, lost or told twice",
    (span) =>
      Effect.gen(function* () {
        for (let trials = 0; trials < 3; trials++) yield* trial(span)
      }).pipe(Random.withSeed(`${SEED} ${span}`)),
  )

  it("knows the days and months of UTC", () => {
    const at = (text: string) => Date.parse(text)
    const period = (span: "day" | "month", text: string) => {
      const { endMs, startMs } = LimitRule.periodOf(span, at(text))
      return [new Date(startMs).toISOString(), new Date(endMs).toISOString()].map((time) => time.slice(0, 16))
    }
    assert.deepStrictEqual(period("day", "2026-11-21T23:59:59.999Z"), ["2026-11-21T00:00", "2026-11-22T00:00"])
    assert.deepStrictEqual(period("month", "2026-11-21T10:00:00Z"), ["2026-11-01T00:00", "2026-12-01T00:00"])
    assert.deepStrictEqual(period("month", "2026-12-31T23:59:59Z"), ["2026-12-01T00:00", "2027-01-01T00:00"])
    assert.deepStrictEqual(period("month", "2028-02-29T00:00:00Z"), ["2028-02-01T00:00", "2028-03-01T00:00"])
  })

  it("says when so much will be free", () => {
    const told = (counter: LimitRule.Counter, spent: number, nowMs: number) =>
      LimitRule.exchange(
        counter,
        { counter: "c", span: "minute", limit: 10, spent, busy: 0, keep: 0, least: 0, need: 0, want: 0 },
        { who: "p", lifeMs: 10_000, nowMs },
      ).counter
    const counter = told(told(LimitRule.empty("minute"), 4, 100_000), 9, 120_000)
    const free = (least: number) =>
      LimitRule.exchange(
        counter,
        { counter: "c", span: "minute", limit: 10, spent: 9, busy: 0, keep: 0, least, need: least, want: least },
        { who: "p", lifeMs: 10_000, nowMs: 130_000 },
      ).grant.freeInMs
    assert.strictEqual(free(1), 0)
    assert.strictEqual(free(5), 30_500)
    assert.strictEqual(free(6), 50_500)
    assert.strictEqual(free(11), null)
  })
})
