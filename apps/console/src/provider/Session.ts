/**
 * The one provider of this tab: started and stopped by buttons, watched by the pages, ended with the tab. It outlives the change
 * from one page to the other.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Redacted from "effect/Redacted"
import { DeviceName } from "@guildhall/core/Device"
import * as Api from "../Api.ts"
import type { BrowserKey } from "./BrowserKey.ts"
import type { BrowserEngine } from "./BrowserEngine.ts"
import { BrowserError, wordsOf } from "./BrowserError.ts"
import * as BrowserProvider from "./BrowserProvider.ts"
import { IDLE, StandingStore } from "./Standing.ts"

export const standing = new StandingStore()

/** Two tabs with one key would speak over each other. */
const LOCK = "guildhall-provider"

let stopping: Deferred.Deferred<void> | undefined
let leave: (() => void) | undefined

const isRunning = (): boolean => !["idle", "stopped", "failed"].includes(standing.get().phase)

/** The screen stays on while the page serves: a phone that sleeps serves nobody. */
const keepAwake = async (): Promise<() => void> => {
  const lock = await navigator.wakeLock?.request("screen").catch(() => undefined)
  return () => void lock?.release().catch(() => undefined)
}

/** Runs `work` as the only tab that does. */
const alone = async (work: () => Promise<void>): Promise<void> => {
  if (navigator.locks === undefined) return work()
  await navigator.locks.request(LOCK, { ifAvailable: true }, async (lock) => {
    if (lock === null) {
      throw new BrowserError("Another tab of this browser serves already. Stop it there, or close that tab.")
    }
    await work()
  })
}

/** What people call this browser, such as `Chrome on Linux`. */
const browserName = (): string => {
  const agent = navigator.userAgent
  const [, program = "Browser"] = /(Edg|Firefox|Chrome|Safari)/.exec(agent.replace(/Chrome(?=.*Edg)/, "")) ?? []
  const [, system = "a device"] = /(Android|iPhone|iPad|Windows|Mac OS X|CrOS|Linux)/.exec(agent) ?? []
  return `${program === "Edg" ? "Edge" : program} on ${system === "Mac OS X" ? "macOS" : system}`
}

/** A browser that has no name yet gets one, so that its member finds it in the list. */
const name = async (apiKey: Redacted.Redacted, { id, publicKey }: BrowserKey): Promise<void> => {
  const listed = await Api.call(apiKey, (client) => client.devices.list())
  const own = listed.ok ? listed.value.data.find((one) => one.publicKey === publicKey) : undefined
  if (own === undefined || own.name !== null) return
  const payload = { name: DeviceName.make(browserName()) }
  await Api.call(apiKey, (client) => client.devices.rename({ params: { id }, payload }))
}

const letterOf = (cause: Cause.Cause<BrowserError>): string => {
  const error = Cause.squash(cause)
  return error instanceof BrowserError
    ? error.message
    : `Something failed in this page: ${wordsOf(error)} Load it again.`
}

/** Starts to serve: loads the model, then joins. It ends when it was stopped, or has failed, which is told in the standing. */
export const start = async (options: {
  readonly apiKey: Redacted.Redacted
  readonly load: (onProgress: (part: number) => void) => Promise<BrowserEngine>
  readonly prices: { readonly input: number; readonly output: number }
  readonly shareBps: bigint
}): Promise<void> => {
  if (isRunning()) return
  standing.update({ ...IDLE, phase: "loading" })
  const stopped = Deferred.makeUnsafe<void>()
  stopping = stopped
  const work = async (): Promise<void> => {
    const engine = await options.load((progress) => standing.update({ progress }))
    standing.update({ progress: undefined, model: engine.model, engine: engine.name })
    const release = await keepAwake()
    const exit = await Effect.runPromiseExit(
      BrowserProvider.run({
        url: globalThis.location.origin,
        apiKey: options.apiKey,
        engine,
        prices: options.prices,
        shareBps: options.shareBps,
        standing,
        onJoined: (key) => Effect.promise(() => name(options.apiKey, key)),
        entryOf: (id) =>
          Effect.map(
            Effect.promise(() => Api.call(options.apiKey, (client) => client.entries.entry({ params: { id } }))),
            (answer) => (answer.ok ? answer.value : undefined),
          ),
        stop: Deferred.await(stopped),
        onGone: (go) => (leave = go),
      }),
    )
    leave = undefined
    release()
    await engine.close().catch(() => undefined)
    if (Exit.isSuccess(exit)) standing.update({ phase: "stopped", inFlight: 0, letter: undefined })
    else standing.update({ phase: "failed", inFlight: 0, letter: letterOf(exit.cause) })
  }
  await alone(work).catch((error: unknown) => {
    standing.update({
      phase: "failed",
      progress: undefined,
      letter: error instanceof BrowserError ? error.message : wordsOf(error),
    })
  })
}

/** Stops to serve: what is under way is finished first. */
export const stop = (): void => {
  if (stopping !== undefined) Deferred.doneUnsafe(stopping, Effect.void)
}

globalThis.addEventListener?.("pagehide", () => {
  if (leave === undefined) return
  leave()
  leave = undefined
  stop()
})

// Whoever closes the tab in the middle of an answer is asked once.
globalThis.addEventListener?.("beforeunload", (event) => {
  if (standing.get().inFlight > 0) event.preventDefault()
})
