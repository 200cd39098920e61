/**
 * The command line's `routing`: export decisions, audit them, and ask why a provider was not routed to.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Command from "effect/cli/Command"
import type { Parts } from "@guildhall/core/Parts"
import type { Journal } from "@guildhall/journal/Journal"
import * as AuditCommand from "./AuditCommand.ts"
import * as WhyCommand from "./WhyCommand.ts"

/**
 * What the command needs: the facts of the market, its journal, and the parts by which definitions name policies. An
 * embedder's own policies are among its parts.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<E, R, E2, R2> {
  readonly facts: Effect.Effect<AuditCommand.MarketFacts, E, R>
  readonly journal: Layer.Layer<Journal, E2, R2>
  readonly parts: Parts
}

/**
 * The command. Nothing of the market is opened before a subcommand needs it; `audit` needs none of it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <E extends { readonly _tag: string; readonly message: string }, R, E2, R2>(
  options: Options<E, R, E2, R2>,
) =>
  Command.make("routing").pipe(
    Command.withDescription("Why requests went where they went"),
    Command.withSubcommands([
      AuditCommand.makeExport(options.facts, options.journal),
      AuditCommand.makeAudit(options.parts),
      WhyCommand.make(options.facts, options.journal, options.parts),
    ]),
  )
