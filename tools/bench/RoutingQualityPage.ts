/**
 * The figures in docs/routing-quality.md: the tables between their two marks, from what was simulated.
 */
import * as FiguresPage from "./FiguresPage.ts"
import type { Contest, Findings, Standing } from "./routing-quality.ts"
import { frontier } from "./RoutingQualityChart.ts"

const fixed = (value: number, digits: number): string => (Number.isFinite(value) ? value.toFixed(digits) : "")
const percent = (part: number, digits = 1): string => fixed(100 * part, digits)

const rowOf = ({ name, regret, score }: Standing): ReadonlyArray<string> => [
  name,
  fixed(score.costPerMillion, 1),
  fixed(score.firstTokenP50Ms, 0),
  fixed(score.firstTokenP99Ms, 0),
  percent(score.goodput, 2),
  fixed(score.fairness, 2),
  fixed(score.tenantFairness, 3),
  percent(regret),
]

const ranked = ({ oracle, standings }: Contest): ReadonlyArray<Standing> => [
  { name: "Oracle", score: oracle, regret: 0 },
  ...standings.toSorted((a, b) => a.regret - b.regret),
]

const market = (title: string, contest: Contest): string =>
  FiguresPage.table(
    [
      title,
      "cents/M tokens",
      "TTFT p50 ms",
      "TTFT p99 ms",
      "goodput %",
      "Jain, providers",
      "Jain, tenants",
      "regret %",
    ],
    ranked(contest).map(rowOf),
  )

const prefixes = (contest: Contest): string =>
  FiguresPage.table(
    ["Prompts that begin alike", "hits %", "of the oracle's %", "TTFT p99 ms", "goodput %", "regret %"],
    ranked(contest).map(({ name, regret, score }) => [
      name,
      percent(score.hits),
      percent(score.hits / contest.oracle.hits),
      fixed(score.firstTokenP99Ms, 0),
      percent(score.goodput, 2),
      percent(regret),
    ]),
  )

const faults = (findings: Findings): string =>
  FiguresPage.table(
    ["Sent to engines gone wrong", "down", "silent", "failing", "lying", "goodput %"],
    findings.faults.map(({ goodput, name, shares: { down, failing, lying, silent } }) => [
      name,
      ...[down, silent, failing, lying].map((share) => fixed(share, 2)),
      percent(goodput, 2),
    ]),
  )

const RIVALS = ["InverseSquarePrice", "LeastLoaded", "LatencyEwma", "PowerOfTwo", "PeakEwma", "LeastConnections"]

/** Against each rival: what `AdjustedPrice` costs with those of its settings that are no slower. */
const rivals = ({ curve, market: { standings } }: Findings): string => {
  const own = [...curve, ...standings.filter(({ name }) => name === "AdjustedPrice")]
  const rows = RIVALS.flatMap((rival) => {
    const other = standings.find(({ name }) => name === rival)
    if (other === undefined) return []
    const best = own
      .filter(({ score }) => score.firstTokenP99Ms <= other.score.firstTokenP99Ms)
      .toSorted((a, b) => a.score.costPerMillion - b.score.costPerMillion)[0]
    const { costPerMillion, firstTokenP99Ms } = other.score
    const saved = best === undefined ? Number.NaN : 1 - best.score.costPerMillion / costPerMillion
    return [
      [
        rival,
        fixed(firstTokenP99Ms, 0),
        fixed(costPerMillion, 1),
        best === undefined ? "none is as fast" : fixed(best.score.costPerMillion, 1),
        percent(saved),
        best?.name ?? "",
      ],
    ]
  })
  return FiguresPage.table(
    ["At the rival's p99", "TTFT p99 ms", "its cents", "AdjustedPrice's cents", "saved %", "with"],
    rows,
  )
}

const settings = ({ curve }: Findings): string =>
  FiguresPage.table(
    ["AdjustedPrice, settings that no other beats", "cents/M tokens", "TTFT p99 ms", "goodput %", "regret %"],
    frontier(curve).map(({ name, regret, score }) => [
      name,
      fixed(score.costPerMillion, 1),
      fixed(score.firstTokenP99Ms, 0),
      percent(score.goodput, 2),
      percent(regret),
    ]),
  )

const elsewhere = ({ elsewhere }: Findings): string => {
  const names = elsewhere[0]?.market.standings.map(({ name }) => name) ?? []
  return FiguresPage.table(
    ["Regret % in other markets, by load", ...elsewhere.map(({ load }) => percent(load, 0))],
    names.map((name) => [
      name,
      ...elsewhere.map((each) =>
        percent(each.market.standings.find((standing) => standing.name === name)?.regret ?? Number.NaN),
      ),
    ]),
  )
}

/** Writes the figures into the page and answers where. */
export const write = (findings: Findings): string => {
  const page = "docs/routing-quality.md"
  const { fit, replay } = findings
  const where = `Simulated, with the seed \`${findings.seed}\`. Nothing here was measured on a machine that serves a model.`
  const trace =
    fit === undefined || replay === undefined
      ? []
      : [
          `The trace itself, replayed. The generator's distance from it (Kolmogorov and Smirnov): prompts ${fixed(fit.input, 3)}, ` +
            `answers ${fixed(fit.output, 3)}, times between requests ${fixed(fit.gap, 3)}.`,
          market("The trace itself", replay),
        ]
  FiguresPage.write(page, [
    where,
    market("Unequal machines", findings.market),
    rivals(findings),
    settings(findings),
    elsewhere(findings),
    prefixes(findings.prefixes),
    faults(findings),
    ...trace,
  ])
  return page
}
