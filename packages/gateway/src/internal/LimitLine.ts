/**
 * The line between this process and the store of limits: it renews leases before they run out, tells what was spent, and
 * has requests wait in a queue where there is something to wait for.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import type { Ask } from "../LimitRule.ts"
import { ASKS_MAX, type LimitStore } from "../LimitStore.ts"
import * as LimitQueue from "./LimitQueue.ts"
import type { Portion, Waiting } from "./Portion.ts"

/** How a process deals with its leases. All in milliseconds. */
export interface Times {
  /** How often the store is asked whether others are short. */
  readonly everyMs: number
  /** How long a lease lives. */
  readonly lifeMs: number
  /** How long a request waits at most. */
  readonly waitMs: number
}

/** An exchange that takes longer is given up. */
const EXCHANGE = "2 seconds"
/** A pause between two exchanges, in which what comes gathers; longer where nothing can have changed so soon. */
const GATHER_MS = 1
const AGAIN_MS = 15
const AWAY_MS = 100
/** After so much of the time between two looks every process has told what it no longer holds. */
const HEAR_PART = 1.5

const chunked = (portions: ReadonlyArray<Portion>): ReadonlyArray<ReadonlyArray<Portion>> =>
  Array.from({ length: Math.ceil(portions.length / ASKS_MAX) }, (_, at) =>
    portions.slice(at * ASKS_MAX, (at + 1) * ASKS_MAX),
  )

/** What an exchange asks, of which portions. */
type Asked = ReadonlyArray<readonly [Portion, Ask]>

/** Between whom the line is. */
interface Ends {
  readonly store: LimitStore["Service"]
  readonly portions: Map<string, Portion>
  readonly process: string
  readonly times: Times
  readonly nowMs: () => number
}

/** What is said on the line: exchanges with the store. `onLow` is told a portion that should be asked about soon. */
const makeTalk = (options: Ends & { readonly onLow: (portion: Portion) => void }) => {
  const { nowMs, onLow, portions, process, store, times } = options
  let isAway = false

  /** Tells and asks. Answers the portions that were granted something; undefined where the store did not answer. */
  const exchange = Effect.fnUntraced(function* (asked: Asked, sentAtMs: number) {
    const request = { process, lifeMs: times.lifeMs, asks: asked.map(([, ask]) => ask) }
    const answer = yield* Effect.exit(Effect.timeout(store.exchange(request), EXCHANGE))
    if (Exit.isFailure(answer)) {
      if (!isAway) {
        // One line: its stack helps nobody.
        const error = Cause.squash(answer.cause)
        const why = error instanceof Error ? error.message : String(error)
        yield* Effect.logWarning(`The limits cannot be shared with other processes. ${why}`)
        yield* Effect.logDebug(answer.cause)
      }
      isAway = true
      return undefined
    }
    isAway = false
    const grants = new Map(answer.value.grants.map((grant) => [grant.counter, grant]))
    const answered = new Set<Portion>()
    for (const [portion, ask] of asked) {
      const grant = grants.get(portion.counter)
      if (grant === undefined) continue
      portion.granted(ask, grant, sentAtMs, times.lifeMs)
      answered.add(portion)
    }
    for (const counter of answer.value.tight) {
      const portion = portions.get(counter)
      if (portion === undefined || portion.isTight) continue
      portion.isTight = true
      // The others wait for it.
      onLow(portion)
    }
    return answered
  })

  const renew = (due: ReadonlyArray<Portion>, waiting?: ReadonlyMap<Portion, Waiting>) =>
    Effect.suspend(() => {
      const sentAtMs = nowMs()
      const asked: Asked = due.map((portion) => [portion, portion.ask(sentAtMs, waiting?.get(portion))])
      return exchange(asked, sentAtMs)
    })

  /** Gives up what nobody uses any more; what came to be used meanwhile begins anew. */
  const forget = Effect.fnUntraced(function* (done: ReadonlyArray<Portion>) {
    const asked: Asked = done.map((portion) => [portion, portion.forget()])
    if ((yield* exchange(asked, nowMs())) === undefined) return
    for (const portion of done) {
      portion.forgot()
      if (portion.isDone) portions.delete(portion.counter)
    }
  })

  return { renew, forget, isAway: () => isAway } as const
}

