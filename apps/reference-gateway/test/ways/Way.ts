/**
 * A way in, as the scenarios of every way see it: how a provider of that way joins, what its process and its network are, and
 * what the way promises when these fail. A way of its own is one file beside this one that makes a {@link Way}, and one test
 * file that hands it to `Scenarios.suite`.
 */
import type { CheckName } from "@guildhall/core/EntryVerification"
import type { AgentLog } from "../AgentLog.ts"
import type { Switch } from "../CutNetwork.ts"
import type { WayMarket } from "./WayMarket.ts"

/** All that a provider of these tests can pass: its model server does not tell its weights, and nobody says where it is. */
export const CHECKS = [
  "resolve",
  "reach",
  "tls",
  "device_key",
  "completion",
  "streaming",
  "context",
  "concurrency",
] as const satisfies ReadonlyArray<CheckName>

/** What a way promises. */
export interface Way {
  readonly name: string
  /** Whether a device key stands behind its providers: else receipts say `unattested`. */
  readonly isAttested: boolean
  /** The checks that its market asks for at the entry; none where such providers are not checked by it. */
  readonly checks: ReadonlyArray<CheckName>
  /** Whether a buyer has each token as it is made, or the answer once it is whole. */
  readonly delivery: "tokens" | "whole"
  /** What becomes of an answer whose provider's network is gone for two seconds. */
  readonly shortLoss: "goes on" | "ends"
  /** Joins with a name that no other provider of this market has, and is online when this is over. */
  readonly join: (market: WayMarket, name: string) => Promise<Provider>
}

/** One provider of a way: its process, its network, and its member. */
export interface Provider {
  readonly member: string
  readonly key: string
  readonly log: () => AgentLog
  /** How often its engine was asked for an answer. */
  readonly asked: () => number
  /** kill -9 of the process that serves. */
  readonly kill: () => Promise<void>
  /** Starts that process again with what it has on the disk. */
  readonly comeBack: () => Promise<void>
  /** Leaves as one should: what is under way goes on. It ends when the process is gone, where it ends by itself. */
  readonly leave: () => Promise<void>
  /** Its network to the market and back. */
  readonly network: Switch
}
