/**
 * The phases that every server of the gateway's benchmark goes through, and what they measured.
 */
import { type Load, type Outcome, quantile, run as load } from "./Load.ts"
import { cpuUs, rssMb } from "./Machine.ts"
import { chunkCount, models, paceMs } from "./Upstream.ts"

/** Something that answers, and the process whose CPU time counts; the provider itself is not measured. */
export interface Target {
  readonly name: string
  readonly port: number
  readonly apiKey: string
  readonly pid: number | undefined
  readonly headers?: Readonly<Record<string, string>>
  /** Why it cannot stream, if it cannot. */
  readonly noStreams?: string
}

/** What was measured of a target. `streams` is missing where it cannot stream. */
export interface Measured {
  /** As many requests as go through on 64 connections, the provider answering at once. */
  readonly busy: Outcome
  /** One request at a time, the provider answering after 20 ms. */
  readonly calm: Outcome
  /** One request at a time, the provider answering at once. */
  readonly instant: Outcome
  /** 100 streams that are asked for in the same moment. */
  readonly burst: Outcome | undefined
  /** 100 streams side by side, which began one after the other. */
  readonly streams: Outcome | undefined
  /** CPU of the target in microseconds, for each request of the busy phase and each event of the streams. */
  readonly requestUs: number
  readonly chunkUs: number
}

const prompt = "Say a word, and then the same word again, as often as you can. ".repeat(14)
const bodyOf = (model: string, stream: boolean): string =>
  JSON.stringify({
    model,
    messages: [{ role: "user", content: prompt }],
    max_tokens: 100,
    ...(stream ? { stream: true } : {}),
  })

/** Events of a stream for a buyer who did not ask for the usage: the chunks, and `[DONE]`. */
const FRAMES = chunkCount + 1

/** How many events of these streams did not arrive. */
export const framesLost = ({ frames, requests }: Outcome): number => Math.max(0, requests * FRAMES - frames)

type Kind = "instant" | "slow" | "stream"

/** The load on a target, but for how much of it. */
const loadOf = (target: Target, kind: Kind): Omit<Load, "connections"> => ({
  port: target.port,
  apiKey: target.apiKey,
  headers: target.headers,
  body: bodyOf(kind === "slow" ? models.slow : models.instant, kind === "stream"),
})

const withCpu = async (
  pid: number | undefined,
  phase: () => Promise<Outcome>,
): Promise<readonly [outcome: Outcome, us: number]> => {
  const before = pid === undefined ? 0 : cpuUs(pid)
  const outcome = await phase()
  return [outcome, pid === undefined ? 0 : cpuUs(pid) - before]
}

/** How long each phase takes, against its full length, and where to tell of it. */
export interface Pace {
  readonly scale: number
  readonly progress: (text: string) => void
}

/** Warms a target up and measures it. */
export const measure = async (target: Target, { progress, scale }: Pace): Promise<Measured> => {
  const { name, pid } = target
  progress(`${name}: warming up`)
  await load({ ...loadOf(target, "instant"), connections: 32, durationMs: 20_000 * scale })
  progress(`${name}: as many requests as go through`)
  const [busy, busyUs] = await withCpu(pid, () =>
    load({ ...loadOf(target, "instant"), connections: 64, durationMs: 10_000 * scale }),
  )
  progress(`${name}: one request at a time, to a provider that takes 20 ms`)
  const calm = await load({ ...loadOf(target, "slow"), connections: 1, durationMs: 8_000 * scale })
  progress(`${name}: one request at a time, to a provider that answers at once`)
  const instant = await load({ ...loadOf(target, "instant"), connections: 1, durationMs: 4_000 * scale })
  const whole = { busy, calm, instant, requestUs: busyUs / busy.requests }
  if (target.noStreams !== undefined) {
    progress(`${name}: no streams, ${target.noStreams}`)
    return { ...whole, burst: undefined, streams: undefined, chunkUs: Number.NaN }
  }
  progress(`${name}: 100 streams in the same moment`)
  const side = { ...loadOf(target, "stream"), connections: 100 }
  await load({ ...side, requestsEach: 1 })
  const burst = await load({ ...side, requestsEach: 1 })
  const spread = { ...side, spreadMs: chunkCount * paceMs }
  // The compiler is busy with what streams need for some ten seconds, as it was with requests before.
  progress(`${name}: warming up with streams`)
  await load({ ...spread, requestsEach: scale < 1 ? 1 : 10 })
  progress(`${name}: 100 streams side by side, a chunk every ${paceMs} ms`)
  const [streams, streamUs] = await withCpu(pid, () => load({ ...spread, requestsEach: scale < 1 ? 3 : 8 }))
  return { ...whole, burst, streams, chunkUs: streamUs / (streams.requests * (chunkCount + 2)) }
}

/** A stream may take so much longer than from the provider itself. */
const STRETCH_MAX = 1.2
const STEPS = [100, 200, 300, 400, 500, 600, 800, 1_000]

/** How many streams side by side a target serves in time and without a loss; the first step at which it fails ends it. */
export const streamsPerCore = async (target: Target, { progress, scale }: Pace) => {
  const usualMs = (chunkCount - 1) * paceMs
  let most = 0
  let lost = 0
  for (const connections of STEPS) {
    progress(`${target.name}: ${connections} streams side by side`)
    const outcome = await load({
      ...loadOf(target, "stream"),
      connections,
      requestsEach: scale < 1 ? 2 : 4,
    })
    const lengths = outcome.totalMs.map((total, at) => total - (outcome.firstMs[at] ?? 0))
    lost += framesLost(outcome)
    if (framesLost(outcome) > 0 || quantile(lengths, 0.99) > usualMs * STRETCH_MAX) break
    most = connections
  }
  return { most, lost }
}

/** The slope of a line through these points, by least squares. */
const slopeOf = (points: ReadonlyArray<readonly [x: number, y: number]>): number => {
  const mean = (of: (point: readonly [number, number]) => number): number =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length
  const [x, y] = [mean((point) => point[0]), mean((point) => point[1])]
  const spread = points.reduce((sum, point) => sum + (point[0] - x) ** 2, 0)
  return points.reduce((sum, point) => sum + (point[0] - x) * (point[1] - y), 0) / spread
}

/**
 * The most memory a target holds under 100 streams, and by how much that grows in an hour: extrapolated from the second half of
 * the time, since the first is still filling what is kept.
 */
export const memory = async (target: Target, pid: number, durationMs: number) => {
  const began = performance.now()
  const seen: Array<readonly [hours: number, mb: number]> = []
  const watch = setInterval(() => seen.push([(performance.now() - began) / 3_600_000, rssMb(pid)]), 500)
  try {
    const outcome = await load({ ...loadOf(target, "stream"), connections: 100, durationMs })
    const second = seen.slice(Math.floor(seen.length / 2))
    return { mb: Math.max(...seen.map(([, mb]) => mb)), growthMbPerH: slopeOf(second), lost: framesLost(outcome) }
  } finally {
    clearInterval(watch)
  }
}