/** Makes the line over a store. `onScan` runs whenever it looks at everything. */
export const make = (options: Ends & { readonly onScan: (nowMs: number) => void }) => {
  const { nowMs, onScan, portions, times } = options
  /** Portions of which little is left. */
  const low = new Set<Portion>()
  const wake = Latch.makeUnsafe(false)
  let scannedAtMs = Number.NEGATIVE_INFINITY

  const talk = makeTalk({
    ...options,
    onLow: (portion) => {
      low.add(portion)
      wake.openUnsafe()
    },
  })

  /** Takes all that is needed where there is room for all, or answers what lacks first. */
  const take = ({ portions: wanted, units }: LimitQueue.Taking, now: number): Portion | undefined => {
    for (const portion of wanted) if (portion.lacks(units(portion), now)) return portion
    let isLow = false
    for (const portion of wanted) {
      portion.take(units(portion), now)
      if (!portion.isLow || low.has(portion)) continue
      low.add(portion)
      isLow = true
    }
    // The loop may go on within this call, and serve others: by now all is taken.
    if (isLow) wake.openUnsafe()
    return undefined
  }

  const queue = LimitQueue.make({
    take,
    nowMs,
    waitMs: times.waitMs,
    hearMs: times.everyMs * HEAR_PART,
    wake: () => wake.openUnsafe(),
    isAway: talk.isAway,
  })

  /** Looks at every portion, which is done now and then. */
  const scan = (now: number, due: Set<Portion>) => {
    const done: Array<Portion> = []
    let hasLeases = false
    for (const portion of portions.values()) {
      if (portion.hasLease) hasLeases = true
      if (portion.isForgetting || (portion.isDone && !portion.hasLease)) done.push(portion)
      else if (portion.isDue(now, times.lifeMs)) due.add(portion)
    }
    scannedAtMs = now
    return { done, hasLeases }
  }

  /** One turn: what is due is renewed, and who waits is served. */
  const pass = Effect.gen(function* () {
    const now = nowMs()
    const waiting = queue.asked(now)
    const due = new Set(low)
    for (const [portion, { sum }] of waiting) if (portion.lacks(sum, now)) due.add(portion)
    low.clear()
    const isScan = now - scannedAtMs >= times.everyMs
    if (isScan) onScan(now)
    const { done, hasLeases } = isScan ? scan(now, due) : { done: [], hasLeases: false }
    for (const chunk of chunked(done)) yield* talk.forget(chunk)
    const chunks = chunked(
      [...due].filter((portion) => !portion.isForgetting && portions.get(portion.counter) === portion),
    )
    // Whether others are short is asked even where nothing is to be told.
    if (chunks.length === 0 && hasLeases) yield* talk.renew([])
    for (const chunk of chunks) {
      const answered = yield* talk.renew(chunk, waiting)
      if (answered === undefined) return
      queue.serve(answered)
    }
  })

  const next = Effect.suspend(() => {
    if (portions.size === 0) return wake.await
    return Effect.asVoid(Effect.timeoutOption(wake.await, queue.size() > 0 ? AGAIN_MS : times.everyMs))
  })

  const loop = Effect.forever(
    Effect.gen(function* () {
      yield* next
      wake.closeUnsafe()
      yield* pass
      yield* Effect.sleep(talk.isAway() ? AWAY_MS : GATHER_MS)
    }),
  )

  /** Tells everything and gives everything back. */
  const close = Effect.gen(function* () {
    for (const chunk of chunked([...portions.values()])) {
      for (const portion of chunk) portion.users = 0
      if ((yield* talk.renew(chunk)) === undefined) return
      yield* talk.forget(chunk.filter((portion) => portion.isDone))
    }
  })

  return { take, wait: queue.wait, loop, close } as const
}
