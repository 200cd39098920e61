/**
 * Why a chain could not be asked, or did not do what was asked.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as ChainError from "@guildhall/chain/ChainError"

/**
 * What is wrong with one endpoint. An endpoint is named by its host, never by its whole address: that often has a key in it.
 *
 * - `timeout`: it did not answer in time. `unreachable`: no connection. `cut`: the answer ended before it was whole.
 * - `limited`: it takes no more requests for now. `failing`: it answered that it cannot.
 * - `too_large`: its answer is longer than is read. `malformed`: what it says is no answer to what was asked.
 * - `lagging`: its newest block is far behind the others'. `outvoted`: it says one thing and most others another.
 * - `wrong_chain`: it serves another chain.
 *
 * @category models
 * @since 0.1.0
 */
export const Fault = Schema.Literals([
  "timeout",
  "unreachable",
  "cut",
  "limited",
  "failing",
  "too_large",
  "malformed",
  "lagging",
  "outvoted",
  "wrong_chain",
])
/** @since 0.1.0 */
export type Fault = typeof Fault.Type

/** One endpoint's fault, and its figures. @category models @since 0.1.0 */
export const EndpointFault = Schema.Struct({ endpoint: Schema.String, fault: Fault, detail: Schema.String })
/** @since 0.1.0 */
export type EndpointFault = typeof EndpointFault.Type

const listed = (faults: ReadonlyArray<EndpointFault>): string =>
  faults.map(({ detail, endpoint, fault }) => `${endpoint}: ${fault}, ${detail}`).join(" ")

/** Too few endpoints answered. @category errors @since 0.1.0 */
export class Unreachable extends Schema.TaggedError<Unreachable>()("Unreachable", {
  method: Schema.String,
  faults: Schema.Array(EndpointFault),
}) {
  readonly isRetryable = true
  /** What happened, without what to do about it. */
  get told(): string {
    return `Too few endpoints answered ${this.method}. ${listed(this.faults)}`
  }
  override get message(): string {
    return `${this.told} Try again, or name another endpoint.`
  }
}

/** The endpoints say different things, and no majority says the same. @category errors @since 0.1.0 */
export class Disagreement extends Schema.TaggedError<Disagreement>()("Disagreement", {
  method: Schema.String,
  detail: Schema.String,
}) {
  readonly isRetryable = true
  override get message(): string {
    return `The endpoints disagree about ${this.method}: ${this.detail} It may be a reorganisation: try again. If it stays, take out the one that is wrong; with three, the market finds it by itself.`
  }
}

/** No endpoint serves the chain that was meant. @category errors @since 0.1.0 */
export class WrongChain extends Schema.TaggedError<WrongChain>()("WrongChain", {
  endpoint: Schema.String,
  expected: Schema.Int,
  found: Schema.Int,
}) {
  readonly isRetryable = false
  override get message(): string {
    return `${this.endpoint} serves chain ${this.found}, not ${this.expected}. Name an endpoint of the right chain.`
  }
}

/** The node understood, and refuses: a call reverts, a nonce is used up. @category errors @since 0.1.0 */
export class NodeRefused extends Schema.TaggedError<NodeRefused>()("NodeRefused", {
  endpoint: Schema.String,
  method: Schema.String,
  code: Schema.Int,
  detail: Schema.String,
  data: Schema.NullOr(Schema.String),
}) {
  readonly isRetryable = false
  override get message(): string {
    return `${this.endpoint} refused ${this.method} (${this.code}): ${this.detail}`
  }
}

/** All of them. @category errors @since 0.1.0 */
export const RpcReason = Schema.Union([Unreachable, Disagreement, WrongChain, NodeRefused])
/** @since 0.1.0 */
export type RpcReason = typeof RpcReason.Type

/** The error of `Rpc`. @category errors @since 0.1.0 */
export class RpcError extends Schema.TaggedError<RpcError>()("RpcError", { reason: RpcReason }) {
  get isRetryable(): boolean {
    return this.reason.isRetryable
  }
  override get message(): string {
    return this.reason.message
  }
}

/** The same for the ports of a chain. @category errors @since 0.1.0 */
export const toChainError = ({ reason }: RpcError): ChainError.ChainError => {
  switch (reason._tag) {
    case "Disagreement":
      return new ChainError.ChainError({ reason: new ChainError.Disagreement({ detail: reason.detail }) })
    case "WrongChain": {
      const { expected, found } = reason
      return new ChainError.ChainError({ reason: new ChainError.WrongChain({ expected, found }) })
    }
    case "Unreachable":
      return new ChainError.ChainError({ reason: new ChainError.Unavailable({ detail: reason.told }) })
    case "NodeRefused":
      return new ChainError.ChainError({ reason: new ChainError.Unavailable({ detail: reason.message }) })
  }
}
