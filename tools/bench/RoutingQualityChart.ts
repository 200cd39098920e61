/**
 * The charts of the routing-quality benchmark: docs/bench-routing-cost.svg and docs/bench-routing-hits.svg with a bar for each
 * policy, and docs/bench-routing-curve.svg with the cost of each against its slowest first tokens.
 */
import { writeFileSync } from "node:fs"
import path from "node:path"
import type * as Score from "@guildhall/simulator/Score"
import { root } from "../Workspace.ts"
import type { Contest, Findings } from "./routing-quality.ts"
import { isOther } from "./RoutingEntrants.ts"

const width = 820

const style = `
  text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328 }
  .title { font-size: 16px; font-weight: 600 } .small { font-size: 11px; fill: #59636e } .value { font-weight: 600 }
  .back { fill: #ffffff } .own { fill: #2f6f4f } .other { fill: #9aa4ae } .oracle { fill: #b08800 } .grid { stroke: #d1d9e0 }
  .line { fill: none; stroke: #2f6f4f; stroke-width: 2 } .bound { fill: none; stroke: #b08800; stroke-width: 2 }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc } .small { fill: #9198a1 } .back { fill: #0d1117 } .grid { stroke: #3d444d }
    .own { fill: #3b8a63 } .other { fill: #656c76 } .oracle { fill: #d4a72c } .line { stroke: #3b8a63 } .bound { stroke: #d4a72c }
  }`

const text = (x: number, y: number, words: string, attributes = ""): string =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${attributes}>${words}</text>`

const frame = (height: number, title: string, subtitle: string, inside: ReadonlyArray<string>): string =>
  [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="title">`,
    `<title id="title">${title}</title>`,
    `<style>${style}</style>`,
    `<rect class="back" width="${width}" height="${height}" rx="6"/>`,
    text(20, 32, title, `class="title"`),
    text(20, 52, subtitle, `class="small"`),
    ...inside,
    `</svg>\n`,
  ].join("\n")

interface Bar {
  readonly label: string
  readonly value: number
  readonly words: string
  readonly note: string
}

const kindOf = (label: string): string => (label === "Oracle" ? "oracle" : isOther(label) ? "other" : "own")

const bars = (title: string, subtitle: string, rows: ReadonlyArray<Bar>): string => {
  const [left, right, top, step] = [170, 210, 76, 28]
  const most = Math.max(...rows.map(({ value }) => value))
  const drawn = rows.map(({ label, note, value, words }, at) => {
    const y = top + at * step
    const long = (value / most) * (width - left - right)
    return [
      `<rect class="${kindOf(label)}" x="${left}" y="${y}" width="${long.toFixed(1)}" height="18" rx="2"/>`,
      text(left - 10, y + 13, label, `text-anchor="end"`),
      text(left + long + 8, y + 13, words, `class="value"`),
      text(left + long + 64, y + 13, note, `class="small"`),
    ].join("")
  })
  return frame(top + rows.length * step + 16, title, subtitle, drawn)
}

const withOracle = ({ oracle, standings }: Contest): Contest["standings"] => [
  { name: "Oracle", score: oracle, regret: 0 },
  ...standings,
]

const cost = ({ market }: Findings): string =>
  bars(
    "What a million tokens of answers cost, simulated",
    "Cents; twelve unequal machines at half load. Beside it the 99th percentile of the time to the first token.",
    withOracle(market)
      .toSorted((a, b) => a.score.costPerMillion - b.score.costPerMillion)
      .map(({ name, score }) => ({
        label: name,
        value: score.costPerMillion,
        words: score.costPerMillion.toFixed(1),
        note: `p99 ${score.firstTokenP99Ms.toFixed(0)} ms`,
      })),
  )

const hits = ({ prefixes }: Findings): string =>
  bars(
    "How much of shared beginnings caches held, simulated",
    "Percent of tokens; twelve equal machines, 150 prefixes; half of all asks for one prefix from the middle on.",
    withOracle(prefixes)
      .toSorted((a, b) => b.score.hits - a.score.hits)
      .map(({ name, score }) => ({
        label: name,
        value: score.hits,
        words: `${(100 * score.hits).toFixed(1)} %`,
        note: `p99 ${score.firstTokenP99Ms.toFixed(0)} ms`,
      })),
  )

/** Those that no other beats in both, from the fastest to the cheapest. */
export const frontier = <A extends { readonly score: Score.Score }>(all: ReadonlyArray<A>): ReadonlyArray<A> => {
  let least = Number.POSITIVE_INFINITY
  return all
    .toSorted((a, b) => a.score.firstTokenP99Ms - b.score.firstTokenP99Ms)
    .filter(({ score }) => {
      if (score.costPerMillion >= least) return false
      least = score.costPerMillion
      return true
    })
}

