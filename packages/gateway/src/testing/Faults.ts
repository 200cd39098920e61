/**
 * What goes wrong with providers, as a list: each entry with a name and a plan. A gateway can be shown all of them, in each
 * dialect.
 *
 * @since 0.1.0
 */
import type { ReasonCode } from "@guildhall/core/Reason"
import * as Plan from "./FaultPlan.ts"
import type { FaultPlan, Step } from "./FaultPlan.ts"
import type { Dialect, Said } from "./Speech.ts"

/**
 * A fault that spoils an answer. `reason` is what a buyer is told if no other provider can be asked; `waits` says that it shows
 * only by a timeout; `dialects` are those in which it is a fault, all of them if absent.
 *
 * @category models
 * @since 0.1.0
 */
export interface Fault {
  readonly name: string
  readonly reason: ReasonCode
  readonly plan: (said: Said) => FaultPlan
  readonly waits?: boolean
  readonly dialects?: ReadonlyArray<Dialect>
}

/**
 * A way of sending a good stream that must not spoil it. `shape` is how each part of it is written; `arrives` what of the
 * whole text comes to the buyer, all of it if absent.
 *
 * @category models
 * @since 0.1.0
 */
export interface Manner {
  readonly name: string
  readonly shape?: (text: string) => string
  readonly plan: (text: string) => FaultPlan
  readonly arrives?: (text: string) => string
}

const fault = (name: string, reason: ReasonCode, plan: Fault["plan"], waits = false): Fault => ({
  name,
  reason,
  plan,
  waits,
})

const { cut, delay, end, head, reset, stall, streamHead, write } = Plan
const JSON_TYPE = { "content-type": "application/json" }
const SSE = { "content-type": "text/event-stream" }
const refusal = (message: string) => JSON.stringify({ error: { message, type: "x", param: null, code: null } })
/** Longer than any event that a gateway should keep. */
const HUGE_BYTES = 9 * 1024 * 1024
/** In a packet of its own, so that what came before it is on its way already. */
const later = delay(15)

const closed = "provider_closed_early"
const invalid = "provider_invalid_response"
const failed = "provider_error"
const busy = "provider_busy"

/** Faults that answer nothing: of streams and of whole answers alike. */
const silent: ReadonlyArray<Fault> = [
  fault("a 500", failed, () => Plan.whole(500, "oops", { "content-type": "text/plain" })),
  fault("a 503 with Retry-After", busy, () =>
    Plan.whole(503, refusal("loading"), { ...JSON_TYPE, "retry-after": "30" }),
  ),
  fault("a 429 with Retry-After", busy, () => Plan.busy(30)),
  fault("a 401 of its own", failed, () => Plan.whole(401, refusal("ticket"))),
  fault("a 404 of its own", failed, () => Plan.whole(404, refusal("no such model"))),
  fault("a redirect", failed, () => Plan.whole(307, "", { location: "http://127.0.0.1:1/" })),
  fault("a 304", failed, () => [head(304, {}, 0), end()]),
  fault("a page of HTML", invalid, () => Plan.whole(200, "<html>login</html>", { "content-type": "text/html" })),
  fault("no content type", invalid, (said) => Plan.whole(200, said.whole, {})),
  fault("an empty answer", invalid, () => [head(200, {}, 0), end()]),
  fault("a socket closed at once", closed, () => [cut]),
  fault("a socket reset at once", closed, () => [reset]),
  fault("half a head", closed, () => [Plan.raw("HTTP/1.1 200 OK\r\ncontent-ty"), cut]),
  fault("no HTTP at all", closed, () => [Plan.raw("SSH-2.0-OpenSSH_9.6\r\n"), cut]),
  fault("a head that is too long", closed, () => [head(200, { "x-long": "x".repeat(100_000) }), end()]),
  fault("an interim answer and nothing else", closed, () => [Plan.interim(103), cut]),
]

const opened = (...steps: ReadonlyArray<Step>) => [streamHead, ...steps]

/**
 * Faults of a stream that come before any of its content, so that another provider can be asked.
 *
 * @category constants
 * @since 0.1.0
 */
