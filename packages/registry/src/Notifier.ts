/**
 * PORT. Warnings to providers: kept until they came, and with them when and how they first did, since nothing may be taken from a
 * provider before that (`Warning.mayPenalise`). The ways are the heartbeat of each of its devices and, where it set them, a
 * webhook and e-mail; who sends these takes them from here.
 *
 * Guarantees, each proved by `NotifierTest.suite`:
 *
 * 1. Of one key there is one warning, the first that came, however often and at the same time it is warned of.
 * 2. A warning is there for each way that its member had when it was made, and nobody waits for its delivery to make it.
 * 3. On the answers to a device's beats a warning rides until the device beats with the nonce of such an answer: that, and no
 *    other nonce, is its delivery by beat.
 * 4. The first delivery is recorded with its time and way, and never changes.
 * 5. What goes out on a way is taken by one at a time, the members in turn, again once its lease is over or its time has come, until it was sent or given up.
 * 6. At most `WAITING_MAX` warnings of a member wait: one more ends the oldest of them, of penalties only where all are, which then was never delivered.
 * 7. A member sees its own warnings, the newest first, and its own addresses, as it set them last.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type { DeviceId } from "@guildhall/core/Device"
import { MemberId } from "@guildhall/core/Member"
import { ReasonCode } from "@guildhall/core/Reason"
import { Delivery, Topic, Way } from "@guildhall/core/rules/Warning"
import { Devices } from "./Devices.ts"
import type { RegistryError } from "./RegistryError.ts"

/**
 * A warning. `key` names what it is about, once for all: who warns of the same thing uses the same one. `subject` is an instance or
 * a device; `deadlineMs` is when what it warns of happens unless something is done. Times are milliseconds since 1970.
 *
 * @category models
 * @since 0.1.0
 */
export const NewWarning = Schema.Struct({
  key: Schema.String.pipe(Schema.check(Schema.isMaxLength(300))),
  memberId: MemberId,
  topic: Topic,
  code: ReasonCode,
  subject: Schema.String.pipe(Schema.check(Schema.isMaxLength(200))),
  detail: Schema.String.pipe(Schema.check(Schema.isMaxLength(1_000))),
  deadlineMs: Schema.optionalKey(Schema.Int),
})
/** @since 0.1.0 */
export type NewWarning = typeof NewWarning.Type

/**
 * A warning as it is kept: `delivery` is null until it came, `waysLeft` are the ways on which it is still to be sent.
 *
 * @category models
 * @since 0.1.0
 */
export const Warning = Schema.Struct({
  id: Schema.String,
  ...NewWarning.fields,
  atMs: Schema.Int,
  delivery: Schema.NullOr(Delivery),
  waysLeft: Schema.Array(Way),
})
/** @since 0.1.0 */
export type Warning = typeof Warning.Type

/**
 * Where a member's warnings go beside its beats; null for nowhere.
 *
 * @category models
 * @since 0.1.0
 */
export interface Addresses {
  readonly webhookUrl: string | null
  readonly email: string | null
}

/**
 * The ways on which somebody sends.
 *
 * @category models
 * @since 0.1.0
 */
export type SentWay = Exclude<Way, "beat">

/**
 * A warning that is to be sent now: where to, and how often that was tried before.
 *
 * @category models
 * @since 0.1.0
 */
export interface Outgoing {
  readonly warning: Warning
  readonly address: string
  readonly tries: number
}

/**
 * The port.
 *
 * @category services
 * @since 0.1.0
 */
