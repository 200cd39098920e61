/** What the page shows of its provider, and who hears that it changed. */
import type { Outcome } from "@guildhall/core/EntryVerification"

/**
 * Where the provider stands. `earned` is the provider's share of what was served, by its own count, in the smallest unit of the
 * market's price asset; what the market settles is on the member's account.
 */
export interface Standing {
  readonly phase:
    | "idle"
    | "loading"
    | "joining"
    | "checking"
    | "serving"
    | "reconnecting"
    | "draining"
    | "stopped"
    | "failed"
  readonly model: string | undefined
  readonly engine: string | undefined
  readonly fingerprint: string | undefined
  readonly instance: string | undefined
  /** The part of a download that has come, from 0 to 1. */
  readonly progress: number | undefined
  readonly requests: number
  readonly failures: number
  readonly inFlight: number
  readonly inputTokens: number
  readonly outputTokens: number
  readonly earned: bigint
  /** What is wrong, as a letter. */
  readonly letter: string | undefined
  /** What was worth a warning since the start, newest first. */
  readonly notes: ReadonlyArray<{ readonly atMs: number; readonly text: string }>
  /** What the market's checks found wrong. */
  readonly findings: ReadonlyArray<Outcome>
  readonly startedAtMs: number | undefined
}

export const IDLE: Standing = {
  phase: "idle",
  model: undefined,
  engine: undefined,
  fingerprint: undefined,
  instance: undefined,
  progress: undefined,
  requests: 0,
  failures: 0,
  inFlight: 0,
  inputTokens: 0,
  outputTokens: 0,
  earned: 0n,
  letter: undefined,
  notes: [],
  findings: [],
  startedAtMs: undefined,
}

/** Holds the standing, for React's `useSyncExternalStore`. */
export class StandingStore {
  #standing: Standing = IDLE
  readonly #listeners = new Set<() => void>()

  readonly get = (): Standing => this.#standing

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  readonly update = (change: Partial<Standing>): void => {
    this.#standing = { ...this.#standing, ...change }
    for (const listener of this.#listeners) listener()
  }
}
