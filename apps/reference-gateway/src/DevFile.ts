/**
 * `dev.json` in the home: how to reach the market of this machine, for people, scripts and the next start.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { chmodSync, existsSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import path from "node:path"
import { LaunchError, reasonOf } from "./LaunchError.ts"

/**
 * The keys that an earlier start gave to this machine's buyer and operator. The database knows only their hashes, so
 * the next start finds them here.
 *
 * @category models
 * @since 0.1.0
 */
export interface Keys {
  readonly buyerKey: Redacted.Redacted
  readonly operatorKey: Redacted.Redacted
}

/**
 * The keys of this machine's members: those, and the provider's, which follows from the operator's.
 *
 * @category models
 * @since 0.1.0
 */
export interface AllKeys extends Keys {
  readonly providerKey: Redacted.Redacted
}

/** Where the keys of a home are. */
export const fileOf = (home: string): string => path.join(home, "dev.json")

/**
 * Reads the keys of an earlier start; `undefined` when there was none or the file is damaged.
 *
 * @category queries
 * @since 0.1.0
 */
export const readKeys = (home: string): Effect.Effect<Keys | undefined> =>
  Effect.sync(() => {
    if (!existsSync(fileOf(home))) return undefined
    try {
      const facts: unknown = JSON.parse(readFileSync(fileOf(home), "utf8"))
      if (typeof facts !== "object" || facts === null) return undefined
      if (!("buyerKey" in facts) || !("operatorKey" in facts)) return undefined
      const { buyerKey, operatorKey } = facts
      if (typeof buyerKey !== "string" || typeof operatorKey !== "string") return undefined
      return { buyerKey: Redacted.make(buyerKey), operatorKey: Redacted.make(operatorKey) }
    } catch {
      return undefined
    }
  })

/**
 * Writes the file in one step, readable by its owner only.
 *
 * @category commands
 * @since 0.1.0
 */
export const write = (home: string, url: string, keys: AllKeys): Effect.Effect<void, LaunchError> =>
  Effect.try({
    try: () => {
      const facts = {
        url,
        buyerKey: Redacted.value(keys.buyerKey),
        providerKey: Redacted.value(keys.providerKey),
        operatorKey: Redacted.value(keys.operatorKey),
        pid: process.pid,
      }
      const draft = `${fileOf(home)}.draft`
      writeFileSync(draft, `${JSON.stringify(facts, null, 2)}\n`, { mode: 0o600 })
      // The mode above only counts for a new file.
      chmodSync(draft, 0o600)
      renameSync(draft, fileOf(home))
    },
    catch: (cause) =>
      new LaunchError({
        what: `${fileOf(home)} could not be written.`,
        why: reasonOf(cause),
        todo: "Free some space on its disk, or choose another home with GUILDHALL_HOME.",
      }),
  })