export class Notifier extends Context.Service<
  Notifier,
  {
    /** Keeps a warning, and answers it; or the one that its key has already. */
    readonly warn: (warning: NewWarning) => Effect.Effect<Warning, RegistryError>
    readonly find: (key: string) => Effect.Effect<Warning | undefined, RegistryError>
    /** A member's warnings, newest first: at most {@link LISTED_MAX}. */
    readonly list: (memberId: MemberId) => Effect.Effect<ReadonlyArray<Warning>, RegistryError>
    /**
     * A device has beaten with the nonce that was `given` to it, and is answered with the `next` one: what rode on the answer with
     * the former is delivered, and what this one shall carry is answered, oldest first and at most {@link RIDING_MAX}.
     */
    readonly beat: (beat: {
      readonly device: DeviceId
      readonly given: string | undefined
      readonly next: string
    }) => Effect.Effect<ReadonlyArray<Warning>, RegistryError>
    /** What goes out on the other ways: `failed` tries again after a while, or gives up where there is none. */
    readonly outgoing: {
      readonly take: (options: {
        readonly way: SentWay
        readonly leaseMs: number
        readonly most: number
      }) => Effect.Effect<ReadonlyArray<Outgoing>, RegistryError>
      readonly sent: (id: string, way: SentWay) => Effect.Effect<void, RegistryError>
      readonly failed: (id: string, way: SentWay, nextMs: number | undefined) => Effect.Effect<void, RegistryError>
    }
    readonly addresses: {
      readonly get: (memberId: MemberId) => Effect.Effect<Addresses, RegistryError>
      readonly set: (memberId: MemberId, change: Partial<Addresses>) => Effect.Effect<Addresses, RegistryError>
    }
  }
>()("@guildhall/registry/Notifier") {}

/** The most warnings of a member that wait. @category constants @since 0.1.0 */
export const WAITING_MAX = 100
/** The most warnings of a member that are listed. @category constants @since 0.1.0 */
export const LISTED_MAX = 100
/** The most warnings that one answer to a beat carries. @category constants @since 0.1.0 */
export const RIDING_MAX = 16
/** The most warnings of a member that are kept. @category constants @since 0.1.0 */
export const KEPT_MAX = 1_000

/** Nothing is set. @category constants @since 0.1.0 */
export const NO_ADDRESSES: Addresses = { webhookUrl: null, email: null }

/** The ways on which somebody sends, with the address of each. @category getters @since 0.1.0 */
export const addressOf = ({ email, webhookUrl }: Addresses, way: SentWay): string | null =>
  way === "webhook" ? webhookUrl : email

/** @since 0.1.0 */
export const SENT_WAYS: ReadonlyArray<SentWay> = ["webhook", "email"]

/** An id that nobody guesses. @category constructors @since 0.1.0 */
export const newId: Effect.Effect<string> = Effect.sync(
  () => `wrn_${Hex.encode(globalThis.crypto.getRandomValues(new Uint8Array(12)))}`,
)

interface Send {
  tries: number
  dueAtMs: number
}

interface Kept {
  readonly warning: Omit<Warning, "delivery" | "waysLeft">
  delivery: Delivery | null
  /** It came by beat, or waits no longer. */
  isOff: boolean
  readonly offers: Map<DeviceId, string>
  readonly sends: Map<SentWay, Send>
}

const shown = ({ delivery, sends, warning }: Kept): Warning => ({ ...warning, delivery, waysLeft: [...sends.keys()] })

/** A member's noise ends what else it was warned of, and a penalty's warning last. */
const penaltiesLast = ({ warning: a }: Kept, { warning: b }: Kept): number =>
  Number(a.topic === "penalty") - Number(b.topic === "penalty")

class State {
  readonly byKey = new Map<string, Kept>()
  readonly addresses = new Map<MemberId, Addresses>()

  of(memberId: MemberId): ReadonlyArray<Kept> {
    return [...this.byKey.values()].filter(({ warning }) => warning.memberId === memberId)
  }

  find(id: string): Kept | undefined {
    return [...this.byKey.values()].find(({ warning }) => warning.id === id)
  }

  deliver(kept: Kept, way: Way, atMs: number): void {
    kept.delivery ??= { atMs, way }
  }

  warn(given: NewWarning, id: string, atMs: number): Kept {
    const known = this.byKey.get(given.key)
    if (known !== undefined) return known
    const sends = new Map<SentWay, Send>()
    const addresses = this.addresses.get(given.memberId) ?? NO_ADDRESSES
    for (const way of SENT_WAYS) if (addressOf(addresses, way) !== null) sends.set(way, { tries: 0, dueAtMs: atMs })
    const kept: Kept = { warning: { ...given, id, atMs }, delivery: null, isOff: false, offers: new Map(), sends }
    this.byKey.set(given.key, kept)
    const own = this.of(given.memberId)
    const waiting = own.filter(({ delivery, isOff }) => delivery === null && !isOff).toSorted(penaltiesLast)
    for (const old of waiting.slice(0, Math.max(0, waiting.length - WAITING_MAX))) {
      old.isOff = true
      old.sends.clear()
    }
    const ending = own.toSorted(penaltiesLast).slice(0, Math.max(0, own.length - KEPT_MAX))
    for (const old of ending) this.byKey.delete(old.warning.key)
    return kept
  }
}

