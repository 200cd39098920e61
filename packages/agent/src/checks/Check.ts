/**
 * One thing that has to be right for a machine to serve, and what to do where it is not. `guildhall-agent doctor` runs a list of
 * them; a further one is a file beside this one and a line in `LocalChecks`.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import type * as HttpClient from "effect/http/HttpClient"
import type { Classification, DeviceClasses } from "@guildhall/core/rules/DeviceClass"
import type { AgentError } from "../AgentError.ts"
import type { Detected } from "../detect/Detect.ts"
import type { MarketTerms } from "../MarketTerms.ts"

/**
 * The market that was asked: none (then the usual classes count), its terms, or why it did not tell them.
 *
 * @category models
 * @since 0.1.0
 */
export type Market =
  | { readonly _tag: "None" }
  | { readonly _tag: "Found"; readonly url: string; readonly terms: MarketTerms }
  | { readonly _tag: "Away"; readonly url: string; readonly error: AgentError }

/**
 * What is looked at: the machine, its class by `classes`, the market, and the folder in which the agent keeps its files.
 *
 * @category models
 * @since 0.1.0
 */
export interface Subject {
  readonly detected: Detected
  readonly classes: DeviceClasses
  readonly classification: Classification
  readonly market: Market
  readonly home: string
}

/**
 * What a check found. `warned` is something that is worth mending and stops nobody; `skipped` says why it was not looked at.
 * `detail` says what is there, in words and figures, and `fix` what to do.
 *
 * @category models
 * @since 0.1.0
 */
export interface Verdict {
  readonly state: "passed" | "warned" | "failed" | "skipped"
  readonly detail: string
  readonly fix?: string | undefined
}

/**
 * What a check may use.
 *
 * @category models
 * @since 0.1.0
 */
export type Needs = FileSystem.FileSystem | Path.Path | HttpClient.HttpClient

/**
 * A check. It never fails: what it cannot find out is its verdict.
 *
 * @category models
 * @since 0.1.0
 */
export interface Check {
  readonly name: string
  readonly run: (subject: Subject) => Effect.Effect<Verdict, never, Needs>
}
