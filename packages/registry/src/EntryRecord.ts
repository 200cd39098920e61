/**
 * PORT. How far the checks of each instance have come, kept where a crash does not take it: what is due, who makes it, each
 * step as soon as it is known, and the last conclusion.
 *
 * Guarantees, each proved by `EntryRecordTest.suite`:
 *
 * 1. What is asked for is due at once. Asked for again it stays as it is, unless its subject is another, or it has passed: then it begins anew.
 * 2. What is due is taken by one owner at a time, however many take at once, and never more than one takes.
 * 3. Steps that were noted are there for whoever takes the run on when the lease is over, or was never ended.
 * 4. Who has lost the run, or whose subject is no longer that of the run, notes and concludes nothing.
 * 5. A conclusion is kept with its outcomes, counts the attempts that failed in a row, and is due again when it says.
 * 6. What is forgotten is gone.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { EntryState, Outcome } from "@guildhall/core/EntryVerification"
import type { InstanceId } from "@guildhall/core/Instance"
import type { RegistryError } from "./RegistryError.ts"

/**
 * The checks of one instance. `outcomes` are those of the last conclusion, `steps` those of the run under way. `attempt` counts
 * the failures in a row, `run` all runs. Times are milliseconds since 1970.
 *
 * @category models
 * @since 0.1.0
 */
export interface Entry {
  readonly instanceId: InstanceId
  readonly subject: string
  readonly state: EntryState
  readonly attempt: number
  readonly run: number
  readonly outcomes: ReadonlyArray<Outcome>
  readonly steps: ReadonlyArray<Outcome>
  readonly isRunning: boolean
  readonly dueAtMs: number
  readonly concludedAtMs?: number | undefined
}

/**
 * Which run is meant: of what, and whose.
 *
 * @category models
 * @since 0.1.0
 */
export interface Held {
  readonly instanceId: InstanceId
  readonly subject: string
  readonly owner: string
}

/**
 * The port. `leaseMs` is how long a run stays its owner's without a word. What answers a boolean answers whether it was done.
 *
 * @category services
 * @since 0.1.0
 */
export class EntryRecord extends Context.Service<
  EntryRecord,
  {
    /** `gapMs` after its last conclusion, at the earliest, what is asked for anew is due: 0 unless told. */
    readonly ask: (
      asked: ReadonlyArray<{ readonly instanceId: InstanceId; readonly subject: string }>,
      gapMs?: number,
    ) => Effect.Effect<void, RegistryError>
    /** Takes up to `most` of what is due, the longest due first. */
    readonly take: (options: {
      readonly owner: string
      readonly leaseMs: number
      readonly most: number
    }) => Effect.Effect<ReadonlyArray<Entry>, RegistryError>
    /** Keeps the steps so far, and the run for another `leaseMs`. */
    readonly note: (
      held: Held & { readonly steps: ReadonlyArray<Outcome>; readonly leaseMs: number },
    ) => Effect.Effect<boolean, RegistryError>
    /** Ends the run. It is due again after `nextMs`. */
    readonly conclude: (
      held: Held & {
        readonly state: "passed" | "failed"
        readonly hasFailed: boolean
        readonly steps: ReadonlyArray<Outcome>
        readonly nextMs: number
      },
    ) => Effect.Effect<boolean, RegistryError>
    readonly find: (instanceId: InstanceId) => Effect.Effect<Entry | undefined, RegistryError>
    readonly forget: (instanceIds: ReadonlyArray<InstanceId>) => Effect.Effect<void, RegistryError>
  }
>()("@guildhall/registry/EntryRecord") {}

interface Row extends Entry {
  readonly owner: string | undefined
  readonly leaseEndsAtMs: number
}

const fresh = (instanceId: InstanceId, subject: string, run: number, nowMs: number): Row => ({
  instanceId,
  subject,
  state: "pending",
  attempt: 0,
  run,
  outcomes: [],
  steps: [],
  isRunning: false,
  dueAtMs: nowMs,
  owner: undefined,
  leaseEndsAtMs: 0,
})

const entryOf = ({ leaseEndsAtMs: _leaseEndsAtMs, owner: _owner, ...entry }: Row): Entry => entry

/**
 * A record in this process's memory, gone with it: for tests and simulations.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory: Layer.Layer<EntryRecord> = Layer.sync(EntryRecord, () => {
  const rows = new Map<InstanceId, Row>()
  const held = ({ instanceId, owner, subject }: Held): Row | undefined => {
    const row = rows.get(instanceId)
    return row?.isRunning === true && row.owner === owner && row.subject === subject ? row : undefined
  }
  return EntryRecord.of({
    ask: Effect.fnUntraced(function* (asked, gapMs = 0) {
      const nowMs = yield* Clock.currentTimeMillis
      for (const { instanceId, subject } of asked) {
        const row = rows.get(instanceId)
        if (row?.subject === subject && (row.state !== "passed" || row.isRunning)) continue
        const anew = fresh(instanceId, subject, row?.run ?? 0, nowMs)
        const { concludedAtMs, outcomes = [] } = row ?? {}
        if (concludedAtMs === undefined) rows.set(instanceId, { ...anew, outcomes })
        else {
          const dueAtMs = Math.max(nowMs, concludedAtMs + gapMs)
          rows.set(instanceId, { ...anew, outcomes, concludedAtMs, dueAtMs })
        }
      }
    }),
    take: Effect.fnUntraced(function* ({ leaseMs, most, owner }) {
      const nowMs = yield* Clock.currentTimeMillis
      const due = [...rows.values()]
        .filter(({ dueAtMs, isRunning, leaseEndsAtMs }) => (isRunning ? leaseEndsAtMs <= nowMs : dueAtMs <= nowMs))
        .sort((a, b) => a.dueAtMs - b.dueAtMs)
      return due.slice(0, most).map((row) => {
        const run = row.isRunning ? row : { ...row, run: row.run + 1, steps: [] }
        const taken = { ...run, isRunning: true, owner, leaseEndsAtMs: nowMs + leaseMs }
        rows.set(row.instanceId, taken)
        return entryOf(taken)
      })
    }),
    note: Effect.fnUntraced(function* (noted) {
      const nowMs = yield* Clock.currentTimeMillis
      const row = held(noted)
      if (row === undefined) return false
      rows.set(row.instanceId, { ...row, steps: noted.steps, leaseEndsAtMs: nowMs + noted.leaseMs })
      return true
    }),
    conclude: Effect.fnUntraced(function* (concluded) {
      const nowMs = yield* Clock.currentTimeMillis
      const row = held(concluded)
      if (row === undefined) return false
      const { hasFailed, nextMs, state, steps } = concluded
      rows.set(row.instanceId, {
        ...row,
        state,
        outcomes: steps,
        steps: [],
        attempt: hasFailed ? row.attempt + 1 : 0,
        isRunning: false,
        owner: undefined,
        dueAtMs: nowMs + nextMs,
        concludedAtMs: nowMs,
      })
      return true
    }),
    find: (instanceId) =>
      Effect.sync(() => {
        const row = rows.get(instanceId)
        return row === undefined ? undefined : entryOf(row)
      }),
    forget: (instanceIds) =>
      Effect.sync(() => {
        for (const id of instanceIds) rows.delete(id)
      }),
  })
})
