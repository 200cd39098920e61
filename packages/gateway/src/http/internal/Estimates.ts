/** What devices of a class earned of late, for anyone: read from the journal now and then, and filtered for each question. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import type { Device, DeviceId } from "@guildhall/core/Device"
import type { InstanceId } from "@guildhall/core/Instance"
import { chargeAssetOf } from "@guildhall/core/MarketDefinition"
import type { MemberId } from "@guildhall/core/Member"
import type { ModelId } from "@guildhall/core/Model"
import * as DeviceClass from "@guildhall/core/rules/DeviceClass"
import * as Estimate from "@guildhall/core/rules/Estimate"
import * as Target from "@guildhall/core/rules/Target"
import * as DisplayMoney from "@guildhall/protocol/api/DisplayMoney"
import type { EstimatesView } from "@guildhall/protocol/api/EarningsApi"
import { Problem } from "@guildhall/protocol/api/Problem"
import { Devices } from "@guildhall/registry/Devices"
import { Market } from "../../Market.ts"
import * as Presence from "./Presence.ts"
import * as Served from "./Served.ts"

/** The last whole days. */
const WINDOW_DAYS = 14
const DAY_MS = 86_400_000
/** What was read serves everybody for so long. */
const FRESH_MS = 300_000
/** The uptimes that the market's figures are shown for: that of the table in docs/earnings.md, and where slashing begins. */
const UPTIMES_BPS = [8_000, 9_000]

const NOT_SEEN = { online: 0, offline: 0 }

/** One instance on one day: what it earned, and how often it was seen to be there. */
interface InstanceDay {
  readonly day: number
  readonly instance: InstanceId
  readonly provider: MemberId
  readonly device: DeviceId
  readonly model: ModelId
  readonly region: string | undefined
  readonly deviceClass: string | undefined
  readonly earned: bigint
  readonly tokens: number
  readonly online: number
  readonly offline: number
}

/** What somebody asks for. */
export interface Asked {
  readonly class?: string | undefined
  readonly model?: ModelId | undefined
  readonly region?: string | undefined
}

const fits = (asked: Asked, one: InstanceDay): boolean =>
  (asked.class === undefined || one.deviceClass === asked.class) &&
  (asked.model === undefined || one.model === asked.model) &&
  (asked.region === undefined || one.region === asked.region)

/** One device on one day, with all its instances that fit. A day on which it was never there does not count. */
const deviceDays = (days: ReadonlyArray<InstanceDay>): ReadonlyArray<Estimate.DeviceDay> => {
  const byDevice = Map.groupBy(days, ({ day, device }) => `${day} ${device}`)
  return [...byDevice.values()].flatMap((some) => {
    const [first] = some
    const sum = (of: (one: InstanceDay) => number) => some.reduce((all, one) => all + of(one), 0)
    const uptimeBps = Target.uptimeBps(
      sum(({ online }) => online),
      sum(({ offline }) => offline),
    )
    const earned = some.reduce((all, one) => all + one.earned, 0n)
    const tokens = sum((one) => one.tokens)
    if (first === undefined || (uptimeBps === 0 && tokens === 0 && earned === 0n)) return []
    return [{ provider: first.provider, device: first.device, day: first.day, earned, tokens, uptimeBps }]
  })
}

const keyOf = (instance: InstanceId, day: number): string => `${day} ${instance}`

const daysFrom = (fromDay: number, toDay: number): ReadonlyArray<number> =>
  Array.from({ length: toDay - fromDay + 1 }, (_, at) => fromDay + at)

/** Reads all days of all instances. One that has left the market has no region any more. */
const makeLoad = Effect.gen(function* () {
  const { definition } = yield* Market
  const devices = yield* Devices
  const served = yield* Served.make
  const seenFrom = yield* Presence.make

  const classesOf = Effect.fnUntraced(function* (providers: ReadonlySet<MemberId>) {
    const owned = yield* Effect.forEach(providers, (member) => devices.devicesOf(member), { concurrency: 4 })
    const of = ({ facts: { hardware } }: Device) =>
      hardware === undefined ? undefined : DeviceClass.classify(hardware, definition.deviceClasses).class?.name
    return new Map(owned.flat().map((device) => [device.id, of(device)] as const))
  })

  return Effect.gen(function* () {
    const today = Math.floor((yield* Clock.currentTimeMillis) / DAY_MS)
    const [fromDay, toDay] = [today - WINDOW_DAYS, today - 1]
    const rows = yield* served({ provider: null, fromDay, toDay }, ({ firstBytes: _firstBytes, ...row }) => row)
    const listed = new Map((yield* devices.instances).map(({ instance }) => [instance.id, instance] as const))
    const seen = new Map((yield* seenFrom(null, fromDay)).map((one) => [keyOf(one.instanceId, one.day), one] as const))
    const providers = [...listed.values()].map(({ memberId }) => memberId)
    const classes = yield* classesOf(new Set([...providers, ...rows.map(({ provider }) => provider)]))
    const sights = (instance: InstanceId, day: number) => {
      const { offline, online } = seen.get(keyOf(instance, day)) ?? NOT_SEEN
      return { offline, online }
    }
    const busy = rows.flatMap((row): ReadonlyArray<InstanceDay> => {
      const { asset, day, device, fromLoss, inputTokens, instance, model, outputTokens, provider, shared } = row
      if (device === null || asset !== definition.chargeAsset) return []
      const region = listed.get(instance)?.region
      const tokens = inputTokens + outputTokens
      const whose = { day, instance, provider, device, model, region, deviceClass: classes.get(device) }
      return [{ ...whose, earned: shared + fromLoss, tokens, ...sights(instance, day) }]
    })
    const isBusy = new Set(busy.map(({ day, instance }) => keyOf(instance, day)))
    const idle = [...listed.values()].flatMap((instance): ReadonlyArray<InstanceDay> => {
      const { deviceId: device, id, memberId: provider, model, region } = instance
      // What was seen says on which days it was there; where nobody looks, since when it is listed does.
      const isThere = (day: number): boolean =>
        seen.size === 0 ? day * DAY_MS >= (instance.listedAtMs ?? 0) : sights(id, day).online > 0
      return daysFrom(fromDay, toDay)
        .filter((day) => !isBusy.has(keyOf(id, day)) && isThere(day))
        .map((day) => {
          const whose = { day, instance: id, provider, device, model, region, deviceClass: classes.get(device) }
          return { ...whose, earned: 0n, tokens: 0, ...sights(id, day) }
        })
    })
    return readingOf([...busy, ...idle])
  })
})

