/**
 * Why an agent could not start or go on.
 *
 * @since 0.1.0
 */
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"

/**
 * The one error of the agent. `detail` is a letter: what happened, why, what to do.
 *
 * - `HomeBusy`: another live agent uses the home.
 * - `HomeUnusable`: the home cannot be read or written.
 * - `PortInUse`: the server could not listen.
 * - `BadSetting`: a flag or a variable has a value that cannot be.
 * - `NoModel`: there is nothing to serve under the name that was asked for.
 * - `NotRunning`: no agent runs with this home.
 * - `NotReady`: the agent that runs cannot do that at the moment.
 * - `MarketAway`: the market could not be reached, or failed.
 * - `MarketRefused`: the market answered and said no; `code` is its reason, `status` the HTTP status.
 *
 * @category errors
 * @since 0.1.0
 */
export class AgentError extends Schema.TaggedError<AgentError>()("AgentError", {
  reason: Schema.Literals([
    "HomeBusy",
    "HomeUnusable",
    "PortInUse",
    "BadSetting",
    "NoModel",
    "NotRunning",
    "NotReady",
    "MarketAway",
    "MarketRefused",
  ]),
  detail: Schema.String,
  code: Schema.optionalKey(Schema.String),
  status: Schema.optionalKey(Schema.Int),
}) {
  get isRetryable(): boolean {
    return this.reason === "MarketAway" || this.reason === "HomeBusy" || this.reason === "NotReady"
  }
  override get message(): string {
    return this.detail
  }
  /** The command tells it as a letter; nobody prints its stack as well. */
  override get [Runtime.errorReported](): boolean {
    return false
  }
}
