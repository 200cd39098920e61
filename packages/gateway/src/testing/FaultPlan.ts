/**
 * What a provider's server does with one request, as plain data: its answer byte for byte, and everything that can go wrong
 * on the way. A plan can be written to a file, and read from one.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

const bytesMax = 1_000_000_000
const msMax = 3_600_000
const Count = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: bytesMax }))
const Ms = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: msMax }))
const Headers = Schema.Record(Schema.String, Schema.String)

/**
 * How an answer's length is told: in chunks, by a number (which may be wrong), or by closing the connection.
 *
 * @category models
 * @since 0.1.0
 */
export const Framing = Schema.Union([Schema.Literals(["chunked", "close"]), Count])
/** @since 0.1.0 */
export type Framing = typeof Framing.Type

/**
 * One step.
 *
 * - `Interim`: an answer before the answer, such as `100` or `103`.
 * - `Head`: status and headers. The framing's own header is added.
 * - `Write`: text of the body. `cuts` are byte offsets at which it is cut into packets of their own, `everyMs` apart.
 * - `Repeat`: the same text again and again, as far as the caller takes it; `everyMs` is 0 for as fast as that.
 * - `Gzip`: text of the body, compressed whatever the head says.
 * - `Raw`: bytes past all framing, in base64.
 * - `Delay`: nothing for a while. `Stall`: nothing for ever.
 * - `End`: the answer is over, with trailers where it is chunked. `close` closes the connection as well, `lateMs` later.
 * - `Cut`: the connection ends in mid-answer (FIN). `Reset`: it breaks (RST).
 *
 * @category models
 * @since 0.1.0
 */
export const Step = Schema.TaggedUnion({
  Interim: { status: Count, headers: Schema.optionalKey(Headers) },
  Head: { status: Count, headers: Headers, framing: Framing },
  Write: {
    text: Schema.String,
    cuts: Schema.optionalKey(Schema.Array(Count)),
    everyMs: Schema.optionalKey(Ms),
  },
  Repeat: { text: Schema.String, times: Count, everyMs: Ms },
  Gzip: { text: Schema.String },
  Raw: { base64: Schema.String },
  Delay: { ms: Ms },
  Stall: {},
  End: {
    trailers: Schema.optionalKey(Headers),
    close: Schema.optionalKey(Schema.Boolean),
    lateMs: Schema.optionalKey(Ms),
  },
  Cut: {},
  Reset: {},
})
/** @since 0.1.0 */
export type Step = typeof Step.Type

/**
 * A plan: the steps in their order. One that does not say how the answer ends ends it well.
 *
 * **Example** (Half an answer, written down)
 *
 * ```ts
 * import { Schema } from "effect"
 * import { FaultPlan } from "@guildhall/gateway/testing"
 *
 * const plan = [FaultPlan.head(200, { "content-type": "application/json" }, 100), FaultPlan.write("{"), FaultPlan.cut]
 * const text = Schema.encodeSync(Schema.fromJsonString(FaultPlan.FaultPlan))(plan)
 * const read = Schema.decodeUnknownSync(Schema.fromJsonString(FaultPlan.FaultPlan))(text)
 * read.map((step) => step._tag) // => ["Head", "Write", "Cut"]
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export const FaultPlan = Schema.Array(Step)
/** @since 0.1.0 */
export type FaultPlan = typeof FaultPlan.Type

/** Status, headers and framing. @category steps @since 0.1.0 */
export const head = (
  status: number,
  headers: Readonly<Record<string, string>> = {},
  framing: Framing = "chunked",
): Step => ({ _tag: "Head", status, headers, framing })

/** The head of a good stream. @category steps @since 0.1.0 */
export const streamHead: Step = head(200, { "content-type": "text/event-stream" })

/** An answer before the answer. @category steps @since 0.1.0 */
export const interim = (status: number, headers: Readonly<Record<string, string>> = {}): Step => ({
  _tag: "Interim",
  status,
  headers,
})

/** Text of the body, in one piece. @category steps @since 0.1.0 */
export const write = (text: string): Step => ({ _tag: "Write", text })

/** Text of the body, cut at byte offsets into packets that leave `everyMs` apart. @category steps @since 0.1.0 */
export const writeCut = (text: string, cuts: ReadonlyArray<number>, everyMs = 0): Step => ({
  _tag: "Write",
  text,
  cuts,
  everyMs,
})

/** Text of the body, each byte in a packet of its own. @category steps @since 0.1.0 */
export const writeBytes = (text: string): Step =>
  writeCut(
    text,
    Array.from({ length: Math.max(0, Buffer.byteLength(text) - 1) }, (_, at) => at + 1),
  )

/** The same text many times. @category steps @since 0.1.0 */
export const repeat = (text: string, times: number, everyMs = 0): Step => ({ _tag: "Repeat", text, times, everyMs })

/** Compressed text that nobody asked for. @category steps @since 0.1.0 */
export const gzip = (text: string): Step => ({ _tag: "Gzip", text })

/** Text past all framing. @category steps @since 0.1.0 */
export const raw = (text: string): Step => ({ _tag: "Raw", base64: Buffer.from(text).toString("base64") })

/** Nothing for a while. @category steps @since 0.1.0 */
export const delay = (ms: number): Step => ({ _tag: "Delay", ms })

/** Nothing for ever. @category steps @since 0.1.0 */
export const stall: Step = { _tag: "Stall" }

/** The connection ends here. @category steps @since 0.1.0 */
export const cut: Step = { _tag: "Cut" }

/** The connection breaks here. @category steps @since 0.1.0 */
export const reset: Step = { _tag: "Reset" }

/** The answer is over. @category steps @since 0.1.0 */
export const end = (options: Omit<Extract<Step, { readonly _tag: "End" }>, "_tag"> = {}): Step => ({
  _tag: "End",
  ...options,
})

/**
 * A whole answer with a correct length.
 *
 * @category plans
 * @since 0.1.0
 */
export const whole = (
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = { "content-type": "application/json" },
): FaultPlan => [head(status, headers, Buffer.byteLength(text)), write(text), end()]

/**
 * A good stream of that text.
 *
 * @category plans
 * @since 0.1.0
 */
export const stream = (text: string): FaultPlan => [streamHead, write(text), end()]

/**
 * Busy, and when to come again.
 *
 * @category plans
 * @since 0.1.0
 */
export const busy = (retryAfterS: number): FaultPlan =>
  whole(429, '{"error":{"message":"busy","type":"rate_limit_error","param":null,"code":null}}', {
    "content-type": "application/json",
    "retry-after": String(retryAfterS),
  })
