/**
 * PORT. Which request answers an idempotency key, and for a while its sealed answer. The store sees no key, no body and no
 * answer: a slot is a keyed hash, and what it keeps was sealed before it came.
 *
 * Guarantees, each proved by `AnswerStoreTest.suite`:
 *
 * 1. Of all who claim a free slot one is answered `Claimed`, each time it asks; the others are told whose it is, and for what.
 * 2. A claim lapses by the store's own clock unless it is renewed, and then still holds its slot; of those who take it over from that request, one is answered `Claimed`, and nobody takes over a claim that lives.
 * 3. Only the request whose claim it is keeps, withholds or releases; one that lost its claim changes nothing.
 * 4. A kept answer is read back byte for byte until its time is over, and never after; the slot is free then.
 * 5. A withheld answer holds its slot without a byte until its time is over.
 * 6. A released slot is free at once.
 * 7. What is kept for a member never exceeds the limit: what does not fit is withheld, and other members lose nothing by it.
 * 8. A member who holds as many slots as the limit allows is told `Full`, until one is free again.
 * 9. A sweep erases what is over, leaves the rest, and answers how many slots it erased.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { MemberId } from "@guildhall/core/Member"
import type { RequestId } from "@guildhall/core/Request"
import type { JournalError } from "./JournalError.ts"

/**
 * A claim to answer for a slot. `slot` and `fingerprint` are keyed hashes in hexadecimal, of who asks under which key and
 * of what is asked. It lapses `leaseMs` after it was made or last renewed. With `after` it takes over the lapsed claim of
 * that request; without, it takes a free slot.
 *
 * @category models
 * @since 0.1.0
 */
export interface Claim {
  readonly slot: string
  readonly fingerprint: string
  readonly member: MemberId
  readonly request: RequestId
  readonly leaseMs: number
  readonly after?: RequestId | undefined
}

/**
 * Whose claim it is: a slot, and the request that answers for it.
 *
 * @category models
 * @since 0.1.0
 */
export type Claimant = Pick<Claim, "slot" | "request">

/**
 * How a taken slot stands. `running`: its request is being answered. `lapsed`: nobody has renewed its claim. `kept`: its
 * answer can be read. `withheld`: it was answered, and the answer is not here.
 *
 * @category models
 * @since 0.1.0
 */
export type SlotState = "running" | "lapsed" | "kept" | "withheld"

/**
 * What became of a claim. `bytes` is how much of a kept answer there is to read.
 *
 * @category models
 * @since 0.1.0
 */
export type Claimed =
  | { readonly _tag: "Claimed" }
  | { readonly _tag: "Full" }
  | {
      readonly _tag: "Taken"
      readonly request: RequestId
      readonly fingerprint: string
      readonly state: SlotState
      readonly bytes: number
    }

/**
 * A sealed answer: the bytes, whose they are, and the id of the key that sealed them.
 *
 * @category models
 * @since 0.1.0
 */
export interface SealedAnswer {
  readonly request: RequestId
  readonly keyId: string
  readonly bytes: Uint8Array
}

/**
 * How much is kept for one member: sealed bytes in all, and slots, whatever their state. Claims that come at once may go
 * beyond the slots by their own number.
 *
 * @category models
 * @since 0.1.0
 */
export interface Limits {
  readonly memberBytes: number
  readonly memberSlots: number
}

/**
 * 64 MiB and 100,000 slots.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultLimits: Limits = { memberBytes: 64 * 1024 * 1024, memberSlots: 100_000 }

/**
 * How long a claim that nobody renews keeps its slot before a sweep may erase it, in milliseconds: a day. By then the hold
 * of its request is long over, whatever became of it.
 *
 * @category constants
 * @since 0.1.0
 */
export const ABANDONED_MS = 86_400_000

/**
 * The port.
 *
 * @category services
 * @since 0.1.0
 */
export class AnswerStore extends Context.Service<
  AnswerStore,
  {
    /** Claims a slot, or tells how it stands. Asking again for the same request is answered alike. */
    readonly claim: (claim: Claim) => Effect.Effect<Claimed, JournalError>
    /** Puts off the lapse of claims; answers how many of them still are. */
    readonly renew: (claims: ReadonlyArray<Claimant>, leaseMs: number) => Effect.Effect<number, JournalError>
    /**
     * Ends a claim with its answer, or with none, for `lifeMs`. Answers what came of it: `lost` where the claim is not this
     * request's any more.
     */
    readonly keep: (
      claim: Claimant,
      answer: { readonly keyId: string; readonly bytes: Uint8Array } | null,
      lifeMs: number,
    ) => Effect.Effect<"kept" | "withheld" | "lost", JournalError>
    /** Ends a claim as if it had never been. */
    readonly release: (claim: Claimant) => Effect.Effect<void, JournalError>
    /** The answer that is kept for a slot. */
    readonly find: (slot: string) => Effect.Effect<SealedAnswer | undefined, JournalError>
    /** Erases at most `limit` slots whose time is over; answers how many it erased. */
    readonly sweep: (limit: number) => Effect.Effect<number, JournalError>
  }
