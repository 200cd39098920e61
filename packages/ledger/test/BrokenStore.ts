/** Stores that are broken on purpose: the guarantee that each one breaks must fail on it. */
import { Effect, Layer, Result } from "effect"
import { TestClock } from "effect/testing"
import type { Entry } from "../src/Entry.ts"
import type { LedgerError } from "../src/LedgerError.ts"
import { type Command, type History, LedgerStore, type Outcome, type Range } from "../src/LedgerStore.ts"
import * as LedgerStoreMemory from "../src/LedgerStoreMemory.ts"
import * as LedgerStoreTest from "../src/testing/LedgerStoreTest.ts"

/** Effect's own clock, which the store in memory follows. */
export const virtual = { pass: (durationMs: number) => TestClock.adjust(durationMs) }

export type Service = LedgerStore["Service"]

export type Answer = Result.Result<Outcome, LedgerError>

/** A store in memory, changed in this way, must fail the guarantee with this number. */
export const breaks = (name: string, number: number, change: (store: Service) => Partial<Service>) =>
  LedgerStoreTest.breaks(
    name,
    Layer.effect(
      LedgerStore,
      Effect.map(LedgerStore, (store) => LedgerStore.of({ ...store, ...change(store) })),
    ).pipe(Layer.provide(Layer.fresh(LedgerStoreMemory.layer))),
    number,
    virtual,
  )

/** A store that takes other commands than those it was given. */
export const rewrites = (name: string, number: number, rewrite: (command: Command) => Command) =>
  breaks(name, number, (store) => ({ commit: (commands) => store.commit(commands.map(rewrite)) }))

/** A store that answers other things than it should. */
export const answers = (
  name: string,
  number: number,
  change: (outcome: Outcome, command: Command | undefined) => Outcome,
) =>
  breaks(name, number, (store) => ({
    commit: (commands) =>
      Effect.map(store.commit(commands), (results) =>
        results.map((result, at) => Result.map(result, (outcome) => change(outcome, commands[at]))),
      ),
  }))

type Readers = {
  readonly [Kind in keyof History]: (items: ReadonlyArray<History[Kind]>) => ReadonlyArray<History[Kind]>
}

const asTheyAre: Readers = {
  entries: (items) => items,
  attachments: (items) => items,
  batches: (items) => items,
  nodes: (items) => items,
  payouts: (items) => items,
}

/** A store that shows another history than it has. */
export const rereads = (name: string, number: number, changes: Partial<Readers>) =>
  breaks(name, number, (store) => {
    const readers: Readers = { ...asTheyAre, ...changes }
    return {
      history: <Kind extends keyof History>(kind: Kind, range: Range) =>
        Effect.map(store.history(kind, range), (items) => readers[kind](items)),
    }
  })

/** The same, posting by posting. */
export const reposts = (
  name: string,
  number: number,
  change: (posted: Extract<Entry, { readonly _tag: "Posted" }>) => Entry | undefined,
) =>
  rereads(name, number, {
    entries: (entries) => entries.flatMap((entry) => (entry._tag === "Posted" ? (change(entry) ?? []) : [entry])),
  })

/** A store that makes something else of what it should have refused, or done no more. */
export const persists = (
  name: string,
  number: number,
  instead: (command: Command, answer: Answer, store: Service) => Effect.Effect<Command | undefined, LedgerError>,
) =>
  breaks(name, number, (store) => ({
    commit: Effect.fnUntraced(function* (commands) {
      const results: Array<Answer> = []
      for (const command of commands) {
        const [answer] = yield* store.commit([command])
        if (answer === undefined) continue
        const other = yield* instead(command, answer, store)
        results.push(...(other === undefined ? [answer] : yield* store.commit([other])))
      }
      return results
    }),
  }))

export const isRefused = (answer: Answer, reason: LedgerError["reason"]["_tag"]): boolean =>
  Result.isFailure(answer) && answer.failure.reason._tag === reason
