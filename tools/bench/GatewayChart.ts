/**
 * The chart of the gateway's benchmark, docs/bench-gateway.svg: CPU time for a request, ours beside the bare proxy's and that of
 * whatever else was measured.
 */
import { writeFileSync } from "node:fs"
import path from "node:path"
import { root } from "../Workspace.ts"

type Metrics = Readonly<Record<string, number>>

interface Bar {
  readonly label: string
  readonly us: number
  readonly note: string
  readonly isOwn: boolean
}

const NAMES: Readonly<Record<string, string>> = {
  nginx: "nginx",
  haproxy: "haproxy",
  fastify: "fastify http-proxy",
  portkey: "Portkey",
}

const count = (value: number): string => Math.round(value).toLocaleString("en-US")

const barsOf = (metrics: Metrics): ReadonlyArray<Bar> => {
  const peers = Object.entries(NAMES).flatMap(([name, label]): ReadonlyArray<Bar> => {
    const us = metrics[`peer_${name}_cpu_us`]
    const note = name === "portkey" ? "no accounts, limits or books" : "passes bytes on"
    return us === undefined ? [] : [{ label, us, note, isOwn: false }]
  })
  const bare = {
    label: "node:http + undici",
    us: metrics["bare_cpu_us"] ?? Number.NaN,
    note: "passes bytes on",
    isOwn: false,
  }
  const own = {
    label: "Guildhall",
    us: metrics["gateway_cpu_us"] ?? Number.NaN,
    note: "keys, limits, hold, routing, charge, receipt",
    isOwn: true,
  }
  return [...peers, bare, own].toSorted((a, b) => a.us - b.us)
}

const width = 820
const left = 170
const right = 150
const top = 84
const step = 34
const barHeight = 20

const style = `
  text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328 }
  .title { font-size: 16px; font-weight: 600 } .small { font-size: 11px; fill: #59636e } .value { font-weight: 600 }
  .back { fill: #ffffff } .own { fill: #2f6f4f } .other { fill: #9aa4ae } .grid { stroke: #d1d9e0 }
  .target { stroke: #1f2328; stroke-width: 2 } .inside { font-size: 11px; fill: #ffffff }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc } .small { fill: #9198a1 } .back { fill: #0d1117 } .grid { stroke: #3d444d }
    .own { fill: #3b8a63 } .other { fill: #656c76 } .target { stroke: #f0f6fc }
  }`

const text = (x: number, y: number, words: string, attributes = ""): string =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${attributes}>${words}</text>`

const line = (kind: string, x: number, from: number, to: number): string =>
  `<line class="${kind}" x1="${x.toFixed(1)}" x2="${x.toFixed(1)}" y1="${from}" y2="${to}"/>`

/** A step of the scale so that there are four to eight of them. */
const tickOf = (highest: number): number =>
  [10, 25, 50, 100, 250, 500, 1_000].find((tick) => highest / tick <= 8) ?? 2_500

const drawBar = ({ isOwn, label, note, us }: Bar, at: number, scale: (us: number) => number): string => {
  const y = top + at * step
  const end = scale(us)
  const isRoomy = end - left > note.length * 6 + 16
  return [
    `<rect class="${isOwn ? "own" : "other"}" x="${left}" y="${y}" width="${(end - left).toFixed(1)}" height="${barHeight}" rx="2"/>`,
    text(left - 10, y + 14, label, `text-anchor="end"`),
    isRoomy ? text(left + 8, y + 13.5, note, `class="inside"`) : "",
    text(end + 8, y + 14, `${count(us)} µs`, `class="value"`),
    isRoomy ? "" : text(end + 66, y + 13.5, note, `class="small"`),
  ].join("")
}

/** Draws the chart. */
const draw = (metrics: Metrics): string => {
  const bars = barsOf(metrics).filter(({ us }) => Number.isFinite(us))
  const target = 4 * (metrics["bare_cpu_us"] ?? Number.NaN)
  const highest = Math.max(target, ...bars.map(({ us }) => us)) * 1.02
  const scale = (us: number): number => left + (us / highest) * (width - left - right)
  const bottom = top + bars.length * step
  const tick = tickOf(highest)
  const ticks = Array.from({ length: Math.floor(highest / tick) + 1 }, (_, at) => at * tick)
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${bottom + 44}" role="img" aria-labelledby="title">`,
    `<title id="title">CPU time of a gateway for one request</title>`,
    `<style>${style}</style>`,
    `<rect class="back" width="${width}" height="${bottom + 44}" rx="6"/>`,
    text(20, 32, "CPU time of a gateway for one request", `class="title"`),
    text(20, 52, "Chat completions of 1 KB, not streamed, on 64 connections; less is better.", `class="small"`),
    ...ticks.map((us) => line("grid", scale(us), top - 10, bottom)),
    ...ticks.map((us) => text(scale(us), bottom + 16, `${count(us)}`, `class="small" text-anchor="middle"`)),
    ...bars.map((bar, at) => drawBar(bar, at, scale)),
    Number.isFinite(target) ? line("target", scale(target), top - 10, bottom) : "",
    Number.isFinite(target)
      ? text(scale(target), top - 16, "four times bare", `class="small" text-anchor="middle"`)
      : "",
    `</svg>\n`,
  ].join("\n")
}

/** Writes the chart into the documentation and answers where. */
export const write = (metrics: Metrics): string => {
  const file = "docs/bench-gateway.svg"
  writeFileSync(path.join(root, file), draw(metrics))
  return file
}