>()("@guildhall/journal/AnswerStore") {}

interface Slot {
  readonly claim: Claim
  readonly state: "running" | "kept" | "withheld"
  readonly answer: SealedAnswer | undefined
  readonly leaseUntilMs: number
  readonly goneAtMs: number
}

const bytesOf = (slot: Slot): number => slot.answer?.bytes.length ?? 0

const taken = (slot: Slot, nowMs: number): Claimed => ({
  _tag: "Taken",
  request: slot.claim.request,
  fingerprint: slot.claim.fingerprint,
  state: slot.state === "running" && slot.leaseUntilMs <= nowMs ? "lapsed" : slot.state,
  bytes: bytesOf(slot),
})

const claimed = (claim: Claim, nowMs: number): Slot => ({
  claim,
  state: "running",
  answer: undefined,
  leaseUntilMs: nowMs + claim.leaseMs,
  goneAtMs: nowMs + claim.leaseMs + ABANDONED_MS,
})

/** The slots that are not over; what is over is erased as it is met. */
class Slots {
  readonly #slots = new Map<string, Slot>()

  find(id: string, nowMs: number): Slot | undefined {
    const slot = this.#slots.get(id)
    if (slot === undefined || slot.goneAtMs > nowMs) return slot
    this.#slots.delete(id)
    return undefined
  }

  /** The claim of this request, where it still is one. */
  running(id: string, request: RequestId, nowMs: number): Slot | undefined {
    const slot = this.find(id, nowMs)
    return slot?.state === "running" && slot.claim.request === request ? slot : undefined
  }

  set(slot: Slot): void {
    this.#slots.set(slot.claim.slot, slot)
  }

  delete(id: string): void {
    this.#slots.delete(id)
  }

  of(member: MemberId): { readonly slots: number; readonly bytes: number } {
    const own = [...this.#slots.values()].filter(({ claim }) => claim.member === member)
    return { slots: own.length, bytes: own.reduce((sum, slot) => sum + bytesOf(slot), 0) }
  }

  over(nowMs: number): ReadonlyArray<string> {
    return [...this.#slots.values()].filter(({ goneAtMs }) => goneAtMs <= nowMs).map(({ claim }) => claim.slot)
  }
}

/**
 * A store in this process's memory. It serves one process only, and forgets with it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeMemory = (limits: Limits = defaultLimits): Effect.Effect<AnswerStore["Service"]> =>
  Effect.sync(() => {
    const slots = new Slots()

    const claim = (asked: Claim, nowMs: number): Claimed => {
      const slot = slots.find(asked.slot, nowMs)
      if (slot === undefined) {
        if (slots.of(asked.member).slots >= limits.memberSlots) return { _tag: "Full" }
      } else {
        const known = taken(slot, nowMs)
        if (slot.claim.request === asked.request && slot.state === "running") return { _tag: "Claimed" }
        const takesOver = known._tag === "Taken" && known.state === "lapsed" && asked.after === slot.claim.request
        if (!takesOver) return known
      }
      slots.set(claimed(asked, nowMs))
      return { _tag: "Claimed" }
    }

    return AnswerStore.of({
      claim: (asked) => Effect.map(Clock.currentTimeMillis, (nowMs) => claim(asked, nowMs)),
      renew: (claims, leaseMs) =>
        Effect.map(Clock.currentTimeMillis, (nowMs) => {
          const running = claims.flatMap(({ request, slot }) => slots.running(slot, request, nowMs) ?? [])
          for (const slot of running) slots.set({ ...slot, ...claimed({ ...slot.claim, leaseMs }, nowMs) })
          return running.length
        }),
      keep: ({ request, slot: id }, answer, lifeMs) =>
        Effect.map(Clock.currentTimeMillis, (nowMs) => {
          const slot = slots.running(id, request, nowMs)
          if (slot === undefined) return "lost"
          const fits = answer !== null && slots.of(slot.claim.member).bytes + answer.bytes.length <= limits.memberBytes
          const state = fits ? "kept" : "withheld"
          const own = fits ? { request, keyId: answer.keyId, bytes: Uint8Array.from(answer.bytes) } : undefined
          slots.set({ ...slot, state, answer: own, goneAtMs: nowMs + lifeMs })
          return state
        }),
      release: ({ request, slot: id }) =>
        Effect.map(Clock.currentTimeMillis, (nowMs) => {
          if (slots.running(id, request, nowMs) !== undefined) slots.delete(id)
        }),
      find: (id) => Effect.map(Clock.currentTimeMillis, (nowMs) => slots.find(id, nowMs)?.answer),
      sweep: (limit) =>
        Effect.map(Clock.currentTimeMillis, (nowMs) => {
          const over = slots.over(nowMs).slice(0, limit)
          for (const id of over) slots.delete(id)
          return over.length
        }),
    })
  })

/**
 * {@link makeMemory} as a layer: for tests, and for a market of one process that may forget.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory: Layer.Layer<AnswerStore> = Layer.effect(AnswerStore, makeMemory())
