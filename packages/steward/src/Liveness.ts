/**
 * Who is there: an instance is online while its device beats and its health check succeeds. What a device says of itself
 * (`draining`) is not overridden, and an instance comes back by itself. Of those that were online as the market stopped, the time
 * that it was away does not count as silence: they serve on once it is back, while they answer its checks.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import { type Instance, type InstanceId, type InstanceState, isAttested } from "@guildhall/core/Instance"
import * as Maintenance from "@guildhall/core/Maintenance"
import type { MarketDefinition } from "@guildhall/core/MarketDefinition"
import { ProviderTransport } from "@guildhall/protocol/ProviderTransport"
import { CloudAccounts } from "@guildhall/registry/CloudAccounts"
import { Devices, type ListedInstance } from "@guildhall/registry/Devices"
import { Router } from "@guildhall/routing/Router"
import * as HealthChecks from "./HealthChecks.ts"
import * as Warn from "./internal/Warn.ts"
import * as Loop from "./Loop.ts"

/**
 * What the rule knows of an instance. Times are milliseconds since 1970; `check` is the last health check, if any;
 * `isDraining` says that the device has said so since and not taken it back. `lastBeatAtMs` is undefined where nobody beats,
 * and checks are all there is. `isParked` says that it is an account in a cloud which is left alone for now, and `isMaintained`
 * that its provider has announced maintenance for now.
 *
 * @category models
 * @since 0.1.0
 */
export interface Signs {
  readonly isDraining: boolean
  readonly lastBeatAtMs: number | undefined
  readonly check: HealthChecks.Check | undefined
  readonly isParked?: boolean | undefined
  readonly isMaintained?: boolean | undefined
  readonly nowMs: number
}

/** Whether more than `missesMax` beats are missing. */
const isSilent = (lastBeatAtMs: number | undefined, nowMs: number, heartbeat: MarketDefinition["heartbeat"]): boolean =>
  lastBeatAtMs !== undefined && nowMs - lastBeatAtMs > heartbeat.intervalMs * heartbeat.missesMax

/**
 * When an instance last beat. Without a device key nobody can sign a beat for it; one that the market can call is known by
 * its checks alone then, and never silent.
 *
 * @category rules
 * @since 0.1.0
 */
export const beatOf = ({ instance, lastBeatAtMs }: ListedInstance): number | undefined => {
  const isCalled = instance.reach._tag === "Cloud" || instance.reach._tag === "Endpoint"
  return isCalled && !isAttested(instance) ? undefined : lastBeatAtMs
}

/**
 * The state that an instance should have. Under maintenance it is nothing else. It is offline when it was silent for more than `missesMax` intervals, when
 * its last check failed, or while its account is left alone; else it is what its device says.
 *
 * **Example** (A silent instance)
 *
 * ```ts
 * import { Liveness } from "@guildhall/steward"
 *
 * const heartbeat = { intervalMs: 60_000, missesMax: 2, checkMs: 60_000 }
 * const signs = { isDraining: false, lastBeatAtMs: 0, check: undefined, nowMs: 120_001 }
 * Liveness.judge(signs, heartbeat) // => "offline"
 * Liveness.judge({ ...signs, nowMs: 60_000 }, heartbeat) // => "online"
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const judge = (signs: Signs, heartbeat: MarketDefinition["heartbeat"]): InstanceState => {
  const { check, isDraining, isMaintained, isParked, lastBeatAtMs, nowMs } = signs
  if (isMaintained === true) return "maintenance"
  if (isParked === true || isSilent(lastBeatAtMs, nowMs, heartbeat) || check?.succeeded === false) return "offline"
  return isDraining ? "draining" : "online"
}

/** So long one that nobody calls may take, once it is listed, until its tunnel stands or it asks for the first time. */
const JOIN_MS = 5_000

/** Whether it is on its way in: a check would only say that it is not there yet, and put it offline as it comes. */
const isJoining = ({ instance: { reach }, registeredAtMs }: ListedInstance, nowMs: number): boolean =>
  (reach._tag === "Tunnel" || reach._tag === "Pull") && nowMs >= registeredAtMs && nowMs - registeredAtMs < JOIN_MS

/**
 * Whether an instance should be checked now. A silent one is not: it is offline already, and is asked again once it
 * beats; nor is one whose account is left alone, or which is under maintenance. One whose last check failed is asked in every round, so that it is back soon.
 *
 * @category rules
 * @since 0.1.0
 */
export const isDue = (signs: Omit<Signs, "isDraining">, heartbeat: MarketDefinition["heartbeat"]): boolean => {
  const { check, isMaintained, isParked, lastBeatAtMs, nowMs } = signs
  if (isMaintained === true || isParked === true || isSilent(lastBeatAtMs, nowMs, heartbeat)) return false
  return check === undefined || !check.succeeded || nowMs - check.atMs >= heartbeat.checkMs
}