/** All days at one time, and what was answered of them: a question that was asked before costs nothing. */
interface Reading {
  readonly byModel: ReadonlyMap<ModelId, ReadonlyArray<InstanceDay>>
  readonly all: ReadonlyArray<InstanceDay>
  readonly answered: Map<string, Estimate.Estimate>
}

const readingOf = (all: ReadonlyArray<InstanceDay>): Reading => ({
  all,
  byModel: Map.groupBy(all, ({ model }) => model),
  answered: new Map(),
})

/** Answers are kept of what is there alone: the rest could be anything, and costs little. */
const estimateOf = ({ all, answered, byModel }: Reading, asked: Asked): Estimate.Estimate => {
  const key = JSON.stringify([asked.class, asked.model, asked.region])
  const known = answered.get(key)
  if (known !== undefined) return known
  const days = (asked.model === undefined ? all : (byModel.get(asked.model) ?? [])).filter((one) => fits(asked, one))
  const estimate = Estimate.of(deviceDays(days), Estimate.usual)
  if (days.length > 0) answered.set(key, estimate)
  return estimate
}

/** Reads anew once what was read is old; a reading that failed is not kept. One reads at a time, and the others wait for it. */
const makeReading = Effect.gen(function* () {
  const load = yield* makeLoad
  const lock = yield* Semaphore.make(1)
  let last: { readonly reading: Reading; readonly untilMs: number } | undefined
  return lock.withPermits(1)(
    Effect.gen(function* () {
      const nowMs = yield* Clock.currentTimeMillis
      if (last !== undefined && nowMs < last.untilMs) return last.reading
      const reading = yield* load
      last = { reading, untilMs: nowMs + FRESH_MS }
      return reading
    }),
  )
})

const SAID = [
  "The figures are of whole days of UTC on which a device was on the market, those without a request among them.",
  "They are what providers earned by receipts, before power, taxes and the fees of a payout.",
  "Of a device that serves several models, what the asked one earned counts; a device that has left the market counts where no region is asked for.",
  "Other uptimes are scaled as if earnings grew with the time online, and to slashing, which begins below 90 % where a market slashes, they pay no heed.",
  "Amounts have two significant digits.",
] as const

const WHY = {
  providers: (needed: number) =>
    `Fewer than ${needed} providers had such devices on the market in these days. A figure would tell each of them what the others earn.`,
  share: () =>
    "One provider had more than half of such devices and days. A figure would tell everybody what that one earns.",
} as const

/** Makes the answer to a question. Everybody's rests on one reading, a few minutes old at most. */
export const make = Effect.gen(function* () {
  const { definition } = yield* Market
  const reading = yield* makeReading
  const asset = chargeAssetOf(definition)
  const money = (amount: bigint) => DisplayMoney.of(amount, asset)
  const range = ({ high, low, median }: Estimate.Range) => ({
    low: money(low),
    median: money(median),
    high: money(high),
  })
  const classes = definition.deviceClasses.map(({ name }) => name)
  const providerShareBps = definition.split.shares.find(({ party }) => party === "provider")?.bps ?? 0

  return Effect.fn("Estimates.answer")(function* (asked: Asked) {
    if (asked.class !== undefined && !classes.includes(asked.class)) {
      const detail = `There is no class "${asked.class}" here. The classes are ${classes.join(", ")}.`
      return yield* Problem.of("invalid_request", detail)
    }
    const estimate = estimateOf(yield* reading, asked)
    const frame = {
      class: asked.class ?? null,
      model: asked.model ?? null,
      region: asked.region ?? null,
      windowDays: WINDOW_DAYS,
      providersNeeded: Estimate.usual.providersMin,
    }
    const assumptions = (uptimeBps: number | null) => ({
      uptimeBps,
      tierFactorBps: 10_000,
      providerShareBps,
      prices: definition.prices,
      said: [...SAID],
    })
    if (estimate._tag === "TooFew") {
      const reason = WHY[estimate.why](frame.providersNeeded)
      return {
        state: "too_few",
        reason,
        ...frame,
        atUptime: [],
        assumptions: assumptions(null),
      } satisfies EstimatesView
    }
    const { deviceDays: count, devices, perMillion, range: perDay, uptimeBps } = estimate
    return {
      state: "known",
      ...frame,
      perDeviceDay: range(perDay),
      atUptime: UPTIMES_BPS.flatMap((bps) => {
        const scaled = Estimate.atUptime(perDay, uptimeBps, bps)
        return scaled === undefined ? [] : [{ uptimeBps: bps, perDeviceDay: range(scaled) }]
      }),
      ...(perMillion === undefined ? {} : { perMillionTokens: money(perMillion) }),
      devices,
      deviceDays: count,
      assumptions: assumptions(uptimeBps ?? null),
    } satisfies EstimatesView
  })
})
