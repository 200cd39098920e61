/**
 * What instances earned, how they stand to the market's targets, and what would make them earn more; and for anyone, what such
 * devices earn.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import type { DeviceId } from "@guildhall/core/Device"
import type { Instance, InstanceId } from "@guildhall/core/Instance"
import { chargeAssetOf } from "@guildhall/core/MarketDefinition"
import * as Guidance from "@guildhall/core/rules/Guidance"
import * as Target from "@guildhall/core/rules/Target"
import * as ServedDay from "@guildhall/journal/ServedDay"
import { type AccountId, ids } from "@guildhall/ledger/Account"
import { Ledger } from "@guildhall/ledger/Ledger"
import { FUNDING_SOURCE } from "@guildhall/ledger/templates/Claim"
import { Caller } from "@guildhall/protocol/api/Access"
import { ControlApi } from "@guildhall/protocol/api/ControlApi"
import * as DisplayMoney from "@guildhall/protocol/api/DisplayMoney"
import type { EarningsView, GuidanceView, TargetsView } from "@guildhall/protocol/api/EarningsApi"
import { Problem } from "@guildhall/protocol/api/Problem"
import { Devices } from "@guildhall/registry/Devices"
import { GpuId, Gpus } from "@guildhall/registry/Gpus"
import { Router } from "@guildhall/routing/Router"
import { Market } from "../Market.ts"
import * as CallerDevice from "./internal/CallerDevice.ts"
import * as EarningsViews from "./internal/EarningsViews.ts"
import * as Estimates from "./internal/Estimates.ts"
import * as Guides from "./internal/Guides.ts"
import * as Presence from "./internal/Presence.ts"
import * as Problems from "./internal/Problems.ts"
import * as Served from "./internal/Served.ts"
import * as Turns from "./internal/Turns.ts"

const DAY_MS = 86_400_000
const DAYS = 30
const ROWS = 100
/** How far targets look back: as far as the market keeps what it saw. */
const TARGET_DAYS = 14
/** So many instances are shown at most, and so many are advised at once: each costs a look at the requests of two days. */
const SHOWN_MAX = 1_000
const ADVISED_MAX = 8
/** So many questions are answered at a time, one of each member, while so many wait. */
const AT_ONCE = 2
const WAITING = 32

interface Whose {
  readonly instance?: InstanceId | undefined
  readonly device?: DeviceId | undefined
}

/** Whose instances a question is about: the caller's own and, where a device asks, that device's. */
const makeWhose = Effect.gen(function* () {
  const router = yield* Router
  const devices = yield* Devices

  /** The instances on the market. One that is named and not there is the caller's if it may be asked about: see `isKnown`. */
  const listed = Effect.fnUntraced(function* ({ device, instance }: Whose) {
    const { memberId } = yield* Caller
    return router
      .instances()
      .filter(
        (one) =>
          one.memberId === memberId &&
          (instance === undefined || one.id === instance) &&
          (device === undefined || one.deviceId === device),
      )
      .toSorted((a, b) => (a.id < b.id ? -1 : 1))
  })

  /** The same for what is not there and for what is somebody else's. */
  const none = ({ device, instance }: Whose) =>
    Problem.of("not_found", `You have no ${[instance, device].filter((id) => id !== undefined).join(" of ")}.`)

  /** Refuses a question about a device or an instance that is not the caller's. */
  const known = Effect.fnUntraced(function* (whose: Whose, found: number) {
    if (found > 0 || (whose.instance === undefined && whose.device === undefined)) return
    const { memberId } = yield* Caller
    const own = whose.device === undefined ? undefined : yield* devices.find(whose.device)
    if (whose.instance !== undefined || own?.memberId !== memberId) return yield* none(whose)
  })
  return { device: CallerDevice.of, known, listed }
})

const makeMoney = Effect.gen(function* () {
  const { definition } = yield* Market
  const ledger = yield* Ledger
  const asset = chargeAssetOf(definition)
  const money = (amount: bigint) => DisplayMoney.of(amount, asset)

  /** What the caller's accounts say: nothing of this is kept anywhere else. */
  const accounts = Effect.gen(function* () {
    const { memberId } = yield* Caller
    // What the market pays itself, for requests that it lost, waits on an account apart.
    const sources = new Set([...definition.funding, FUNDING_SOURCE])
    const pending = [...sources].map((source) => ids.accrual(source, memberId))
    const payable = definition.payouts.map(({ use }) => ids.payable(use, memberId))
    const owed = [ids.receivable(memberId)]
    const found = yield* ledger.accounts([...pending, ...payable, ...owed])
    const sum = (some: ReadonlyArray<AccountId>) =>
      found.reduce((all, one) => (some.includes(one.id) && one.asset.code === asset.code ? all + one.balance : all), 0n)
    return { pending: money(sum(pending)), payable: money(sum(payable)), owed: money(-sum(owed)) }
  })
  return { accounts, asset, money }
})

