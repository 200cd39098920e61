/**
 * The tunnels that devices hold open to this gateway, by device. Who comes back after a loss goes on with its session.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import type { DeviceId } from "@guildhall/core/Device"
import { CLOSE } from "@guildhall/protocol/provider/TunnelFrame"
import * as TunnelHello from "@guildhall/protocol/provider/TunnelHello"
import { TunnelSession, type Wire } from "@guildhall/protocol/provider/TunnelSession"
import * as Ids from "./internal/Ids.ts"

/**
 * `resumeMs` (5,000) is how long a session waits for its device after a loss; `perDevice` (4) how many a device may have,
 * `total` (20,000) how many there may be; `streamsMax` (4,096) how many requests one tunnel carries at a time.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly resumeMs?: number | undefined
  readonly perDevice?: number | undefined
  readonly total?: number | undefined
  readonly streamsMax?: number | undefined
}

/** @category constants @since 0.1.0 */
export const STREAMS_MAX = 4_096

const RESUME_MS = 5_000
const PER_DEVICE = 4
const TOTAL = 20_000
const TICK_MS = 500

const tunnels = Metric.gauge("guildhall_tunnels", { description: "Tunnels that devices hold open to this gateway." })

/**
 * The service.
 *
 * @category services
 * @since 0.1.0
 */
export class Tunnels extends Context.Service<
  Tunnels,
  {
    /** The session by which a device is asked now: a connected one with the fewest requests, where it has several. */
    readonly find: (device: DeviceId) => TunnelSession | undefined
    /**
     * Takes in a device that has said hello: welcomes it, or closes the connection with the reason. A device that begins
     * anew is another process than the one that was lost, so what that one left behind ends.
     */
    readonly accept: (device: DeviceId, hello: TunnelHello.Hello, wire: Wire) => TunnelSession | undefined
    /** The devices that have a session. */
    readonly devices: () => Iterable<DeviceId>
    /** Ends the sessions of a device. */
    readonly cut: (device: DeviceId, reason: string) => void
    /** How many sessions there are. */
    readonly size: () => number
    /** Lets time pass: called twice a second. */
    readonly tick: (nowMs: number) => void
  }
>()("@guildhall/gateway/Tunnels") {}

interface Held {
  readonly name: string
  readonly session: TunnelSession
}

/** Random enough that nobody guesses it; the device's signature is asked for all the same. */
const nameOf = (): string => Ids.randomHex(16)

class Sessions {
  readonly #held = new Map<DeviceId, ReadonlyArray<Held>>()
  readonly #options: Options
  #size = 0
  #nowMs: number

  constructor(options: Options, nowMs: number) {
    this.#options = options
    this.#nowMs = nowMs
  }

  get size(): number {
    return this.#size
  }
  devices(): Iterable<DeviceId> {
    return this.#held.keys()
  }

  find(device: DeviceId): TunnelSession | undefined {
    const held = this.#held.get(device)
    if (held === undefined || held.length === 1) return held?.[0]?.session
    let best: TunnelSession | undefined
    for (const { session } of held) {
      if (best === undefined || (session.isAttached && (!best.isAttached || session.size < best.size))) best = session
    }
    return best
  }

  accept(device: DeviceId, hello: TunnelHello.Hello, wire: Wire): TunnelSession | undefined {
    const former = this.#held.get(device)?.find(({ name }) => name === hello.session)
    if (former !== undefined) return this.#resume(former, hello, wire)
    for (const { session } of this.#held.get(device) ?? []) {
      if (!session.isAttached) session.end("The agent began anew.")
    }
    const held = this.#held.get(device) ?? []
    if (held.length >= (this.#options.perDevice ?? PER_DEVICE)) {
      wire.close(CLOSE.refused, `rate_limited: A device has at most ${held.length} tunnels.`)
      return undefined
    }
    if (this.#size >= (this.#options.total ?? TOTAL)) {
      wire.close(CLOSE.refused, "no_capacity: This gateway has all the tunnels that it can hold.")
      return undefined
    }
    return this.#begin(device, wire)
  }

  cut(device: DeviceId, reason: string): void {
    for (const { session } of this.#held.get(device) ?? []) session.refuse(reason)
  }

  tick(nowMs: number): void {
    this.#nowMs = nowMs
    for (const held of this.#held.values()) for (const { session } of held) session.tick(nowMs)
  }

  endAll(reason: string): void {
    for (const held of this.#held.values()) for (const { session } of held) session.end(reason)
  }

  #begin(device: DeviceId, wire: Wire): TunnelSession {
    const name = nameOf()
    const resumeMs = this.#options.resumeMs ?? RESUME_MS
    const session = new TunnelSession(
      {
        side: "asks",
        resumeMs,
        streamsMax: this.#options.streamsMax ?? STREAMS_MAX,
        onOver: () => this.#forget(device, name),
      },
      this.#nowMs,
    )
    this.#held.set(device, [...(this.#held.get(device) ?? []), { name, session }])
    this.#size += 1
    wire.send(TunnelHello.encodeWelcome({ session: name, resumed: false, received: 0, resume_ms: resumeMs }))
    session.attach(wire, 0)
    return session
  }

  #resume({ name, session }: Held, { received }: TunnelHello.Hello, wire: Wire): TunnelSession | undefined {
    const resumeMs = this.#options.resumeMs ?? RESUME_MS
    const welcome = { session: name, resumed: true, received: session.received, resume_ms: resumeMs }
    wire.send(TunnelHello.encodeWelcome(welcome))
    const flaw = session.attach(wire, received)
    if (flaw === undefined) return session
    wire.close(CLOSE.wrong, flaw)
    return undefined
  }

  #forget(device: DeviceId, name: string): void {
    const left = (this.#held.get(device) ?? []).filter((held) => held.name !== name)
    this.#size -= 1
    if (left.length === 0) this.#held.delete(device)
    else this.#held.set(device, left)
  }
}

/**
 * Makes the service. Sessions end with the scope.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: Options = {}) {
  const sessions = new Sessions(options, yield* Clock.currentTimeMillis)
  const round = Effect.gen(function* () {
    sessions.tick(yield* Clock.currentTimeMillis)
    yield* Metric.update(tunnels, sessions.size)
  })
  yield* Effect.addFinalizer(() => Effect.sync(() => sessions.endAll("The gateway stops.")))
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(TICK_MS), round)))
  return Tunnels.of({
    find: (device) => sessions.find(device),
    accept: (device, hello, wire) => sessions.accept(device, hello, wire),
    devices: () => sessions.devices(),
    cut: (device, reason) => sessions.cut(device, reason),
    size: () => sessions.size,
    tick: (nowMs) => sessions.tick(nowMs),
  })
})

/**
 * {@link make} as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<Tunnels> => Layer.effect(Tunnels, make(options))
