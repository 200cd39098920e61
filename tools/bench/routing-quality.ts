/**
 * How well policies choose, in simulated markets: cost, times to the first token, goodput, cache hits and what goes to
 * instances that are dead or lie, beside public policies and an oracle. docs/routing-quality.md says what each figure means.
 * A whole run also draws the charts and fills in the figures there.
 *
 * `[TRACE=<file>] npm run bench -- routing-quality [--json <file>] [--quick] [--seed <name>]`
 */
import { readFileSync } from "node:fs"
import * as Scenario from "@guildhall/simulator/Scenario"
import * as Score from "@guildhall/simulator/Score"
import * as Trace from "@guildhall/simulator/Trace"
import type { Options } from "../bench.ts"
import { line, table } from "../Terminal.ts"
import * as Chart from "./RoutingQualityChart.ts"
import * as Page from "./RoutingQualityPage.ts"
import { adjusted, type Entrant, entrants } from "./RoutingEntrants.ts"

type Metrics = Readonly<Record<string, number>>

/** What one policy reached in one market. */
export interface Standing {
  readonly name: string
  readonly score: Score.Score
  readonly regret: number
}

/** What all of them reached, the oracles under each bound of waiting, and the best of these. */
export interface Contest {
  readonly standings: ReadonlyArray<Standing>
  readonly oracles: ReadonlyArray<Score.Score>
  readonly oracle: Score.Score
}

/** The part of its share that a policy sends to each kind of engine gone wrong. */
export interface Faults {
  readonly name: string
  readonly shares: Readonly<Record<keyof typeof Scenario.faultyEngines, number>>
  readonly goodput: number
}

/** Everything that was found out. */
export interface Findings {
  readonly seed: string
  readonly market: Contest
  readonly prefixes: Contest
  readonly faults: ReadonlyArray<Faults>
  readonly curve: ReadonlyArray<Standing>
  readonly elsewhere: ReadonlyArray<{ readonly load: number; readonly market: Contest }>
  readonly fit: Trace.Fit | undefined
  readonly replay: Contest | undefined
}

const contest = (scenario: Scenario.Scenario, policies: ReadonlyArray<Entrant>): Contest => {
  const results = Scenario.oracles(scenario)
  const oracle = Scenario.best(results)?.score
  if (oracle === undefined) throw new Error("No oracle ran. The scenario has no requests.")
  const standings = policies.map(({ name, policy }) => {
    const { score } = Scenario.simulate(scenario, policy)
    return { name, score, regret: Score.regret(score, oracle) }
  })
  return { standings, oracles: results.map(({ score }) => score), oracle }
}

/** What is sent in the minute that begins two seconds after an engine went wrong. */
const AFTER_MS = 2_000
const SPAN_MS = 60_000

const faultsOf = (scenario: Scenario.Scenario, { name, policy }: Entrant): Faults => {
  const { run, score } = Scenario.simulate(scenario, policy)
  const from = Scenario.faultsAtMs + AFTER_MS
  const share = (kind: keyof typeof Scenario.faultyEngines): number =>
    Score.shareSent(run, scenario.pool, Scenario.faultyEngines[kind], from, from + SPAN_MS)
  const shares = { down: share("down"), silent: share("silent"), failing: share("failing"), lying: share("lying") }
  return { name, shares, goodput: score.goodput }
}

const metricsOf = ({ faults, fit, market, prefixes }: Findings): Metrics => {
  const metrics: Record<string, number> = {}
  const add = (name: string, score: Score.Score, regret: number): void => {
    metrics[`${name}_cost`] = score.costPerMillion
    metrics[`${name}_ttft_p50_ms`] = score.firstTokenP50Ms
    metrics[`${name}_ttft_p99_ms`] = score.firstTokenP99Ms
    metrics[`${name}_goodput`] = score.goodput
    metrics[`${name}_fairness`] = score.fairness
    metrics[`${name}_tenant_fairness`] = score.tenantFairness
    metrics[`${name}_regret`] = regret
  }
  add("Oracle", market.oracle, 0)
  metrics["Oracle_hits"] = prefixes.oracle.hits
  for (const { name, regret, score } of market.standings) add(name, score, regret)
  for (const { name, regret, score } of prefixes.standings) {
    metrics[`${name}_hits`] = score.hits
    metrics[`${name}_prefix_ttft_p99_ms`] = score.firstTokenP99Ms
    metrics[`${name}_prefix_regret`] = regret
  }
  for (const { name, shares } of faults) metrics[`${name}_fault_share`] = Math.max(...Object.values(shares))
  if (fit !== undefined) Object.assign(metrics, { fit_input: fit.input, fit_output: fit.output, fit_gap: fit.gap })
  return metrics
}

