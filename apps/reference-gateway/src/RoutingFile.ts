/**
 * `routing.json` in the home: what its market is called, and every policy that it was routed by, so that a command, or a later
 * start with another definition, can make older decisions again.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { NamedPolicies } from "@guildhall/routing/NamedPolicies"
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import path from "node:path"

/** The market's name, the digest of its newest definition, and the policies, the newest last. */
export const RoutingFacts = Schema.Struct({ market: Schema.String, definition: Schema.String, policies: NamedPolicies })
export type RoutingFacts = typeof RoutingFacts.Type

/** A market that changes its policy more often than this forgets the oldest. */
const POLICIES_MAX = 200

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(RoutingFacts))

const fileOf = (home: string) => path.join(home, "routing.json")

/**
 * Reads what an earlier start wrote; `undefined` when there was none or the file is damaged.
 *
 * @category queries
 * @since 0.1.0
 */
export const read = (home: string): Effect.Effect<RoutingFacts | undefined> =>
  Effect.sync(() => {
    if (!existsSync(fileOf(home))) return undefined
    try {
      return Option.getOrUndefined(decode(readFileSync(fileOf(home), "utf8")))
    } catch {
      return undefined
    }
  })

/**
 * Adds what this start routes by. Several processes of one market may do so at once: they write the same.
 *
 * @category commands
 * @since 0.1.0
 */
export const add = Effect.fnUntraced(function* (home: string, { definition, market, policies }: RoutingFacts) {
  const known = Object.entries((yield* read(home))?.policies ?? {}).filter(([name]) => !(name in policies))
  const all = Object.fromEntries([...known, ...Object.entries(policies)].slice(-POLICIES_MAX))
  const written = Effect.try(() => {
    const draft = `${fileOf(home)}.${process.pid}.draft`
    writeFileSync(draft, `${JSON.stringify({ market, definition, policies: all })}\n`)
    renameSync(draft, fileOf(home))
  })
  yield* Effect.catchCause(written, (cause) =>
    Effect.logWarning(
      "routing.json could not be written: commands will not know by which policy the market routes.",
      cause,
    ),
  )
})
