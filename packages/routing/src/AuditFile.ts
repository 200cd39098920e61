/**
 * An export of decisions and of the log that they were made on, as a file: one JSON object a line. It starts with a `Head`
 * and stops with an `End`, so that a file that was cut off is told from a short one. Everything that an audit needs is in
 * it, and nothing of what was asked or answered.
 *
 * @since 0.1.0
 */
import { createHash, type Hash } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { ReasonCode } from "@guildhall/core/Reason"
import { RoutingProof as ProofSchema } from "@guildhall/core/Receipt"
import { RequestId } from "@guildhall/core/Request"
import { DirectorySegment, type RequestRecord } from "@guildhall/journal/Journal"
import { RoutingDecision } from "@guildhall/journal/JournalEntry"
import { Lines } from "./internal/Lines.ts"
import { NamedPolicies } from "./NamedPolicies.ts"
import * as RoutingProof from "./RoutingProof.ts"

/**
 * The name of this format, with its version.
 *
 * @category constants
 * @since 0.1.0
 */
export const FORMAT = "guildhall-routing-2"

/**
 * A line.
 *
 * - `Head`: the market, the policies that it was routed by, and the period, in Unix milliseconds.
 * - `Segment`: a stretch of a replica's log, as the journal has it.
 * - `Decision`: one request's. `proof` is its receipt's and `salt` the decision's, null where it has no proof; `definition` is the digest of
 *   the definition under which it began, null where it was refused; `reason` is what the buyer was told, null where it was served.
 * - `End`: how many of both there are, and the SHA-256 of all lines before it, each with its line feed, in hexadecimal.
 *
 * @category models
 * @since 0.1.0
 */
