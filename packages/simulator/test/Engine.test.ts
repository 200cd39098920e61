import { assert, describe, it } from "@effect/vitest"
import { Agenda } from "../src/Agenda.ts"
import * as Chance from "../src/Chance.ts"
import { Engine, type EngineSpec, type Job, type Work } from "../src/Engine.ts"

const spec: EngineSpec = {
  prefillTokensPerSecond: 1_000,
  tokenMs: 10,
  tokenMsPerPeer: 2,
  batchMax: 4,
  queueMax: 1_000_000,
  cacheTokens: 10_000,
}

interface Seen {
  firstAtMs: number
  endedAtMs: number
  failedAtMs: number
  cached: number
}

const world = (wanted: Partial<EngineSpec> = {}) => {
  const agenda = new Agenda()
  const engine = new Engine({ ...spec, ...wanted }, agenda)
  const jobs = new Map<Seen, Job>()
  const ask = (atMs: number, wantedWork: Partial<Work> = {}): Seen => {
    const seen: Seen = { firstAtMs: Number.NaN, endedAtMs: Number.NaN, failedAtMs: Number.NaN, cached: 0 }
    const work = { inputTokens: 1, outputTokens: 1, sharedTokens: 0, leavesTokens: 0, ...wantedWork }
    const job: Job = {
      work,
      firstToken: (cached) => {
        seen.firstAtMs = agenda.nowMs
        seen.cached = cached
      },
      ended: () => {
        seen.endedAtMs = agenda.nowMs
      },
      failed: () => {
        seen.failedAtMs = agenda.nowMs
      },
    }
    jobs.set(seen, job)
    agenda.at(atMs, () => {
      if (engine.submit(job) !== "accepted") seen.failedAtMs = agenda.nowMs
    })
    return seen
  }
  return { agenda, engine, ask, jobs }
}

const near = (actual: number, expected: number, within: number, what: string): void =>
  assert.isTrue(Math.abs(actual - expected) <= within, `${what}: ${actual} is not ${expected} ± ${within}`)

describe("Engine", () => {
  it("computes the prompt first, then gives a token each tokenMs", () => {
    const { agenda, ask } = world()
    const seen = ask(0, { inputTokens: 500, outputTokens: 11 })
    agenda.run()
    assert.strictEqual(seen.firstAtMs, 500)
    near(seen.endedAtMs, 600, 1e-6, "the end")
  })

  it("computes one prompt at a time, and gives everyone tokens more slowly the more there are", () => {
    const { agenda, ask } = world()
    const seen = [0, 0, 0, 0].map(() => ask(0, { inputTokens: 10, outputTokens: 1_001 }))
    agenda.run()
    assert.deepStrictEqual(
      seen.map(({ firstAtMs }) => Math.round(firstAtMs)),
      [10, 20, 30, 40],
    )
    // Four in the batch: 10 + 3·2 ms a token, so a thousand tokens are sixteen seconds.
    for (const { endedAtMs } of seen) near(endedAtMs, 16_000, 60, "the end in a batch of four")
  })

  it("lets the fifth wait for a place in a batch of four", () => {
    const { agenda, ask } = world()
    const first = [0, 0, 0, 0].map((_, at) => ask(0, { outputTokens: 100 + at * 100 }))
    const fifth = ask(1, { outputTokens: 2 })
    agenda.run()
    near(fifth.firstAtMs, (first[0]?.endedAtMs ?? 0) + 1, 1e-6, "its first token")
  })

  it("refuses what neither the batch nor the queue has room for", () => {
    const { agenda, ask } = world({ batchMax: 1, queueMax: 1 })
    const seen = [0, 1, 2].map((atMs) => ask(atMs, { outputTokens: 100 }))
    agenda.run()
    assert.deepStrictEqual(
      seen.map(({ failedAtMs }) => failedAtMs),
      [Number.NaN, Number.NaN, 2],
    )
  })

  it("does not compute again what the cache holds", () => {
    const { agenda, ask } = world()
    const work = { inputTokens: 500, key: "a", sharedTokens: 400, leavesTokens: 400 }
    const [one, two, other] = [ask(0, work), ask(1_000, work), ask(2_000, { ...work, key: "b" })]
    agenda.run()
    assert.deepStrictEqual([one.cached, two.cached, other.cached], [0, 400, 0])
    assert.strictEqual(two.firstAtMs, 1_100)
  })

  it("knows before when a first token would come, as long as nothing else comes", () => {
    const chance = Chance.make("prediction")
    for (let round = 0; round < 200; round++) {
      const { agenda, ask, engine } = world({ tokenMsPerPeer: 0 })
      const count = chance.below(12)
      const draw = () => ({ inputTokens: 1 + chance.below(300), outputTokens: 2 + chance.below(200) })
      for (let at = 0; at < count; at++) ask(chance.below(500), draw())
      const work = draw()
      let predicted = Number.NaN
      agenda.at(600, () => {
        predicted = engine.firstTokenInMs({ ...work, sharedTokens: 0, leavesTokens: 0 })
      })
      const seen = ask(600, work)
      agenda.run()
      near(seen.firstAtMs - 600, predicted, 1e-3, `round ${round}`)
    }
  })

  it("fails what it has when it goes down, does nothing while it is silent, and goes on afterwards", () => {
    const { agenda, ask, engine } = world()
    const [lost, refused, late] = [ask(0, { outputTokens: 100 }), ask(600), ask(2_000, { outputTokens: 11 })]
    agenda.at(500, () => engine.turn("down"))
    agenda.at(1_000, () => engine.turn("well"))
    agenda.at(2_050, () => engine.turn("silent"))
    agenda.at(5_050, () => engine.turn("well"))
    agenda.run()
    assert.deepStrictEqual([lost.failedAtMs, refused.failedAtMs], [500, 600])
    near(late.endedAtMs, 2_101 + 3_000, 1e-6, "the end")
  })

  it("frees the place of a request that was cancelled", () => {
    const { agenda, ask, engine, jobs } = world({ batchMax: 1 })
    const [gone, next] = [ask(0, { outputTokens: 1_000 }), ask(1, { outputTokens: 2 })]
    agenda.at(100, () => {
      const job = jobs.get(gone)
      if (job !== undefined) engine.cancel(job)
    })
    agenda.run()
    near(next.firstAtMs, 101, 1e-6, "the next one's first token")
    assert.isNaN(gone.endedAtMs)
  })
})

