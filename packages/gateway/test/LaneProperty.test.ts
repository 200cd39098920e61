import { afterEach, assert, describe, it, vi } from "@effect/vitest"
import { Effect } from "effect"
import { Tally } from "../src/Tally.ts"
import * as FaultLane from "./FaultLane.ts"
import * as Interleaving from "./Interleaving.ts"

/** `LANE_SEED=123 LANE_RUNS=1` repeats one run; `LANE_RUNS=10000` is what a soak asks. */
const first = Number(process.env["LANE_SEED"] ?? 1)
const runs = Number(process.env["LANE_RUNS"] ?? 250)

/** So many lanes at a time: most of a run is waiting. */
const width = 12

/** Runs from one seed on; what went wrong, with its seed, and how often each outcome came. */
const interleave = async (runs: number, spoiled?: Interleaving.Spoiled) => {
  const abreast = FaultLane.abreast(width)
  const outcomes = new Map<string, number>()
  const failures: Array<Error> = []
  const one = async (seed: number) => {
    try {
      for (const outcome of await Interleaving.run(seed, spoiled))
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    } catch (cause) {
      failures.push(new Error(`LANE_SEED=${seed} LANE_RUNS=1 repeats this: ${String(cause)}`, { cause }))
    }
  }
  await Promise.all(Array.from({ length: runs }, (_, at) => abreast(() => one(first + at))))
  return { failures, outcomes }
}

describe("any interleaving of chunks, faults, retries, slow buyers and buyers who leave", () => {
  it(
    `bills what was delivered and gives back what it took, ${runs} times from seed ${first}`,
    async () => {
      const { failures, outcomes } = await interleave(runs)
      console.log(
        `figures: ${runs} interleavings from seed ${first}: ${[...outcomes].map(([name, count]) => `${count} ${name}`).join(", ")}`,
      )
      if (failures.length > 0) throw new AggregateError(failures, failures.slice(0, 10).map(String).join("\n"))
      if (runs >= 100) assert.hasAllKeys(Object.fromEntries(outcomes), ["completed", "truncated", "aborted", "failed"])
    },
    120_000 + runs * 500,
  )
})

describe("the property is not kept", () => {
  afterEach(() => void vi.restoreAllMocks())

  const notices = async (what: RegExp, spoiled?: Interleaving.Spoiled) => {
    const { failures } = await interleave(24, spoiled)
    assert.isNotEmpty(failures)
    for (const { message } of failures) assert.match(message, what)
  }

  it("where a token too many is counted", async () => {
    const add = Tally.prototype.add
    vi.spyOn(Tally.prototype, "add").mockImplementation(function (this: Tally, ...choice) {
      const delivers = add.apply(this, choice)
      if (delivers) this.outputBytes += 4
      return delivers
    })
    await notices(/errand/)
  })

  it("where a hold is not given back", async () => {
    await notices(/books are off/, { ledger: (ledger) => ({ ...ledger, void: () => Effect.void }) })
  })

  it("where a provider is not left", async () => {
    const cancel = () => undefined
    await notices(/never: every call/, {
      transport: (transport) => ({
        ...transport,
        dispatch: (request, sink) => {
          const dispatch = transport.dispatch(request, sink)
          return { resume: () => dispatch.resume(), cancel }
        },
      }),
    })
  }, 60_000)
})
