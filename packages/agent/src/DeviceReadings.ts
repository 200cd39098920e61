/**
 * How this machine is doing, for its beats: looked at beside them, once for all instances, within bounds of time, so that a
 * driver that hangs delays no beat.
 *
 * @since 0.1.0
 */
import * as Os from "node:os"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import type { DeviceStatus } from "@guildhall/core/Device"
import type { Gauges } from "./detect/Gauges.ts"
import { Host } from "./detect/Host.ts"
import * as NvidiaSmi from "./detect/NvidiaSmi.ts"
import * as RocmSmi from "./detect/RocmSmi.ts"
import type { ToolError } from "./detect/Tool.ts"

/**
 * What was read last: nothing where nothing is known, or where it is old. `driver` is the version of the GPU's driver.
 *
 * @category models
 * @since 0.1.0
 */
export interface Readings extends Pick<DeviceStatus, "loadPercent" | "temperatureCelsius" | "vramUsedMib"> {
  readonly driver?: string
}

/**
 * The readings. `latest` answers at once with what the last look found.
 *
 * @category services
 * @since 0.1.0
 */
export class DeviceReadings extends Context.Service<DeviceReadings, { readonly latest: Effect.Effect<Readings> }>()(
  "@guildhall/agent/DeviceReadings",
) {}

/** Twice in a beat of the usual interval. */
const EVERY_MS = 30_000
/** What is older is not how the machine is doing now. */
const FRESH_MS = 120_000
/** A tool that is not there, or does not answer, is left alone for so long. */
const LEFT_ALONE_MS = 600_000

/**
 * The processors' times since the machine began, in any unit.
 *
 * @category models
 * @since 0.1.0
 */
export interface CpuTimes {
  readonly busy: number
  readonly idle: number
}

const cpuTimes = (): CpuTimes => {
  const times = { busy: 0, idle: 0 }
  for (const { times: one } of Os.cpus()) {
    times.idle += one.idle
    times.busy += one.user + one.nice + one.sys + one.irq
  }
  return times
}

/**
 * The part of the time between two looks in which the processors were busy, in percent. Nothing where no time has passed.
 *
 * **Example** (A quarter)
 *
 * ```ts
 * import { DeviceReadings } from "@guildhall/agent"
 *
 * DeviceReadings.cpuLoad({ busy: 100, idle: 900 }, { busy: 125, idle: 975 }) // => 25
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const cpuLoad = (before: CpuTimes, now: CpuTimes): number | undefined => {
  const busy = now.busy - before.busy
  const all = busy + now.idle - before.idle
  return all > 0 && busy >= 0 ? Math.min(100, Math.round((busy / all) * 100)) : undefined
}

/** A tool with which a look may begin. */
interface Source {
  readonly look: Effect.Effect<Gauges, ToolError, ChildProcessSpawner>
  /** Not asked before this time. */
  notBeforeMs: number
}

const sourcesOf = (platform: string): ReadonlyArray<Source> => [
  ...(platform === "darwin" ? [] : [{ look: NvidiaSmi.gauges, notBeforeMs: 0 }]),
  ...(platform === "linux" ? [{ look: RocmSmi.gauges, notBeforeMs: 0 }] : []),
]

/** What the first tool says that says anything. */
const lookAt = Effect.fnUntraced(function* (sources: ReadonlyArray<Source>) {
  for (const source of sources) {
    const nowMs = yield* Clock.currentTimeMillis
    if (nowMs < source.notBeforeMs) continue
    const gauges = yield* Effect.result(source.look)
    if (Result.isSuccess(gauges)) return gauges.success
    source.notBeforeMs = nowMs + LEFT_ALONE_MS
  }
  return undefined
})

/**
 * Begins to look, twice a minute for as long as the scope is open. The load is that of the GPU, or of the processors where no
 * tool tells of one.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function* () {
  const { platform } = yield* Host
  const sources = sourcesOf(platform)
  let times = cpuTimes()
  let read: { readonly atMs: number; readonly readings: Readings } | undefined

  const look = Effect.gen(function* () {
    const gauges = yield* lookAt(sources)
    const now = cpuTimes()
    const loadPercent = gauges?.loadPercent ?? cpuLoad(times, now)
    times = now
    const readings = { ...gauges, ...(loadPercent === undefined ? {} : { loadPercent }) }
    read = { atMs: yield* Clock.currentTimeMillis, readings }
  })
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(look, Effect.sleep(EVERY_MS))))

  return DeviceReadings.of({
    latest: Effect.map(Clock.currentTimeMillis, (nowMs) =>
      read === undefined || nowMs - read.atMs > FRESH_MS ? {} : read.readings,
    ),
  })
})

/**
 * The readings as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<DeviceReadings, never, ChildProcessSpawner> = Layer.effect(DeviceReadings, make)