export const early: ReadonlyArray<Fault> = [
  ...silent,
  fault("a whole answer instead of a stream", invalid, (said) => Plan.whole(200, said.whole)),
  fault("a refusal as JSON with 200", failed, () => Plan.whole(200, refusal("oom"))),
  fault("gzip although nobody asked", invalid, (said) => [
    head(200, { ...SSE, "content-encoding": "gzip" }),
    Plan.gzip(said.stream),
    end(),
  ]),
  fault("an error as the first event", failed, (said) => opened(write(said.error("oom")))),
  fault("an error after the opening", failed, (said) => opened(write(said.opening), later, write(said.error("oom")))),
  fault("an error in the same packet as the opening", failed, (said) =>
    opened(write(said.opening + said.error("oom"))),
  ),
  fault("an event that is not JSON", invalid, () => opened(write("data: {nope\n\n"))),
  fault("an event that is a number", invalid, () => opened(write("data: 5\n\n"))),
  fault("an event that is a list", invalid, () => opened(write("data: []\n\n"))),
  fault("an event that is null", invalid, (said) => opened(write(`${said.opening}data: null\n\n`))),
  fault("an event that is cut in the middle by a blank line", invalid, (said) =>
    opened(write(said.opening.replace(/\{/, "{\n\n"))),
  ),
  fault("an empty stream", closed, () => opened()),
  fault("half an event", closed, () => opened(write("data: {"))),
  fault("nothing but comments", closed, () => opened(write(": working\n\n: working\n\n"))),
  fault("an end after the opening", closed, (said) => opened(write(said.opening))),
  fault("a cut after the head", closed, () => opened(cut)),
  fault("a reset after the head", closed, () => opened(later, reset)),
  fault("a cut after the opening", closed, (said) => opened(write(said.opening), later, cut)),
  fault("a reset after the opening", closed, (said) => opened(write(said.opening), later, reset)),
  fault("a cut in the middle of the opening", closed, (said) => opened(write(said.opening.slice(0, 30)), later, cut)),
  fault("a length that is never reached", closed, (said) => [head(200, SSE, 100_000), write(said.opening), cut]),
  fault("a chunk that is none", closed, (said) => opened(write(said.opening), later, Plan.raw("zzz\r\n"))),
  fault("an event that is too long", invalid, () => opened(write(`data: "${"x".repeat(HUGE_BYTES)}`))),
  {
    ...fault("nothing but the end", invalid, (said) => opened(write(said.done))),
    dialects: ["chat/completions", "completions", "messages"],
  },
  {
    ...fault("an opening and the end", invalid, (said) => opened(write(said.opening + said.usage + said.done))),
    dialects: ["chat/completions", "completions"],
  },
  fault("silence", "provider_headers_timeout", () => [stall], true),
  fault("silence after an interim answer", "provider_headers_timeout", () => [Plan.interim(103), stall], true),
  fault("silence after the head", "provider_token_timeout", () => opened(stall), true),
  fault("silence after the opening", "provider_token_timeout", (said) => opened(write(said.opening), stall), true),
  fault("comments for ever", "provider_token_timeout", () => opened(Plan.repeat(": working\n\n", 10_000, 20)), true),
  fault(
    "empty events for ever",
    "provider_token_timeout",
    (said) => opened(write(said.opening), Plan.repeat("data:{}\n\n", 10_000, 30)),
    true,
  ),
]

const begun = (said: Said) => [streamHead, write(said.opening + said.tokens.join("")), later]

/**
 * Faults of a stream that come when some of its content has gone to the buyer.
 *
 * @category constants
 * @since 0.1.0
 */
export const late: ReadonlyArray<Fault> = [
  fault("an end without the last event", closed, (said) => [...begun(said), end()]),
  fault("an end after the finish, without the last event", closed, (said) => [
    ...begun(said),
    write(said.finish),
    end(),
  ]),
  fault("a cut", closed, (said) => [...begun(said), cut]),
  fault("a reset", closed, (said) => [...begun(said), reset]),
  fault("half an event and an end", closed, (said) => [...begun(said), write('data: {"cho'), end()]),
  fault("half an event and a cut", closed, (said) => [...begun(said), write('data: {"cho'), cut]),
  fault("half a character and a cut", closed, (said) => [
    ...begun(said),
    Plan.raw("6\r\n"),
    { _tag: "Raw", base64: Buffer.from([100, 97, 116, 97, 58, 0xe2]).toString("base64") },
    Plan.raw("\r\n"),
    cut,
  ]),
  fault("a token without its blank line", closed, (said) => [
    ...begun(said),
    write((said.tokens.at(-1) ?? "").trimEnd()),
    end(),
  ]),
  fault("an event that is not JSON", invalid, (said) => [...begun(said), write("data: nope\n\n"), end()]),
  fault("an event that is a string", invalid, (said) => [...begun(said), write('data: "x"\n\n'), end()]),
  fault("an error", failed, (said) => [...begun(said), write(said.error("oom")), end()]),
  fault("an error and then the last event", failed, (said) => [
    ...begun(said),
    write(said.error("oom") + said.finish + said.done),
    end(),
  ]),
  fault("a chunk that is none", closed, (said) => [...begun(said), Plan.raw("zzz\r\n")]),
  fault("a length that is never reached", closed, (said) => [
    head(200, SSE, 100_000),
    write(said.opening + said.tokens.join("")),
    later,
    cut,
  ]),
  fault("a length that is too short", closed, (said) => {
    const text = said.opening + said.tokens.join("")
    return [head(200, SSE, Buffer.byteLength(text)), write(text), later, write(said.finish + said.done), end()]
  }),
  fault("an event that is too long", invalid, (said) => [...begun(said), write(`data: "${"x".repeat(HUGE_BYTES)}`)]),
  fault("silence", "provider_stalled", (said) => [...begun(said), stall], true),
  fault("silence after the finish", "provider_stalled", (said) => [...begun(said), write(said.finish), stall], true),
]

const inBytes = (text: string, cuts: ReadonlyArray<number>) => [streamHead, Plan.writeCut(text, cuts)]
const offsets = (text: string, found: (bytes: Buffer, at: number) => boolean): ReadonlyArray<number> => {
  const bytes = Buffer.from(text)
  return Array.from({ length: bytes.length }, (_, at) => at).filter((at) => at > 0 && found(bytes, at))
}
const crlf = (text: string) => text.replaceAll("\n", "\r\n")
/** Each event's JSON in two `data` lines, cut where JSON allows it. */
const inLines = (text: string) => text.replace(/^data: (\{"[a-z_]+":)/gm, "data: $1\ndata: ")
const before = (text: string, what: string) => text.replaceAll(/^(?:event|data): /gm, (line) => what + line)

/**
 * Ways of sending a stream which are unusual, or wrong, and do no harm.
 *
 * @category constants
 * @since 0.1.0
 */
export const manners: ReadonlyArray<Manner> = [
  { name: "in one packet", plan: (text) => Plan.stream(text) },
  { name: "without the blank line after its last event", plan: (text) => Plan.stream(text.trimEnd()) },
  { name: "byte by byte", plan: (text) => [streamHead, Plan.writeBytes(text)] },
  {
    name: "cut inside each character of several bytes",
    plan: (text) =>
      inBytes(
        text,
        offsets(text, (bytes, at) => ((bytes[at] ?? 0) & 0xc0) === 0x80),
      ),
  },
  {
    name: "cut between the two ends of each event's last line",
    plan: (text) =>
      inBytes(
        text,
        offsets(text, (bytes, at) => bytes[at] === 10 && bytes[at - 1] === 10),
      ),
  },
  { name: "with CRLF", shape: crlf, plan: (text) => Plan.stream(text) },
  {
    name: "with CRLF, cut inside of each",
    shape: crlf,
    plan: (text) =>
      inBytes(
        text,
        offsets(text, (bytes, at) => bytes[at] === 10 && bytes[at - 1] === 13),
      ),
  },
  { name: "with CRLF, byte by byte", shape: crlf, plan: (text) => [streamHead, Plan.writeBytes(text)] },
  {
    name: "with CRLF and LF mixed",
    shape: (text) => text.replaceAll("\n\n", "\r\n\n"),
    plan: (text) => Plan.stream(text),
  },
  { name: "without a space after `data:`", shape: (text) => text.replaceAll("data: ", "data:"), plan: Plan.stream },
  { name: "with `id:` lines", shape: (text) => before(text, "id: 7\n"), plan: Plan.stream },
  { name: "with `retry:` lines", shape: (text) => before(text, "retry: 10\n"), plan: Plan.stream },
  { name: "with unknown lines", shape: (text) => before(text, "foo: bar\n"), plan: Plan.stream },
  { name: "with a comment in each event", shape: (text) => before(text, ": note\n"), plan: Plan.stream },
  { name: "with its JSON in several `data` lines", shape: inLines, plan: Plan.stream },
  {
    name: "with a blank line too many before its last event",
    shape: (text) => {
      const last = text.lastIndexOf("\n\n", text.length - 3) + 2
      return last === 1 ? text : `${text.slice(0, last)}\n${text.slice(last)}`
    },
    plan: Plan.stream,
  },
  {
    name: "after a byte order mark",
    plan: (text) => Plan.stream(`\uFEFF${text}`),
    arrives: (text) => text,
  },
  { name: "with comments before its first event", plan: (text) => Plan.stream(`: hello\n\n${text}`) },
  {
    name: "after 103 Early Hints, twice",
    plan: (text) => [Plan.interim(103, { link: "</x>" }), Plan.interim(103), ...Plan.stream(text)],
  },
  { name: "with trailers", plan: (text) => [streamHead, write(text), end({ trailers: { "x-usage": "7" } })] },
  { name: "until the connection closes", plan: (text) => [head(200, SSE, "close"), write(text), end()] },
  {
    name: "with a length",
    plan: (text) => [head(200, SSE, Buffer.byteLength(text)), write(text), end()],
  },
  {
    name: "with another spelling of its type",
    plan: (text) => [head(200, { "Content-Type": "Text/Event-Stream; Charset=UTF-8" }), write(text), end()],
  },
  { name: "and the connection closes", plan: (text) => [streamHead, write(text), end({ close: true })] },
  {
    name: "and the idle connection closes a little later",
    plan: (text) => [streamHead, write(text), end({ close: true, lateMs: 5 })],
  },
  { name: "and the connection breaks", plan: (text) => [streamHead, write(text), delay(30), reset] },
  { name: "and the answer is never closed", plan: (text) => [streamHead, write(text), stall] },
  { name: "and more events after the last one", plan: (text) => [streamHead, write(text + text), end()] },
  {
    name: "and more events after the last one, later",
    plan: (text) => [streamHead, write(text), delay(5), write(text), end()],
  },
  { name: "and nonsense after the last event", plan: (text) => [streamHead, write(`${text}data: {nope\n\nx`), end()] },
  { name: "and bytes beyond its length", plan: (text) => [head(200, SSE, Buffer.byteLength(text)), write(`${text}x`)] },
  {
    name: "slowly, event by event",
    plan: (text) => [
      streamHead,
      Plan.writeCut(
        text,
        offsets(text, (bytes, at) => bytes[at - 1] === 10 && bytes[at - 2] === 10),
        10,
      ),
    ],
  },
]

/** The whole answer with other members. */
const spoiled = (said: Said, members: object) => {
  const whole: object = JSON.parse(said.whole)
  return Plan.whole(200, JSON.stringify({ ...whole, ...members }))
}

/** Whole answers with usage to be paid for, and nothing else, or an error. */
const hollow: ReadonlyArray<Fault> = [
  fault("an error beside it", failed, (said) => spoiled(said, { error: { message: "overloaded", code: 529 } })),
  fault("nothing but its usage", invalid, (said) =>
    spoiled(said, { choices: [], output: [], content: [], status: undefined, stop_reason: undefined }),
  ),
  {
    ...fault("a choice that is a number", invalid, (said) => spoiled(said, { choices: [1] })),
    dialects: ["chat/completions", "completions"],
  },
  {
    ...fault("a choice that ends and says nothing", invalid, (said) =>
      spoiled(said, { choices: [{ index: 0, finish_reason: "stop" }] }),
    ),
    dialects: ["chat/completions", "completions"],
  },
  {
    ...fault("an error as its type", failed, (said) => spoiled(said, { type: "error", error: { message: "oom" } })),
    dialects: ["messages"],
  },
  {
    ...fault("a status that says that it failed", invalid, (said) => spoiled(said, { status: "failed" })),
    dialects: ["responses"],
  },
]

/**
 * Faults of a whole answer. All of them show before the first byte has gone to the buyer.
 *
 * @category constants
 * @since 0.1.0
 */
export const wholes: ReadonlyArray<Fault> = [
  ...silent,
  ...hollow,
  fault("an error with 200", failed, () => Plan.whole(200, refusal("oom"))),
  fault("nothing of what was asked for", invalid, () => Plan.whole(200, "{}")),
  fault("null", invalid, () => Plan.whole(200, "null")),
  fault("text that is not JSON", invalid, () => Plan.whole(200, "nope")),
  fault("a stream instead", invalid, (said) => Plan.stream(said.stream)),
  fault("gzip although nobody asked", invalid, (said) => [
    head(200, { ...JSON_TYPE, "content-encoding": "gzip" }),
    Plan.gzip(said.whole),
    end(),
  ]),
  fault("half of it and an end", invalid, (said) => [
    head(200, JSON_TYPE),
    write(said.whole.slice(0, said.whole.length / 2)),
    end(),
  ]),
  fault("half of it until the connection closes", invalid, (said) => [
    head(200, JSON_TYPE, "close"),
    write(said.whole.slice(0, said.whole.length / 2)),
    end(),
  ]),
  fault("half of its length and a cut", closed, (said) => [
    head(200, JSON_TYPE, Buffer.byteLength(said.whole)),
    write(said.whole.slice(0, said.whole.length / 2)),
    cut,
  ]),
  fault("half of its chunks and a cut", closed, (said) => [
    head(200, JSON_TYPE),
    write(said.whole.slice(0, said.whole.length / 2)),
    cut,
  ]),
  fault("all of it, without the last chunk", closed, (said) => [head(200, JSON_TYPE), write(said.whole), later, cut]),
  fault("all of it and a reset", closed, (said) => [head(200, JSON_TYPE), write(said.whole), later, reset]),
  fault("a length that is too long", closed, (said) => [
    head(200, JSON_TYPE, Buffer.byteLength(said.whole) + 10),
    write(said.whole),
    later,
    cut,
  ]),
  fault("a length that is too short", invalid, (said) => [
    head(200, JSON_TYPE, Buffer.byteLength(said.whole) - 10),
    write(said.whole),
    end(),
  ]),
  fault("a chunk that is none", closed, (said) => [
    head(200, JSON_TYPE),
    write(said.whole.slice(0, 20)),
    Plan.raw("zzz\r\n"),
  ]),
]

/**
 * Ways of sending a whole answer which are unusual and do no harm.
 *
 * @category constants
 * @since 0.1.0
 */
export const wholeManners: ReadonlyArray<Manner> = [
  { name: "in one packet", plan: (text) => Plan.whole(200, text) },
  { name: "byte by byte", plan: (text) => [head(200, JSON_TYPE), Plan.writeBytes(text)] },
  { name: "with spaces around it", shape: (text) => `\n  ${text}\n`, plan: (text) => Plan.whole(200, text) },
  {
    name: "with trailers",
    plan: (text) => [head(200, JSON_TYPE), write(text), end({ trailers: { "x-usage": "7" } })],
  },
  { name: "until the connection closes", plan: (text) => [head(200, JSON_TYPE, "close"), write(text), end()] },
  { name: "after 103 Early Hints", plan: (text) => [Plan.interim(103, { link: "</x>" }), ...Plan.whole(200, text)] },
  {
    name: "with another spelling of its type",
    plan: (text) => Plan.whole(200, text, { "Content-Type": "Application/JSON; Charset=UTF-8" }),
  },
  { name: "with status 201", plan: (text) => Plan.whole(201, text) },
  { name: "and the connection closes", plan: (text) => [...Plan.whole(200, text).slice(0, -1), end({ close: true })] },
  {
    name: "and the idle connection closes a little later",
    plan: (text) => [...Plan.whole(200, text).slice(0, -1), end({ close: true, lateMs: 5 })],
  },
  {
    name: "slowly",
    plan: (text) => [
      head(200, JSON_TYPE),
      Plan.writeCut(
        text,
        Array.from({ length: 10 }, (_, at) => at * 12),
        15,
      ),
    ],
  },
]

/**
 * What a provider may report as usage that is not true, with its name.
 *
 * @category constants
 * @since 0.1.0
 */
export const usages: ReadonlyArray<{
  readonly name: string
  readonly usage: { readonly prompt: unknown; readonly completion: unknown } | null
}> = [
  { name: "none", usage: null },
  { name: "null", usage: { prompt: null, completion: null } },
  { name: "far too much", usage: { prompt: 900_000, completion: 900_000 } },
  { name: "more than a number can count", usage: { prompt: 1e300, completion: 1e300 } },
  { name: "more than is exact", usage: { prompt: Number.MAX_SAFE_INTEGER, completion: Number.MAX_SAFE_INTEGER } },
  { name: "less than nothing", usage: { prompt: -5, completion: -50 } },
  { name: "less than nothing of one", usage: { prompt: 5, completion: -50 } },
  { name: "fractions", usage: { prompt: 1.5, completion: 2.5 } },
  { name: "strings", usage: { prompt: "5", completion: "2" } },
  { name: "lists", usage: { prompt: [5], completion: [2] } },
  { name: "objects", usage: { prompt: {}, completion: {} } },
  { name: "truth values", usage: { prompt: true, completion: false } },
  { name: "nothing", usage: { prompt: 0, completion: 0 } },
]
