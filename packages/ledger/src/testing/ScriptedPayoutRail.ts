/**
 * A payout rail in memory that does what a script says with each send: lets it arrive at once or late, cuts the line before
 * or after, leaves the outcome unknown for a while. It keeps the port's guarantees all the same, and forgets a key when its
 * life is over, as real rails do: sending again after that pays again. Use it to test what pays out.
 *
 * **Example** (The line is cut after the payout has arrived)
 *
 * ```ts no-run it belongs in a test file, which needs vitest
 * import { ScriptedPayoutRail } from "@guildhall/ledger/testing"
 *
 * const scripted = ScriptedPayoutRail.make({
 *   name: "Bank",
 *   scale: 2,
 *   deliver: (_payout, times) =>
 *     times === 1 ? { ...ScriptedPayoutRail.arrives, isAnswered: false } : ScriptedPayoutRail.arrives,
 * })
 * ```
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { type Movement, type MovementState, RailError } from "../Movement.ts"
import { type Payout, type PayoutRail, tooLate } from "../PayoutRail.ts"

/**
 * What happens to one send. It `Arrives` after `delayMs` on the way, is `meanwhile` so for `lastsMs`, and then ends as `end`
 * for good; the caller hears of it if it `isAnswered`. Or it gets `Lost`, or is `Refused`.
 *
 * @category models
 * @since 0.1.0
 */
export type Delivery =
  | {
      readonly _tag: "Arrives"
      readonly delayMs: number
      readonly isAnswered: boolean
      readonly meanwhile: MovementState
      readonly lastsMs: number
      readonly end: MovementState
    }
  | { readonly _tag: "Lost" }
  | { readonly _tag: "Refused"; readonly detail: string }

type Arrival = Extract<Delivery, { readonly _tag: "Arrives" }>

/**
 * A send that arrives at once, succeeds at once and is answered: change what should go wrong.
 *
 * @category constants
 * @since 0.1.0
 */
export const arrives: Arrival = {
  _tag: "Arrives",
  delayMs: 0,
  isAnswered: true,
  meanwhile: { _tag: "Pending", next: null },
  lastsMs: 0,
  end: { _tag: "Succeeded" },
}

/**
 * The rail, what it has moved in all, and every send that somebody made, in order.
 *
 * @category models
 * @since 0.1.0
 */
export interface Scripted {
  readonly rail: PayoutRail
  readonly moved: Effect.Effect<bigint>
  readonly sends: ReadonlyArray<Payout>
}

interface Sent {
  readonly payout: Payout
  readonly arrival: Arrival
  readonly atMs: number
}

const silence = (): RailError => new RailError({ reason: "Unavailable", detail: "The line was cut." })

const isSame = (one: Payout, other: Payout): boolean =>
  one.member === other.member && one.asset === other.asset && one.amount === other.amount

/** What has arrived, and what is under way. */
const makeBank = (name: string, keyLifeMs: number | null) => {
  const arrived: Array<Sent> = []
  let underWay: ReadonlyArray<Sent> = []
  const known = (key: string): Sent | undefined => arrived.findLast(({ payout }) => payout.idempotencyKey === key)
  const remembered = ({ idempotencyKey }: Payout, atMs: number): Sent | undefined => {
    const first = known(idempotencyKey)
    return first !== undefined && (keyLifeMs === null || atMs - first.atMs <= keyLifeMs) ? first : undefined
  }
  return {
    arrived,
    known,
    remembered,
    put: (sent: Sent) => void (underWay = [...underWay, sent].toSorted((one, other) => one.atMs - other.atMs)),
    /** Lets everything arrive whose time has come; what comes too late is dropped. */
    arrive: (nowMs: number): void => {
      for (const sent of underWay.filter(({ atMs }) => atMs <= nowMs)) {
        const isLate = sent.payout.notAfterMs !== undefined && sent.atMs > sent.payout.notAfterMs
        if (!isLate && remembered(sent.payout, sent.atMs) === undefined) arrived.push(sent)
      }
      underWay = underWay.filter(({ atMs }) => atMs > nowMs)
    },
    movement: (sent: Sent, nowMs: number): Movement => {
      const { payout, arrival, atMs } = sent
      const number = arrived.indexOf(sent) + 1
      return {
        cursor: `${number}`,
        idempotencyKey: payout.idempotencyKey,
        externalId: `${name.toLowerCase()}-${number}`,
        asset: payout.asset,
        amount: payout.amount,
        state: nowMs >= atMs + arrival.lastsMs ? arrival.end : arrival.meanwhile,
      }
    },
  }
}

