/**
 * The chart of the ledger's benchmark, docs/bench-ledger.svg: a bar for each load, as a multiple of raw inserts.
 */
import { writeFileSync } from "node:fs"
import path from "node:path"
import { root } from "../Workspace.ts"

interface Bar {
  readonly label: string
  readonly ratio: number
  readonly note: string
  readonly target?: number
  readonly isOther?: boolean
}

type Metrics = Readonly<Record<string, number>>

const ms = (value: number): string => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`
const count = (value: number): string => Math.round(value).toLocaleString("en-US")

const barsOf = (metrics: Metrics): ReadonlyArray<Bar> => {
  const get = (name: string): number => metrics[name] ?? Number.NaN
  const raw = get("raw_per_s")
  const targets: Readonly<Record<number, number>> = { 16: 1.3, 256: 3 }
  const callers = [1, 16, 64, 256, 1_024].map((each) => ({
    label: each === 1 ? "1 caller" : `${count(each)} callers`,
    ratio: get(`ratio_${each}`),
    note: `p50 ${ms(get(`p50_ms_${each}`))}, p99 ${ms(get(`p99_ms_${each}`))}`,
    ...(targets[each] === undefined ? {} : { target: targets[each] }),
  }))
  const others = [
    { label: "pgledger", name: "pgledger_hot_per_s", note: "the same transfers, its best of 16 and 256 callers" },
    { label: "tb-perf, batched", name: "tbperf_batched_per_s", note: "the same transfers, its own batches" },
  ].flatMap(({ label, name, note }) =>
    metrics[name] === undefined ? [] : [{ label, ratio: get(name) / raw, note, isOther: true }],
  )
  return [
    ...callers,
    { label: "256, no shared account", ratio: get("cold_ratio_256"), note: "" },
    {
      label: "256, hold and post",
      ratio: get("hold_post_ratio_256"),
      note: `${count(get("hold_post_pairs_per_s_256"))} requests/s`,
      target: 1.2,
    },
    { label: "2 processes, one book", ratio: get("two_writers_ratio"), note: "256 callers each" },
    ...others,
  ]
}

const width = 820
const left = 190
const right = 60
const top = 92
const step = 34
const barHeight = 20

const style = `
  text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328 }
  .title { font-size: 16px; font-weight: 600 } .small { font-size: 11px; fill: #59636e }
  .value { font-weight: 600 } .value, .small { paint-order: stroke; stroke: #ffffff; stroke-width: 4px }
  .back { fill: #ffffff } .own { fill: #2f6f4f } .other { fill: #9aa4ae }
  .grid { stroke: #d1d9e0 } .raw { stroke: #b35900; stroke-width: 2 } .rawText { fill: #b35900 }
  .target { stroke: #1f2328; stroke-width: 2 } .inside { font-size: 11px; fill: #ffffff }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc } .small { fill: #9198a1 } .value, .small { stroke: #0d1117 } .back { fill: #0d1117 } .grid { stroke: #3d444d }
    .own { fill: #3b8a63 } .other { fill: #656c76 } .raw { stroke: #f0883e } .rawText { fill: #f0883e }
    .target { stroke: #f0f6fc }
  }`

const text = (x: number, y: number, words: string, attributes = ""): string =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${attributes}>${words}</text>`

const line = (kind: string, x: number, from: number, to: number, attributes = ""): string =>
  `<line class="${kind}" x1="${x.toFixed(1)}" x2="${x.toFixed(1)}" y1="${from}" y2="${to}" ${attributes}/>`

type Scale = (ratio: number) => number

const drawBar = ({ isOther, ratio, target }: Bar, at: number, scale: Scale): string => {
  const y = top + at * step
  const length = (scale(ratio) - left).toFixed(1)
  return [
    `<rect class="${isOther === true ? "other" : "own"}" x="${left}" y="${y}" width="${length}" height="${barHeight}" rx="2"/>`,
    target === undefined ? "" : line("target", scale(target), y - 4, y + barHeight + 4),
  ].join("")
}

/** The words of a bar: its name, its value beside its end, and its note inside where there is room. */
const labelBar = ({ label, note, ratio, target }: Bar, at: number, scale: Scale): string => {
  const middle = top + at * step + barHeight / 2 + 4
  const end = scale(ratio)
  const isRoomy = end - left > note.length * 6 + 16
  const mark = target === undefined ? left : scale(target)
  const hidesValue = mark >= end && mark < end + 48
  const valueAt = (hidesValue ? mark : end) + 8
  return [
    text(left - 10, middle, label, `text-anchor="end"`),
    note === "" || !isRoomy ? "" : text(left + 8, middle - 0.5, note, `class="inside"`),
    text(valueAt, middle, ratio.toFixed(2), `class="value"`),
    note === "" || isRoomy ? "" : text(valueAt + 36, middle - 0.5, note, `class="small"`),
  ].join("")
}

/** Draws the chart. */
export const draw = (metrics: Metrics): string => {
  const bars = barsOf(metrics).filter(({ ratio }) => Number.isFinite(ratio))
  const highest = Math.ceil(Math.max(3.5, ...bars.map(({ ratio }) => ratio)) * 2) / 2
  const scale = (ratio: number): number => left + (ratio / highest) * (width - left - right)
  const bottom = top + bars.length * step
  const ticks = Array.from({ length: Math.floor(highest) + 1 }, (_, at) => at)
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${bottom + 44}" role="img" aria-labelledby="title">`,
    `<title id="title">Durable transfers per second of the ledger, as a multiple of raw inserts</title>`,
    `<style>${style}</style>`,
    `<rect class="back" width="${width}" height="${bottom + 44}" rx="6"/>`,
    text(20, 32, "Durable transfers per second, as a multiple of raw inserts", `class="title"`),
    text(
      20,
      52,
      "Charges of three transfers to a provider and two shared accounts; PostgreSQL waits for the disk.",
      `class="small"`,
    ),
    ...ticks.map((tick) => line("grid", scale(tick), top - 10, bottom)),
    ...ticks.map((tick) => text(scale(tick), bottom + 16, String(tick), `class="small" text-anchor="middle"`)),
    ...bars.map((bar, at) => drawBar(bar, at, scale)),
    line("raw", scale(1), top - 10, bottom, `stroke-dasharray="5 4"`),
    ...bars.map((bar, at) => labelBar(bar, at, scale)),
    text(
      scale(1),
      top - 16,
      `1.0 = ${count(metrics["raw_per_s"] ?? Number.NaN)} raw inserts/s`,
      `class="rawText" text-anchor="middle"`,
    ),
    line("target", left, bottom + 26, bottom + 38),
    text(left + 8, bottom + 36, "target", `class="small"`),
    `</svg>\n`,
  ].join("\n")
}

/** Writes the chart into the documentation and answers where. */
export const write = (metrics: Metrics): string => {
  const file = "docs/bench-ledger.svg"
  writeFileSync(path.join(root, file), draw(metrics))
  return file
}