const COUNT = 60_000

describe("what queueing theory says", () => {
  it("M/D/1: the mean wait is ρ/(2(1 − ρ)) services, and ρ of the time it is busy", () => {
    for (const load of [0.5, 0.8]) {
      const { agenda, ask, engine } = world({ prefillTokensPerSecond: 10_000 })
      const chance = Chance.make(`M/D/1 ${load}`)
      const serviceMs = 100
      const asked: Array<readonly [number, Seen]> = []
      for (let at = 0, atMs = 0; at < COUNT; at++) {
        atMs += chance.exponential(serviceMs / load)
        asked.push([atMs, ask(atMs, { inputTokens: 1_000 })])
      }
      agenda.run()
      const waitMs = asked.reduce((sum, [atMs, { firstAtMs }]) => sum + firstAtMs - atMs - serviceMs, 0) / COUNT
      const expectedMs = (serviceMs * load) / (2 * (1 - load))
      near(waitMs / expectedMs, 1, 0.05, `mean wait at ${load}`)
      near(engine.busyMs / agenda.nowMs, load, 0.01, "utilisation")
    }
  })

  it("M/M/4: the mean wait is Erlang's C/(4μ − λ), and Little's law holds", () => {
    const { agenda, ask, engine } = world({ tokenMs: 1, tokenMsPerPeer: 0, prefillTokensPerSecond: 1e9 })
    const chance = Chance.make("M/M/4")
    const [meanMs, load, servers] = [1_000, 0.8, 4]
    const gapMs = meanMs / (load * servers)
    const asked: Array<readonly [number, Seen]> = []
    let atMs = 0
    for (let at = 0; at < COUNT; at++) {
      atMs += chance.exponential(gapMs)
      asked.push([atMs, ask(atMs, { outputTokens: 2 + Math.floor(chance.exponential(meanMs)) })])
    }
    let [inside, samples] = [0, 0]
    for (let each = 0; each < atMs; each += 487) {
      agenda.at(each, () => {
        inside += engine.running + engine.queued
        samples++
      })
    }
    agenda.run()
    const waitMs = asked.reduce((sum, [at, { firstAtMs }]) => sum + firstAtMs - at, 0) / COUNT
    const offered = load * servers
    const terms = [1, offered, offered ** 2 / 2, offered ** 3 / 6]
    const last = offered ** 4 / 24 / (1 - load)
    const erlangC = last / (terms.reduce((sum, term) => sum + term, 0) + last)
    near(waitMs / ((erlangC * meanMs) / (servers * (1 - load))), 1, 0.08, "mean wait")
    const insideMs = asked.reduce((sum, [at, { endedAtMs }]) => sum + endedAtMs - at, 0) / COUNT
    near(inside / samples / (insideMs / gapMs), 1, 0.02, "Little's law")
  })
})
