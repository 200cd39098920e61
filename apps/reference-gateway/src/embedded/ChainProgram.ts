/**
 * The chain's program of this machine: anvil, as npm installed it.
 */
import * as Effect from "effect/Effect"
import { LaunchError, reasonOf } from "../LaunchError.ts"
import * as FoundryProgram from "./FoundryProgram.ts"

const missing = (machine: string, why: string) =>
  new LaunchError({
    what: `There is no anvil for this machine (${machine}) among the installed packages, so there is no chain to start.`,
    why,
    todo:
      "Run `npm ci --include=optional` in the repository. Where the package does not exist for your system, start an anvil " +
      "yourself and name it: GUILDHALL_CHAIN_RPC=http://127.0.0.1:8545.",
  })

/**
 * Finds the installed program of a machine, by default this one; answers its path.
 *
 * @category constructors
 * @since 0.1.0
 */
export const find = (machine: string = FoundryProgram.own): Effect.Effect<string, LaunchError> =>
  Effect.try({
    try: () => FoundryProgram.find("anvil", import.meta.url, machine),
    catch: (cause) => missing(machine, reasonOf(cause).split("\n")[0] ?? ""),
  })