const show = (title: string, { oracle, standings }: Contest): void => {
  const rows = [...standings].sort((a, b) => a.regret - b.regret)
  line(`\n${title}`)
  line(
    table([
      ["policy", "c/M tokens", "p50 ms", "p99 ms", "goodput %", "hits %", "Jain", "regret %"],
      ...[{ name: "Oracle", score: oracle, regret: 0 }, ...rows].map(({ name, regret, score }) => [
        name,
        score.costPerMillion.toFixed(1),
        score.firstTokenP50Ms.toFixed(0),
        score.firstTokenP99Ms.toFixed(0),
        (100 * score.goodput).toFixed(2),
        (100 * score.hits).toFixed(1),
        score.fairness.toFixed(2),
        (100 * regret).toFixed(1),
      ]),
    ]),
  )
}

const showFaults = (faults: ReadonlyArray<Faults>): void => {
  line("\nOf its share, sent to engines gone wrong (from 2 s after)")
  line(
    table([
      ["policy", "down", "silent", "failing", "lying", "goodput %"],
      ...faults.map(({ goodput, name, shares: { down, failing, lying, silent } }) => [
        name,
        ...[down, silent, failing, lying].map((share) => share.toFixed(2)),
        (100 * goodput).toFixed(2),
      ]),
    ]),
  )
}

/** The trace, where a file is named; one that the generator does not fit is refused. */
const readTrace = (seed: string): { readonly rows: ReadonlyArray<Trace.Row>; readonly fit: Trace.Fit } | undefined => {
  const file = process.env["TRACE"]
  if (file === undefined) return undefined
  const rows = Trace.read(readFileSync(file, "utf8"))
  const fit = Trace.fit(rows, seed)
  const worst = Math.max(fit.input, fit.output, fit.gap)
  if (!(worst <= Trace.distanceMax)) {
    throw new Error(
      `The generator does not fit ${file}: a distance of ${worst.toFixed(3)}, at most ${Trace.distanceMax}. ` +
        "Name the conversation part of the Azure LLM inference trace of 2023.",
    )
  }
  return { rows, fit }
}

/** Runs all markets. A full run also writes its figures into the documentation. */
export const run = async ({ isQuick, progress, seed }: Options): Promise<Metrics> => {
  const trace = readTrace(seed)
  const policies = await entrants()
  const count = isQuick ? 4_000 : 19_366
  progress(`the market: ${policies.length} policies, ${count} requests`)
  const scenario = Scenario.market({ seed, load: LOAD, count })
  const market = contest(scenario, policies)
  show("A market of unequal machines", market)
  progress("what AdjustedPrice makes of other settings")
  const curve = (await adjusted()).map(({ name, policy }) => {
    const { score } = Scenario.simulate(scenario, policy)
    return { name, score, regret: Score.regret(score, market.oracle) }
  })
  progress("other markets")
  const few = policies.filter(({ name }) => ELSEWHERE.includes(name))
  const elsewhere = OTHER_LOADS.map((load, at) => {
    const drawn = Scenario.market({ seed: `${seed} ${at + 2}`, load, count: count / 2 })
    return { load, market: contest(drawn, few) }
  })
  progress("prompts that begin alike")
  const prefixes = contest(Scenario.prefixes({ seed, load: PREFIX_LOAD, count: isQuick ? 4_000 : 16_000 }), policies)
  show("Equal machines with caches; half of all asks for one prefix from the middle on", prefixes)
  progress("engines that go wrong")
  const faulty = Scenario.faulty({ seed })
  const faults = policies.map((entrant) => faultsOf(faulty, entrant))
  showFaults(faults)
  let replay: Contest | undefined
  if (trace !== undefined) {
    progress("the trace itself")
    const requests = (speed: number) => Trace.replay(trace.rows, speed)
    replay = contest(Scenario.market({ seed, load: LOAD, count, requests }), policies)
    show("The trace itself, in the market of unequal machines", replay)
  }
  const findings = { seed, market, prefixes, faults, curve, elsewhere, fit: trace?.fit, replay }
  if (!isQuick) progress(`written: ${[...Chart.write(findings), Page.write(findings)].join(", ")}`)
  return metricsOf(findings)
}

const LOAD = 0.5
/** The loads of markets with other machines and prices, and whose regret is looked at there. */
const OTHER_LOADS = [0.3, 0.4, 0.5, 0.6]
const ELSEWHERE = ["AdjustedPrice", "LowestPrice", "InverseSquarePrice", "LeastLoaded", "PowerOfTwo"]
const PREFIX_LOAD = 0.7