/**
 * Keeps warnings in this process's memory, gone with it: for tests, simulations and small embeddings.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeMemory = Effect.gen(function* () {
  const devices = yield* Devices
  const state = new State()

  const beat: Notifier["Service"]["beat"] = Effect.fn("Notifier.beat")(function* ({ device, given, next }) {
    const member = (yield* devices.find(device))?.memberId
    const atMs = yield* Clock.currentTimeMillis
    if (member === undefined) return []
    const own = state.of(member).filter(({ isOff }) => !isOff)
    for (const kept of own) {
      if (given === undefined || kept.offers.get(device) !== given) continue
      kept.isOff = true
      state.deliver(kept, "beat", atMs)
    }
    const riding = own.filter(({ isOff }) => !isOff).slice(0, RIDING_MAX)
    for (const { offers } of riding) offers.set(device, next)
    return riding.map(shown)
  })

  return Notifier.of({
    warn: Effect.fn("Notifier.warn")(function* (warning) {
      const [id, atMs] = [yield* newId, yield* Clock.currentTimeMillis]
      return shown(state.warn(warning, id, atMs))
    }),
    find: (key) =>
      Effect.sync(() => {
        const kept = state.byKey.get(key)
        return kept === undefined ? undefined : shown(kept)
      }),
    list: (memberId) => Effect.sync(() => state.of(memberId).toReversed().slice(0, LISTED_MAX).map(shown)),
    beat,
    outgoing: {
      take: Effect.fn("Notifier.outgoing.take")(function* ({ leaseMs, most, way }) {
        const nowMs = yield* Clock.currentTimeMillis
        const due = [...state.byKey.values()].flatMap((kept) => {
          const send = kept.sends.get(way)
          const address = addressOf(state.addresses.get(kept.warning.memberId) ?? NO_ADDRESSES, way)
          return send === undefined || address === null || send.dueAtMs > nowMs ? [] : [{ kept, send, address }]
        })
        const byMember = [...Map.groupBy(due, ({ kept }) => kept.warning.memberId).values()]
        const inTurn = byMember.flatMap((own) => own.map((one, turn) => ({ ...one, turn })))
        inTurn.sort((a, b) => a.turn - b.turn)
        return inTurn.slice(0, Math.max(0, most)).map(({ address, kept, send }): Outgoing => {
          send.dueAtMs = nowMs + leaseMs
          return { warning: shown(kept), address, tries: send.tries }
        })
      }),
      sent: Effect.fn("Notifier.outgoing.sent")(function* (id, way) {
        const kept = state.find(id)
        if (kept?.sends.delete(way) === true) state.deliver(kept, way, yield* Clock.currentTimeMillis)
      }),
      failed: Effect.fn("Notifier.outgoing.failed")(function* (id, way, nextMs) {
        const [kept, nowMs] = [state.find(id), yield* Clock.currentTimeMillis]
        const send = kept?.sends.get(way)
        if (send === undefined) return
        if (nextMs === undefined) kept?.sends.delete(way)
        else Object.assign(send, { tries: send.tries + 1, dueAtMs: nowMs + nextMs })
      }),
    },
    addresses: {
      get: (memberId) => Effect.sync(() => state.addresses.get(memberId) ?? NO_ADDRESSES),
      set: (memberId, change) =>
        Effect.sync(() => {
          const addresses = { ...NO_ADDRESSES, ...state.addresses.get(memberId), ...change }
          state.addresses.set(memberId, addresses)
          return addresses
        }),
    },
  })
})

/**
 * {@link makeMemory} as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory: Layer.Layer<Notifier, never, Devices> = Layer.effect(Notifier, makeMemory)