interface EarningsQuery extends Whose {
  readonly gpu?: string | undefined
  readonly days?: number | undefined
  readonly limit?: number | undefined
  readonly before?: string | undefined
}

const placeOf = ({ day, instance }: ServedDay.ServedDay): string => `${day}:${instance}`

/** The rows after the one that a page ended with. */
const pageOf = (rows: ReadonlyArray<ServedDay.ServedDay>, { before, limit = ROWS }: EarningsQuery) => {
  const start = before === undefined ? 0 : rows.findIndex((row) => placeOf(row) === before) + 1
  if (before !== undefined && start === 0) return undefined
  const page = rows.slice(start, start + limit)
  const last = page.at(-1)
  return { page, next: last !== undefined && start + limit < rows.length ? placeOf(last) : undefined }
}

const makeEarnings = Effect.gen(function* () {
  const whose = yield* makeWhose
  const served = yield* Served.make
  const { accounts, asset, money } = yield* makeMoney
  const gpus = Option.getOrUndefined(yield* Effect.serviceOption(Gpus))

  /** The device that a GPU of the caller was registered from. */
  const deviceOf = Effect.fnUntraced(function* (gpu: string) {
    const { memberId } = yield* Caller
    const found = yield* gpus === undefined ? Effect.undefined : gpus.find(GpuId.make(gpu))
    if (found === undefined || found.memberId !== memberId) return yield* Problem.of("not_found", `You have no ${gpu}.`)
    if (found.deviceId !== null) return found.deviceId
    const detail = `${gpu} was registered with an API key, and from no device: what it earned cannot be told apart. Ask for a device or an instance.`
    return yield* Problem.of("not_found", detail)
  })

  return Effect.fn("EarningsRoutes.earnings")(function* (query: EarningsQuery) {
    const { memberId } = yield* Caller
    const { days = DAYS, gpu, instance } = query
    const device = yield* whose.device(gpu === undefined ? query.device : yield* deviceOf(gpu))
    const nowMs = yield* Clock.currentTimeMillis
    const toDay = ServedDay.dayAt(nowMs)
    const fromDay = toDay - days + 1
    const all = yield* served({ provider: memberId, fromDay, toDay, instance, device }, (day) => day)
    const rows = all.filter((day) => day.asset === asset.code)
    const listed = yield* whose.listed({ instance, device })
    yield* whose.known({ instance, device }, rows.length + listed.length)
    const found = pageOf(rows, query)
    if (found === undefined) {
      return yield* Problem.of("invalid_request", "`before` is no place in these rows. Take it from the page before.")
    }
    const frame = { money, listed: new Map(listed.map((one) => [one.id, one])), fromDay, nowMs }
    return {
      fromMs: fromDay * DAY_MS,
      toMs: nowMs,
      asset: asset.code,
      total: EarningsViews.total(frame, rows),
      instances: EarningsViews.instances(frame, rows).slice(0, SHOWN_MAX),
      data: found.page.map((one) => EarningsViews.day(frame, one)),
      ...(found.next === undefined ? {} : { next: found.next }),
      ...(yield* accounts),
    } satisfies EarningsView
  })
})

const MEASURED_BY = {
  latency:
    "Receipts: half of the requests that came to the instance first had their first byte within this time, counted from when the gateway admitted them. Reading the prompt is part of it, and so is what the gateway does itself.",
  uptime:
    "The market's own look, about once a minute: online while heartbeats come and the last health check succeeded. Draining, maintenance and outages of the market count neither way.",
} as const

