/** The command `chain` in this process, over a test's anvil: what it printed, and whether it went well. */
import { NodeServices } from "@effect/platform-node"
import { Console, Effect, Exit, Redacted } from "effect"
import { Command } from "effect/cli"
import * as Anvil from "@guildhall/tools/Anvil"
import * as ChainCommand from "../src/ChainCommand.ts"
import { anvil } from "../src/chains/anvil.ts"
import { base } from "../src/chains/base.ts"
import * as Signer from "../src/Signer.ts"

/** Anvil, looked at often. */
export const chain = { ...anvil, blockTimeMs: 40 }

/** What a test may say otherwise: whose key is set, where the chain is asked, and the market. */
export interface Trial {
  readonly key?: string | undefined
  readonly url?: string | undefined
  /** Where standard error goes, for who must hear of it while the command runs. */
  readonly told?: Array<string> | undefined
  readonly market?: ChainCommand.Market | undefined
}

/** Runs it. The lines of standard output and of standard error are apart. */
export const run = Effect.fnUntraced(function* (args: ReadonlyArray<string>, trial: Trial = {}) {
  const { account, url } = yield* Anvil.Anvil
  const keys = trial.key === undefined ? [] : [(yield* account(trial.key)).privateKey]
  const command = ChainCommand.make({
    chains: Effect.succeed([chain, base]),
    endpoints: () => Effect.succeed([Redacted.make(trial.url ?? url)]),
    signer: Signer.layerMemory(keys),
    definition: () => Effect.succeed(trial.market ?? { name: "none" }),
  })
  const out: Array<string> = []
  const { told = [] } = trial
  const console = yield* Console.Console
  const exit = yield* Command.runWith(command, { version: "0.0.0" })(args).pipe(
    Effect.provideService(Console.Console, {
      ...console,
      log: (...texts: ReadonlyArray<unknown>) => void out.push(texts.join(" ")),
      error: (...texts: ReadonlyArray<unknown>) => void told.push(texts.join(" ")),
    }),
    Effect.provide(NodeServices.layer),
    Effect.exit,
  )
  return { isDone: Exit.isSuccess(exit), out: out.join("\n"), told: told.join("\n") }
})

/** Runs it with `--json`, and reads the one object that it prints. */
export const json = Effect.fnUntraced(function* (args: ReadonlyArray<string>, trial: Trial = {}) {
  const { isDone, out } = yield* run([...args, "--json"], trial)
  const answer: Record<string, unknown> = { ...JSON.parse(out), isDone }
  return answer
})
