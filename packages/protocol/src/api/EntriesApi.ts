/**
 * What the checks of a provider's instance found.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import { CheckName, EntryState, Outcome } from "@guildhall/core/EntryVerification"
import { InstanceId } from "@guildhall/core/Instance"
import { Access, ByDevice, Roles } from "./Access.ts"
import { errors } from "./Problem.ts"

/**
 * Where an instance stands. `checks` are the outcomes of the last run that ended, with what is wrong and what to do; `running` those so
 * far of the one under way, if `isRunning`. `attempt` counts the runs that failed in a row; the next one is at `nextAtMs` at the
 * latest, or sooner where the instance changes: of one that has passed it is not told. `isAttested`: its device proved its key.
 *
 * @category models
 * @since 0.1.0
 */
export const EntryView = Schema.Struct({
  instance: InstanceId,
  state: EntryState,
  isAttested: Schema.Boolean,
  asked: Schema.Array(CheckName),
  checks: Schema.Array(Outcome),
  isRunning: Schema.Boolean,
  running: Schema.Array(Outcome),
  attempt: Schema.Int,
  nextAtMs: Schema.optionalKey(Schema.Int),
  endedAtMs: Schema.optionalKey(Schema.Int),
})
/** @since 0.1.0 */
export type EntryView = typeof EntryView.Type

/**
 * The group. A provider sees its own instances, an operator all.
 *
 * @category groups
 * @since 0.1.0
 */
export class EntriesApi extends HttpApiGroup.make("entries")
  .add(
    HttpApiEndpoint.get("entry", "/v1/providers/:id/entry", {
      params: { id: InstanceId },
      success: EntryView,
      error: errors(403, 404, 503),
    })
      .annotate(Roles, ["provider", "operator"])
      .annotate(ByDevice, true)
      .annotate(OpenApi.Summary, "Whether an instance passed the market's checks, and what each found."),
  )
  .middleware(Access)
  .annotate(OpenApi.Title, "Entry verification") {}
