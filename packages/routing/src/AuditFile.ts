/**
 * An export of decisions and of the log that they were made on, as a file: one JSON object a line. It starts with a `Head`
 * and stops with an `End`, so that a file that was cut off is told from a short one. Everything that an audit needs is in
 * it, and nothing of what was asked or answered.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { ReasonCode } from "@guildhall/core/Reason"
import { RoutingProof as ProofSchema } from "@guildhall/core/Receipt"
import { RequestId } from "@guildhall/core/Request"
import { DirectorySegment, type RequestRecord } from "@guildhall/journal/Journal"
import { RoutingDecision } from "@guildhall/journal/JournalEntry"
import { NamedPolicies } from "./NamedPolicies.ts"
import * as RoutingProof from "./RoutingProof.ts"

/**
 * A line.
 *
 * - `Head`: the market, the policies that it was routed by, and the period, in Unix milliseconds.
 * - `Segment`: a stretch of a replica's log, as the journal has it.
 * - `Decision`: one request's. `proof` is its receipt's and `salt` the decision's, null where it has no proof; `definition` is the digest of
 *   the definition under which it began, null where it was refused; `reason` is what the buyer was told, null where it was served.
 * - `End`: how many of both there are.
 *
 * @category models
 * @since 0.1.0
 */
export const AuditLine = Schema.TaggedUnion({
  Head: {
    format: Schema.Literal("guildhall-routing-1"),
    market: Schema.String,
    definition: Schema.String,
    policies: NamedPolicies,
    fromMs: Schema.Int,
    toMs: Schema.Int,
  },
  Segment: DirectorySegment.fields,
  Decision: {
    id: RequestId,
    reason: Schema.NullOr(ReasonCode),
    definition: Schema.NullOr(Schema.String),
    decision: RoutingDecision,
    salt: Schema.NullOr(Schema.String),
    proof: Schema.NullOr(ProofSchema),
  },
  End: { segments: Schema.Int, decisions: Schema.Int },
})
/** @since 0.1.0 */
export type AuditLine = typeof AuditLine.Type
/** @since 0.1.0 */
export type Head = Extract<AuditLine, { readonly _tag: "Head" }>
/** @since 0.1.0 */
export type Decided = Extract<AuditLine, { readonly _tag: "Decision" }>

const Line = Schema.fromJsonString(Schema.toCodecJson(AuditLine))
const decode = Schema.decodeUnknownResult(Line)

/**
 * Writes a line, without its line feed.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encode: (line: AuditLine) => string = Schema.encodeSync(Line)

/**
 * The line of a request that came to the router; `undefined` for one that did not.
 *
 * @category constructors
 * @since 0.1.0
 */
export const decided = (record: RequestRecord): Decided | undefined => {
  const { decision } = record
  if (decision === null) return undefined
  if (record._tag === "RequestRefused") {
    const { reason, requestId: id } = record
    return { _tag: "Decision", id, reason, definition: null, decision, salt: null, proof: null }
  }
  const { definitionDigest, id, reason = null, routing } = record.receipt
  const proved =
    routing === undefined
      ? { salt: null, proof: null }
      : { salt: RoutingProof.saltOf(record.salts.request), proof: routing }
  return { _tag: "Decision", id, reason, definition: definitionDigest, decision, ...proved }
}

/**
 * What a file holds.
 *
 * @category models
 * @since 0.1.0
 */
export interface Contents {
  readonly head: Head
  readonly segments: ReadonlyMap<string, ReadonlyArray<DirectorySegment>>
  readonly decisions: ReadonlyArray<Decided>
}

/**
 * A file with more decisions is refused: the audit holds them all in memory, about a kilobyte each. Export a shorter period.
 *
 * @category constants
 * @since 0.1.0
 */
export const DECISIONS_MAX = 1_000_000

/**
 * Takes in a file line by line. `add` and `finish` answer what is wrong with the file, if anything is.
 *
 * @category decoding
 * @since 0.1.0
 */
export class Reader {
  readonly #segments = new Map<string, Array<DirectorySegment>>()
  readonly #decisions: Array<Decided> = []
  #head: Head | undefined
  #counts = { segments: 0, lines: 0, isOver: false }

  /** How many lines were taken in. */
  get lines(): number {
    return this.#counts.lines
  }

  add(text: string): Result.Result<void, string> {
    if (text.trim() === "") return Result.void
    this.#counts.lines++
    const where = `Line ${this.#counts.lines}`
    const line = decode(text)
    if (Result.isFailure(line)) {
      return Result.fail(`${where} is none of an export: ${line.failure.message.replace(/\s+/g, " ").slice(0, 200)}`)
    }
    return Result.mapError(this.#take(line.success), (detail) => `${where} ${detail}`)
  }

  #take(line: AuditLine): Result.Result<void, string> {
    if (this.#counts.isOver) return Result.fail("comes after the end.")
    if ((line._tag === "Head") !== (this.#head === undefined))
      return Result.fail("is a head where there should be none.")
    switch (line._tag) {
      case "Head":
        this.#head = line
        break
      case "Segment": {
        const { _tag, ...segment } = line
        const others = this.#segments.get(segment.replica)
        if (others === undefined) this.#segments.set(segment.replica, [segment])
        else others.push(segment)
        this.#counts.segments++
        break
      }
      case "Decision":
        if (this.#decisions.length >= DECISIONS_MAX) {
          return Result.fail(`is the decision after ${DECISIONS_MAX}. Export a shorter period.`)
        }
        this.#decisions.push(line)
        break
      case "End":
        this.#counts.isOver = true
        if (line.segments !== this.#counts.segments || line.decisions !== this.#decisions.length) {
          return Result.fail(`says that there are ${line.segments} segments and ${line.decisions} decisions.`)
        }
    }
    return Result.void
  }

  finish(): Result.Result<Contents, string> {
    if (this.#head === undefined || !this.#counts.isOver) {
      return Result.fail(`It was cut off after line ${this.#counts.lines}. Export it again.`)
    }
    return Result.succeed({ head: this.#head, segments: this.#segments, decisions: this.#decisions })
  }
}
