/** How earnings are shown: sums of days, with what they come to for a million tokens and for the time. */
import * as DateTime from "effect/DateTime"
import type { Instance, InstanceId } from "@guildhall/core/Instance"
import type * as DisplayMoney from "@guildhall/protocol/api/DisplayMoney"
import type { EarningsSum, EarningsView } from "@guildhall/protocol/api/EarningsApi"
import type * as ServedDay from "@guildhall/journal/ServedDay"

const DAY_MS = 86_400_000
const MILLION = 1_000_000n

/** What is needed to show a sum: how amounts are shown, the instances that are listed, and the time. */
export interface Frame {
  readonly money: (amount: bigint) => DisplayMoney.DisplayMoney
  readonly listed: ReadonlyMap<InstanceId, Instance>
  readonly fromDay: number
  readonly nowMs: number
}

/** `2026-11-21` */
const dayText = (day: number): string => DateTime.formatIsoDateUtc(DateTime.makeUnsafe(day * DAY_MS))

/** What one instance could have been busy in some days, in milliseconds times requests: undefined where it is not listed. */
const capacityMs = ({ listed, nowMs }: Frame, id: InstanceId, fromDay: number, toDay: number): number | undefined => {
  const instance = listed.get(id)
  if (instance === undefined) return undefined
  const fromMs = Math.max(fromDay * DAY_MS, Math.min(instance.listedAtMs ?? 0, nowMs))
  const toMs = Math.min((toDay + 1) * DAY_MS, nowMs)
  return Math.max(0, toMs - fromMs) * instance.concurrency
}

const NONE = {
  requests: 0,
  inputTokens: 0,
  outputTokens: 0,
  gross: 0n,
  shared: 0n,
  fromLoss: 0n,
  busyMs: 0,
}
type Sums = typeof NONE

/** Adds days up. */
const sumOf = (days: ReadonlyArray<Sums>): Sums =>
  days.reduce(
    (sum, day) => ({
      requests: sum.requests + day.requests,
      inputTokens: sum.inputTokens + day.inputTokens,
      outputTokens: sum.outputTokens + day.outputTokens,
      gross: sum.gross + day.gross,
      shared: sum.shared + day.shared,
      fromLoss: sum.fromLoss + day.fromLoss,
      busyMs: sum.busyMs + day.busyMs,
    }),
    NONE,
  )

const show = ({ money }: Frame, sums: Sums, capacity: number | undefined): EarningsSum => {
  const { busyMs, fromLoss, gross, inputTokens, outputTokens, requests, shared } = sums
  const tokens = BigInt(inputTokens + outputTokens)
  const net = shared + fromLoss
  return {
    requests,
    inputTokens,
    outputTokens,
    gross: money(gross),
    split: { provider: money(shared), others: money(gross - shared) },
    fromLoss: money(fromLoss),
    net: money(net),
    ratePerMillion: tokens > 0n ? money((net * MILLION) / tokens) : null,
    utilisationBps:
      capacity === undefined ? null : capacity > 0 ? Math.min(10_000, Math.floor((10_000 * busyMs) / capacity)) : 0,
  }
}

/** One day of one instance. */
export const day = (frame: Frame, one: ServedDay.ServedDay): EarningsView["data"][number] => ({
  day: dayText(one.day),
  instance: one.instance,
  device: one.device,
  model: one.model,
  ...show(frame, one, capacityMs(frame, one.instance, one.day, one.day)),
})

/** Every instance over the whole period, those without a request too while they are listed; those that earned most first. */
export const instances = (frame: Frame, days: ReadonlyArray<ServedDay.ServedDay>): EarningsView["instances"] => {
  const served = Map.groupBy(days, ({ instance }) => instance)
  const idle = [...frame.listed.values()].filter(({ id }) => !served.has(id))
  const { fromDay, nowMs } = frame
  const toDay = Math.floor(nowMs / DAY_MS)
  const capacity = (id: InstanceId) => capacityMs(frame, id, fromDay, toDay)
  const shown = [...served].flatMap(([instance, some]) => {
    const [first] = some
    const sums = sumOf(some)
    return first === undefined
      ? []
      : [{ instance, device: first.device, model: first.model, sums, capacity: capacity(instance) }]
  })
  const rest = idle.map(({ deviceId, id, model }) => ({
    instance: id,
    device: deviceId,
    model,
    sums: NONE,
    capacity: capacity(id),
  }))
  return [...shown, ...rest]
    .toSorted((a, b) => {
      const [left, right] = [a.sums.shared + a.sums.fromLoss, b.sums.shared + b.sums.fromLoss]
      return left === right ? (a.instance < b.instance ? -1 : 1) : left < right ? 1 : -1
    })
    .map(({ capacity, sums, ...whose }) => ({ ...whose, ...show(frame, sums, capacity) }))
}

/** All of it. Where an instance has left the market, what it could have done is not known, so how busy all were is not either. */
export const total = (frame: Frame, days: ReadonlyArray<ServedDay.ServedDay>): EarningsSum => {
  const toDay = Math.floor(frame.nowMs / DAY_MS)
  const isWhole = days.every(({ instance }) => frame.listed.has(instance))
  const capacity = [...frame.listed.keys()].reduce(
    (sum, id) => sum + (capacityMs(frame, id, frame.fromDay, toDay) ?? 0),
    0,
  )
  return show(frame, sumOf(days), isWhole && frame.listed.size > 0 ? capacity : undefined)
}