const changes = Metric.counter("guildhall_instance_state_changes", {
  description: "Changes of instances' states by the steward, by the new state.",
})

/** Of an instance that comes and goes, its member is told so often at most. */
const WARN_EVERY_MS = 3_600_000

/** What a member is told of an instance that was taken out of routing: why, and what brings it back. */
const warningOf = ({ id, model }: Instance, signs: Signs, heartbeat: MarketDefinition["heartbeat"]) => {
  const { check, isParked, lastBeatAtMs, nowMs } = signs
  const why =
    isParked === true
      ? "The service behind its account has refused calls, and is left alone for a while."
      : isSilent(lastBeatAtMs, nowMs, heartbeat)
        ? `Its last heartbeat came ${Math.round((nowMs - (lastBeatAtMs ?? nowMs)) / 1000)} s ago. See that its agent runs and reaches the market.`
        : check?.succeeded === false
          ? "It did not pass the last health check. Run `guildhall-agent doctor` where it runs."
          : "Its device is not there."
  const detail = `${id} (${model}) is offline and gets no requests. ${why} It is back by itself once that is mended.`
  return { topic: "offline" as const, code: "offline" as const, detail }
}

const addressOf = (reach: Instance["reach"]): string =>
  reach._tag === "Endpoint" ? reach.url : reach._tag === "Cloud" ? reach.account : reach._tag

const NONE: ReadonlySet<string> = new Set()

/** What a gateway remembers of instances between two rounds. */
class Memory {
  readonly #checks = new Map<InstanceId, { readonly at: string; readonly check: HealthChecks.Check }>()
  /** The beat with which a device said that it drains: a check that fails must not make us forget it. */
  readonly #drainingSinceMs = new Map<InstanceId, number>()
  /** Since when this gateway hears who beats, and when it last looked. */
  #hearsSinceMs: number
  #lookedAtMs: number
  /** Who was taken out of routing, and not warned of it yet. */
  readonly fallen = new Set<InstanceId>()

  constructor(nowMs: number) {
    this.#hearsSinceMs = nowMs
    this.#lookedAtMs = nowMs
  }