/**
 * Makes one. `deliver` is asked at each send, with how many sends there have been under this key, this one included;
 * `answers` at each `find`, likewise, and where it says no, the line is cut. What has arrived is found `lagMs` later.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: {
  readonly name: string
  readonly scale: number
  readonly keyLifeMs?: number
  readonly absenceMs?: number
  readonly lagMs?: number
  readonly deliver: (payout: Payout, times: number) => Delivery
  readonly answers?: (idempotencyKey: string, times: number) => boolean
}): Scripted => {
  const { name, scale, keyLifeMs = null, absenceMs = null, lagMs = 0, deliver, answers = () => true } = options
  const bank = makeBank(name, keyLifeMs)
  const sends: Array<Payout> = []
  const asked = new Map<string, number>()
  /** The time, with everything arrived that has come by then. */
  const now = Effect.tap(Clock.currentTimeMillis, (nowMs) => Effect.sync(() => bank.arrive(nowMs)))

  const send = Effect.fnUntraced(function* (payout: Payout) {
    const nowMs = yield* now
    const { idempotencyKey, amount, notAfterMs } = payout
    sends.push(payout)
    const delivery = deliver(payout, sends.filter((one) => one.idempotencyKey === idempotencyKey).length)
    if (delivery._tag === "Lost") return yield* silence()
    const sent = bank.remembered(payout, nowMs)
    if (sent !== undefined) {
      if (!isSame(sent.payout, payout)) {
        return yield* new RailError({ reason: "Conflict", detail: `It was ${sent.payout.amount}.` })
      }
      return delivery._tag === "Arrives" && !delivery.isAnswered ? yield* silence() : bank.movement(sent, nowMs)
    }
    if (amount <= 0n) return yield* new RailError({ reason: "Refused", detail: "The amount must be above zero." })
    if (notAfterMs !== undefined && nowMs > notAfterMs) return yield* tooLate(notAfterMs)
    if (delivery._tag === "Refused") return yield* new RailError({ reason: "Refused", detail: delivery.detail })
    const arrival: Sent = { payout, arrival: delivery, atMs: nowMs + delivery.delayMs }
    bank.put(arrival)
    bank.arrive(nowMs)
    return delivery.isAnswered && delivery.delayMs === 0 ? bank.movement(arrival, nowMs) : yield* silence()
  })

  const find = Effect.fnUntraced(function* (idempotencyKey: string) {
    const nowMs = yield* now
    const times = (asked.get(idempotencyKey) ?? 0) + 1
    asked.set(idempotencyKey, times)
    if (!answers(idempotencyKey, times)) return yield* silence()
    const sent = bank.known(idempotencyKey)
    if (sent !== undefined && nowMs >= sent.atMs + lagMs) return bank.movement(sent, nowMs)
    return yield* new RailError({ reason: "NotFound", detail: "Nothing arrived under it." })
  })

  return {
    rail: {
      name,
      capabilities: { scale, cancels: false, keyLifeMs, absenceMs },
      send,
      find,
      movements: (after, limit) =>
        Effect.map(now, (nowMs) => {
          const from = after === null ? 0 : Number(after)
          return bank.arrived.slice(from, from + limit).map((sent) => bank.movement(sent, nowMs))
        }),
    },
    moved: Effect.map(now, () =>
      bank.arrived.reduce(
        (sum, { payout, arrival }) => (arrival.end._tag === "Succeeded" ? sum + payout.amount : sum),
        0n,
      ),
    ),
    sends,
  }
}