interface Dot {
  readonly name: string
  readonly cx: number
  readonly cy: number
}

/** Beside its dot, where no other label or dot is: to the right, to the left, or a little above or below. */
const labelled = (dots: ReadonlyArray<Dot>): ReadonlyArray<string> => {
  const [high, letter] = [11, 6.8]
  const taken = dots.map(({ cx, cy }) => ({ from: cx - 5, to: cx + 5, y: cy }))
  return dots.map(({ cx, cy, name }) => {
    const long = name.length * letter
    const places = [0, -12, 12, -24, 24].flatMap((by) => [
      { from: cx + 9, to: cx + 9 + long, y: cy + by },
      { from: cx - 9 - long, to: cx - 9, y: cy + by },
    ])
    const isFree = (place: (typeof places)[number]): boolean =>
      taken.every(({ from, to, y }) => place.to < from || place.from > to || Math.abs(place.y - y) >= high)
    const place = places.find(isFree) ?? { from: cx + 9, to: cx + 9 + long, y: cy }
    taken.push(place)
    const dot = `<circle class="${kindOf(name)}" cx="${cx.toFixed(1)}" cy="${cy.toFixed(1)}" r="5"/>`
    return `${dot}${text(place.from, place.y + 4, name, `class="small"`)}`
  })
}

const ACROSS = "Across: the 99th percentile of the time to the first token. Up: cents for a million tokens."
const LINES = "Green line: AdjustedPrice with other settings. Gold line: the oracle, by how long it lets requests wait."

const curve = ({ curve: settings, market }: Findings): string => {
  const [left, right, top, bottom, height] = [60, 110, 84, 420, 486]
  const oracles = frontier(market.oracles.map((score) => ({ score })))
  const points = [...settings, ...market.standings, ...oracles].map(({ score }) => score)
  const span = (values: ReadonlyArray<number>): readonly [number, number] => [
    Math.min(...values) * 0.95,
    Math.max(...values) * 1.05,
  ]
  const [least, most] = span(points.map(({ firstTokenP99Ms }) => firstTokenP99Ms))
  const [cheapest, dearest] = span(points.map(({ costPerMillion }) => costPerMillion))
  const x = (ms: number): number => left + (Math.log(ms / least) / Math.log(most / least)) * (width - left - right)
  const y = (cents: number): number => bottom - ((cents - cheapest) / (dearest - cheapest)) * (bottom - top)
  const at = ({ costPerMillion, firstTokenP99Ms }: Score.Score) => [x(firstTokenP99Ms), y(costPerMillion)] as const
  const path = (kind: string, scores: ReadonlyArray<Score.Score>): string =>
    `<polyline class="${kind}" points="${scores
      .map((each) =>
        at(each)
          .map((one) => one.toFixed(1))
          .join(","),
      )
      .join(" ")}"/>`
  const ticksOf = (from: number, to: number, each: number): ReadonlyArray<number> =>
    Array.from(
      { length: Math.floor(to / each) - Math.ceil(from / each) + 1 },
      (_, n) => (Math.ceil(from / each) + n) * each,
    )
  const dots = labelled(
    market.standings.map(({ name, score }) => {
      const [cx, cy] = at(score)
      return { name, cx, cy }
    }),
  )
  return frame(
    height,
    "What a faster first token costs, simulated",
    "Down and left is better. Each dot is a policy with its usual settings.",
    [
      ...[500, 700, 1_000, 1_400, 2_000, 3_000, 4_000]
        .filter((ms) => ms > least && ms < most)
        .map(
          (ms) =>
            `<line class="grid" x1="${x(ms)}" x2="${x(ms)}" y1="${top}" y2="${bottom}"/>${text(x(ms), bottom + 18, `${ms} ms`, `class="small" text-anchor="middle"`)}`,
        ),
      ...ticksOf(cheapest, dearest, 20).map(
        (cents) =>
          `<line class="grid" x1="${left}" x2="${width - right}" y1="${y(cents).toFixed(1)}" y2="${y(cents).toFixed(1)}"/>${text(left - 8, y(cents) + 4, `${cents} c`, `class="small" text-anchor="end"`)}`,
      ),
      path(
        "bound",
        oracles.map(({ score }) => score),
      ),
      path(
        "line",
        frontier(settings).map(({ score }) => score),
      ),
      ...dots,
      text(left, height - 28, ACROSS, `class="small"`),
      text(left, height - 12, LINES, `class="small"`),
    ],
  )
}

/** Writes the charts into the documentation and answers where. */
export const write = (findings: Findings): ReadonlyArray<string> => {
  const charts = { cost: cost(findings), curve: curve(findings), hits: hits(findings) }
  return Object.entries(charts).map(([name, drawn]) => {
    const file = `docs/bench-routing-${name}.svg`
    writeFileSync(path.join(root, file), drawn)
    return file
  })
}