  /**
   * Nobody was heard by a process that did not run, or had no registry: it hears from now on. Half of what makes an instance silent is
   * the most that could pass without anybody being taken for it, so a process that is only slow goes on hearing.
   */
  look(nowMs: number, { intervalMs, missesMax }: MarketDefinition["heartbeat"]): void {
    if (nowMs - this.#lookedAtMs > (intervalMs * missesMax) / 2) this.#hearsSinceMs = nowMs
    this.#lookedAtMs = nowMs
  }

  /** Whether whoever has not beaten since this gateway hears is silent by now. */
  hasHeard(nowMs: number, heartbeat: MarketDefinition["heartbeat"]): boolean {
    return isSilent(this.#hearsSinceMs, nowMs, heartbeat)
  }

  /**
   * Since when an instance is silent. Of one that was there as the market went away, the time that the market was away itself
   * does not count: it would be out of routing just when everybody comes back. One that was not there has to beat first.
   */
  silentSinceMs(listed: ListedInstance): number | undefined {
    const lastBeatAtMs = beatOf(listed)
    const isThere = listed.instance.state !== "offline"
    return lastBeatAtMs !== undefined && isThere ? Math.max(lastBeatAtMs, this.#hearsSinceMs) : lastBeatAtMs
  }

  /** The last check of where the instance is now: one of an address that it has left, as after a restart, says nothing. */
  check({ id, reach }: Instance): HealthChecks.Check | undefined {
    const last = this.#checks.get(id)
    return last?.at === addressOf(reach) ? last.check : undefined
  }

  checked({ id, reach }: Instance, check: HealthChecks.Check): void {
    this.#checks.set(id, { at: addressOf(reach), check })
  }

  isDraining({ instance, lastBeatAtMs }: ListedInstance): boolean {
    if (instance.state === "draining") this.#drainingSinceMs.set(instance.id, lastBeatAtMs)
    return instance.state !== "online" && this.#drainingSinceMs.get(instance.id) === lastBeatAtMs
  }

  /** Forgets the instances that have left the market. */
  keep(listed: ReadonlyArray<ListedInstance>): void {
    const ids = new Set(listed.map(({ instance }) => instance.id))
    for (const known of [this.#checks, this.#drainingSinceMs, this.fallen]) {
      for (const id of known.keys()) if (!ids.has(id)) known.delete(id)
    }
  }
}

/**
 * Makes the two rounds. `judgeAll` sets every state that is not what {@link judge} says. `checkDue` asks the instances
 * that {@link isDue} names, those that the transport can reach; what it finds counts from the next judgement on, and enters
 * the health of the instance where a router is there to hear of it. Accounts in a cloud are left alone while they are parked,
 * where `CloudAccounts` is there to say so. Run them
 * side by side: a market with many dead instances takes long to check, and silence must not wait for that.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (heartbeat: MarketDefinition["heartbeat"]) {
  const devices = yield* Devices
  const transport = yield* ProviderTransport
  const router = Option.getOrUndefined(yield* Effect.serviceOption(Router))
  const accounts = Option.getOrUndefined(yield* Effect.serviceOption(CloudAccounts))
  const memory = new Memory(yield* Clock.currentTimeMillis)
  const warn = yield* Warn.make
  /** Tells of an instance whether its account is left alone now. */
  const parking = Effect.map(
    accounts?.parked ?? Effect.succeed(NONE),
    (parked) =>
      ({ reach }: Instance) =>
        reach._tag === "Cloud" && parked.has(reach.account),
  )

  const found = (instance: Instance, check: HealthChecks.Check): void => {
    const before = memory.check(instance)
    memory.checked(instance, check)
    // A failed check is made again in each round; the time that the instance is then offline counts by itself.
    if (before?.succeeded === false && !check.succeeded) return
    const kind = check.succeeded ? "succeeded" : "failed"
    router?.observe({ instanceId: instance.id, kind, atMs: check.atMs, isProbe: true })
  }

  const settle = Effect.fnUntraced(function* (listed: ListedInstance, isParked: boolean) {
    const { instance } = listed
    const nowMs = yield* Clock.currentTimeMillis
    const signs = {
      isDraining: memory.isDraining(listed),
      lastBeatAtMs: memory.silentSinceMs(listed),
      check: memory.check(instance),
      isParked,
      isMaintained: Maintenance.isOpen(instance.maintenance, nowMs),
      nowMs,
    }
    const state = judge(signs, heartbeat)
    if (state !== "offline") memory.fallen.delete(instance.id)
    if (state !== instance.state) {
      // Who drained has left on purpose, and needs no warning that it is gone.
      if (state === "offline" && instance.state !== "draining") memory.fallen.add(instance.id)
      yield* devices.setState(instance.id, state)
      yield* Metric.update(Metric.withAttributes(changes, { state }), 1)
      yield* Effect.logInfo(`${instance.id} (${instance.model}) is ${state}.`)
    }
    // While the market was away itself, nobody could keep a tunnel: who is gone after that is, once it had time to come back.
    if (memory.hasHeard(nowMs, heartbeat) && memory.fallen.delete(instance.id)) {
      const heard = { ...signs, lastBeatAtMs: beatOf(listed) }
      yield* warn(instance, `${Math.floor(nowMs / WARN_EVERY_MS)}`, warningOf(instance, heard, heartbeat))
    }
  })

  const judgeAll = Effect.gen(function* () {
    const listed = yield* devices.instances
    memory.look(yield* Clock.currentTimeMillis, heartbeat)
    memory.keep(listed)
    const isParked = yield* parking
    yield* Effect.forEach(
      listed,
      (one) =>
        Effect.catchIf(
          settle(one, isParked(one.instance)),
          // It left the market between the list and now.
          (error) => error.code === "not_found",
          () => Effect.void,
        ),
      { discard: true },
    )
  }).pipe(Effect.withSpan("Liveness.judgeAll"))

  const checkDue = Effect.gen(function* () {
    const nowMs = yield* Clock.currentTimeMillis
    const isParked = yield* parking
    const due = (yield* devices.instances).filter((listed) => {
      const { instance } = listed
      if (!transport.capabilities.reaches.includes(instance.reach._tag) || isJoining(listed, nowMs)) return false
      const check = memory.check(instance)
      const isMaintained = Maintenance.isOpen(instance.maintenance, nowMs)
      return isDue(
        { lastBeatAtMs: memory.silentSinceMs(listed), check, isParked: isParked(instance), isMaintained, nowMs },
        heartbeat,
      )
    })
    yield* HealthChecks.checkAll(
      due.map(({ instance }) => instance),
      found,
    ).pipe(Effect.provideService(ProviderTransport, transport))
  }).pipe(Effect.withSpan("Liveness.checkDue"))

  return { judgeAll, checkDue }
})

/**
 * Runs both rounds for as long as the layer lives, four times in each interval, so that an instance which misses a beat
 * or fails a check is out of routing within two.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: { readonly heartbeat: MarketDefinition["heartbeat"] }) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const { heartbeat } = options
      const { checkDue, judgeAll } = yield* make(heartbeat)
      const everyMs = Math.max(50, Math.min(heartbeat.intervalMs, heartbeat.checkMs) / 4)
      yield* Loop.run("Liveness.checkDue", everyMs, Effect.andThen(checkDue, judgeAll))
      yield* Loop.run("Liveness.judgeAll", everyMs, judgeAll)
    }),
  )