export const AuditLine = Schema.TaggedUnion({
  Head: {
    format: Schema.Literal(FORMAT),
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
  End: { segments: Schema.Int, decisions: Schema.Int, digest: Schema.String },
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
 * Whose decision a line is, as its proof has it; `undefined` for a request that was refused before it had a receipt.
 *
 * @category getters
 * @since 0.1.0
 */
export const subjectOf = (
  { market }: Pick<Head, "market">,
  { definition, id, reason }: Pick<Decided, "definition" | "id" | "reason">,
): RoutingProof.Subject | undefined => (definition === null ? undefined : { id, market, definition, reason })

/**
 * What a file holds. `isAltered` where it does not fit the digest in its last line.
 *
 * @category models
 * @since 0.1.0
 */
export interface Contents {
  readonly head: Head
  readonly segments: ReadonlyMap<string, ReadonlyArray<DirectorySegment>>
  readonly decisions: ReadonlyArray<Decided>
  readonly isAltered: boolean
}

/**
 * What a file may have at most; one with more is refused, since an audit holds all of it in memory.
 *
 * - `decisions`: about a kilobyte each. `segments`, and the characters in all of them together: `logChars`.
 * - `lineChars`: the characters of a line. A snapshot of a hundred thousand instances fits.
 *
 * @category models
 * @since 0.1.0
 */
export interface Limits {
  readonly decisions: number
  readonly segments: number
  readonly logChars: number
  readonly lineChars: number
}

/**
 * The limits of `guildhall routing audit`.
 *
 * @category constants
 * @since 0.1.0
 */
export const limits: Limits = {
  decisions: 1_000_000,
  segments: 1_000_000,
  logChars: 2_000_000_000,
  lineChars: 64_000_000,
}

/**
 * The first id that a request which began at this moment may have: ids sort by time.
 *
 * @category rules
 * @since 0.1.0
 */
export const firstId = (ms: number): RequestId =>
  RequestId.make(`req_${Math.max(0, Math.floor(ms)).toString(16).padStart(12, "0").slice(-12)}${"0".repeat(20)}`)

/**
 * Begins the digest of a file: each line is then added with a line feed.
 *
 * @category encoding
 * @since 0.1.0
 */
export const startDigest = (): Hash => createHash("sha256")

/**
 * Takes in a file line by line. `add` and `finish` answer what is wrong with the file, if anything is. A line that does not fit the
 * others is refused: a second decision of a request, or one of a request outside of the head's period.
 *
 * @category decoding
 * @since 0.1.0
 */
export class Reader {
  readonly #segments = new Map<string, Array<DirectorySegment>>()
  readonly #decisions: Array<Decided> = []
  readonly #ids = new Set<RequestId>()
  readonly #digest = startDigest()
  readonly #limits: Limits
  #head: Head | undefined
  #counts = { segments: 0, chars: 0, lines: 0 }
  #end: Extract<AuditLine, { readonly _tag: "End" }> | undefined
  #first: RequestId | undefined
  #after: RequestId | undefined

  constructor(most: Limits = limits) {
    this.#limits = most
  }

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
    if (line.success._tag !== "End") this.#digest.update(`${text}\n`)
    return Result.mapError(this.#take(line.success), (detail) => `${where} ${detail}`)
  }

  #take(line: AuditLine): Result.Result<void, string> {
    if (this.#end !== undefined) return Result.fail("comes after the end.")
    if ((line._tag === "Head") !== (this.#head === undefined))
      return Result.fail("is a head where there should be none.")
    switch (line._tag) {
      case "Head":
        return this.#begin(line)
      case "Segment":
        return this.#segment(line)
      case "Decision":
        return this.#decision(line)
      case "End":
        this.#end = line
        if (line.segments !== this.#counts.segments || line.decisions !== this.#decisions.length) {
          return Result.fail(`says that there are ${line.segments} segments and ${line.decisions} decisions.`)
        }
    }
    return Result.void
  }

  #begin(head: Head): Result.Result<void, string> {
    if (head.fromMs > head.toMs) return Result.fail("is a head whose period ends before it begins.")
    this.#head = head
    this.#first = firstId(head.fromMs)
    this.#after = firstId(head.toMs)
    return Result.void
  }

  #segment({ _tag, ...segment }: Extract<AuditLine, { readonly _tag: "Segment" }>): Result.Result<void, string> {
    this.#counts.segments++
    this.#counts.chars += segment.body.length
    const { logChars, segments } = this.#limits
    if (this.#counts.segments > segments || this.#counts.chars > logChars) {
      const most = `${segments} stretches or ${logChars} characters`
      return Result.fail(`is a part of the log beyond ${most}. Export a shorter period.`)
    }
    const others = this.#segments.get(segment.replica)
    if (others === undefined) this.#segments.set(segment.replica, [segment])
    else others.push(segment)
    return Result.void
  }

  #decision(line: Decided): Result.Result<void, string> {
    const { id } = line
    const { decisions } = this.#limits
    if (this.#decisions.length >= decisions) {
      return Result.fail(`is the decision after ${decisions}. Export a shorter period.`)
    }
    if (this.#ids.has(id)) return Result.fail(`is the second decision of ${id}. A request has one.`)
    if (this.#first === undefined || this.#after === undefined || id < this.#first || id >= this.#after) {
      return Result.fail(`is the decision of ${id}, which did not begin in the period that the head says.`)
    }
    this.#ids.add(id)
    this.#decisions.push(line)
    return Result.void
  }

  finish(): Result.Result<Contents, string> {
    if (this.#head === undefined || this.#end === undefined) {
      return Result.fail(`It was cut off after line ${this.#counts.lines}. Export it again.`)
    }
    const isAltered = this.#digest.digest("hex") !== this.#end.digest
    return Result.succeed({ head: this.#head, segments: this.#segments, decisions: this.#decisions, isAltered })
  }
}

/**
 * Reads a file, in pieces of any size, and fails with what is wrong with it. `progress` is called after each line with how many
 * were read.
 *
 * @category decoding
 * @since 0.1.0
 */
export const read = Effect.fnUntraced(function* <E, R>(
  pieces: Stream.Stream<string, E, R>,
  progress: (lines: number) => Effect.Effect<void> = () => Effect.void,
  most: Limits = limits,
): Effect.fn.Return<Contents, E | string, R> {
  const reader = new Reader(most)
  const lines = new Lines(most.lineChars)
  const take = (text: string) =>
    Effect.suspend(() => Effect.andThen(Effect.fromResult(reader.add(text)), progress(reader.lines)))
  yield* Stream.runForEach(pieces, (piece) =>
    Effect.gen(function* () {
      for (const line of lines.add(piece)) yield* take(line)
      if (!lines.isTooLong) return
      const line = `Line ${reader.lines + 1}`
      return yield* Effect.fail(`${line} is longer than ${most.lineChars} characters. Export the period again.`)
    }),
  )
  yield* take(lines.rest)
  return yield* Effect.fromResult(reader.finish())
})
