import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { Instance } from "@guildhall/core/Instance"
import { CloudAccounts, type OpenedAccount } from "@guildhall/registry/CloudAccounts"
import { CloudAccountId } from "@guildhall/registry/CloudStore"
import * as Ticks from "./Ticks.ts"

/** What is known of an account while it is on the shelf. */
export interface Opened {
  readonly account: OpenedAccount
  /** How its service is called. One object for as long as it is known, since transports remember what they made of it. */
  readonly reach: Instance["reach"]
  readonly authorization: string
  /** The path under which the service has what OpenAI has under `/v1`. */
  readonly strip: boolean
  /** Until when it is left alone, as this process knows: milliseconds since 1970. */
  parkedUntilMs: number
}

/** An account is opened again after so long: one that was removed, or has another token, is known no longer than this. */
const KEPT_MS = 1_000
const KEPT_MAX = 1_000

type Waiting = (opened: Opened | undefined) => void

const openedOf = (account: OpenedAccount): Opened => {
  const path = URL.parse(account.baseUrl)?.pathname.replace(/\/+$/, "") ?? ""
  return {
    account,
    reach: { _tag: "Endpoint", url: account.baseUrl },
    authorization: `Bearer ${Redacted.value(account.token)}`,
    strip: path !== "" && !path.endsWith("/v1"),
    parkedUntilMs: account.parked?.untilMs ?? 0,
  }
}

/** The accounts that are in use, opened: for a second each, and gone from memory after it. */
export interface CloudShelf {
  /** The account, if it is on the shelf. */
  readonly get: (id: string) => Opened | undefined
  /** Opens an account and tells; `undefined` where it cannot be opened. Never tells before it returns. */
  readonly open: (id: string, tell: Waiting) => void
  /** Takes an account off the shelf: what the store knows of it is news. */
  readonly forget: (id: string) => void
}

export const make: Effect.Effect<CloudShelf, never, CloudAccounts | Scope.Scope> = Effect.gen(function* () {
  const accounts = yield* CloudAccounts
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  const kept = new Map<string, { readonly opened: Opened; readonly timer: Ticks.Timer }>()
  const opening = new Map<string, Array<Waiting>>()
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      for (const { timer } of kept.values()) Ticks.stop(timer)
      kept.clear()
    }),
  )

  const keep = (id: string, opened: Opened): void => {
    // One that is left alone is in no use, and when that ends is the store's to say.
    if (kept.size >= KEPT_MAX || opened.account.parked !== null) return
    kept.set(id, { opened, timer: Ticks.after(KEPT_MS, () => kept.delete(id)) })
  }

  const open = (id: string) =>
    accounts.open(CloudAccountId.make(id)).pipe(
      // One that was removed a moment ago is no news; one that does not open is somebody's to mend.
      Effect.tapError((error) => (error.code === "not_found" ? Effect.void : Effect.logError(error.message))),
    )

  return {
    get: (id) => kept.get(id)?.opened,
    forget: (id) => {
      Ticks.stop(kept.get(id)?.timer)
      kept.delete(id)
    },
    open: (id, tell) => {
      const waiting = opening.get(id)
      if (waiting !== undefined) return void waiting.push(tell)
      const all = [tell]
      opening.set(id, all)
      queueMicrotask(() =>
        fork(open(id)).addObserver((exit) => {
          opening.delete(id)
          const opened = Exit.isSuccess(exit) ? openedOf(exit.value) : undefined
          if (opened !== undefined) keep(id, opened)
          for (const one of all) one(opened)
        }),
      )
    },
  }
})