const makeTargets = Effect.gen(function* () {
  const { definition } = yield* Market
  const whose = yield* makeWhose
  const served = yield* Served.make
  const seenFrom = yield* Presence.make
  const targets = definition.targets

  return Effect.fn("EarningsRoutes.targets")(function* ({ device: asked, instance }: Whose) {
    const { memberId } = yield* Caller
    const device = yield* whose.device(asked)
    const toDay = ServedDay.dayAt(yield* Clock.currentTimeMillis)
    const fromDay = toDay - TARGET_DAYS + 1
    const listed = (yield* whose.listed({ instance, device })).slice(0, SHOWN_MAX)
    yield* whose.known({ instance, device }, listed.length)
    const days = yield* served({ provider: memberId, fromDay, toDay, instance, device }, (day) => day)
    const byInstance = Map.groupBy(days, (day) => day.instance)
    const seen = Map.groupBy(
      yield* seenFrom(
        listed.map(({ id }) => id),
        fromDay,
      ),
      ({ instanceId }) => instanceId,
    )
    const data = listed.map(({ deviceId, id, model }) => {
      const firstBytes = ServedDay.sum(byInstance.get(id) ?? [])?.firstBytes ?? []
      const measured = {
        latencyMs: ServedDay.quantileMs(firstBytes, 0.5),
        uptimeBps: Presence.uptimeBps(seen.get(id) ?? []),
      }
      const { latency, uptime } = Target.standing(targets, measured)
      return {
        instance: id,
        device: deviceId,
        model,
        latency: {
          measuredMs: measured.latencyMs ?? null,
          targetMs: targets?.latencyMs ?? null,
          met: latency ?? null,
          requests: firstBytes.reduce((sum, count) => sum + count, 0),
        },
        uptime: {
          measuredBps: measured.uptimeBps ?? null,
          targetBps: targets?.uptimeBps ?? null,
          met: uptime ?? null,
        },
      }
    })
    return {
      targets: targets ?? null,
      windowDays: TARGET_DAYS,
      measuredBy: MEASURED_BY,
      data,
    } satisfies TargetsView
  })
})

const makeGuidance = Effect.gen(function* () {
  const whose = yield* makeWhose
  const advise = yield* Guides.make
  const { money } = yield* makeMoney

  const one = Effect.fnUntraced(function* (instance: Instance) {
    const { fromMs, guidance, toMs } = yield* advise(instance)
    const advice = guidance._tag === "Counting" ? [] : guidance.advice
    return {
      instance: instance.id,
      device: instance.deviceId,
      model: instance.model,
      state: guidance._tag === "Counting" ? ("counting" as const) : ("ready" as const),
      sinceMs: guidance.sinceMs,
      speaksAtMs: guidance.sinceMs + Guidance.WAIT_MS,
      fromMs,
      toMs,
      advice: advice.map(({ code, earnedPerDay, numbers, requestsPerDay, text }) => ({
        code,
        text,
        numbers,
        effect: { requestsPerDay, earnedPerDay: earnedPerDay === undefined ? null : money(earnedPerDay) },
      })),
    }
  })

  return Effect.fn("EarningsRoutes.guidance")(function* ({ device: asked, instance }: Whose) {
    const device = yield* whose.device(asked)
    const listed = yield* whose.listed({ instance, device })
    yield* whose.known({ instance, device }, listed.length)
    if (listed.length > ADVISED_MAX) {
      const detail = `This is about ${listed.length} instances, and ${ADVISED_MAX} are advised at a time. Ask for a device or an instance.`
      return yield* Problem.of("invalid_request", detail)
    }
    return { data: yield* Effect.forEach(listed, one) } satisfies GuidanceView
  })
})

/**
 * The handlers. Uptime is known where a `HealthRecord` is kept, and the definition has a window of health.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  ControlApi,
  "earnings",
  Effect.fnUntraced(function* (handlers) {
    const earnings = yield* makeEarnings
    const targets = yield* makeTargets
    const guidance = yield* makeGuidance
    const estimate = yield* Estimates.make
    const inTurn = yield* Turns.make(AT_ONCE, WAITING)
    const asMember = <A, E, R>(answer: Effect.Effect<A, E, R>) =>
      Effect.flatMap(Caller, ({ memberId }) => inTurn(memberId, answer))

    return handlers.handleAll({
      earnings: ({ query }) => Problems.answer(asMember(earnings(query))),
      targets: ({ query }) => Problems.answer(asMember(targets(query))),
      guidance: ({ query }) => Problems.answer(asMember(guidance(query))),
      estimates: ({ query }) => Problems.answer(estimate(query)),
    })
  }),
)
