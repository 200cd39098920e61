import * as Schema from "effect/Schema"
import type { AnswerHead } from "./AnswerBuffer.ts"

const Strings = Schema.Record(Schema.String, Schema.String)
const Head = Schema.fromJsonString(
  Schema.Struct({
    version: Schema.Literal(1),
    status: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 200, maximum: 599 }))),
    headers: Strings,
    trailers: Schema.optionalKey(Strings),
  }),
)
const decodeHead = Schema.decodeUnknownOption(Head)
const encodeHead = Schema.encodeSync(Head)

/** Headers of the moment: those of a connection or its server, and what is left of the asker's limits. */
const MOMENTARY: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
  "date",
  "set-cookie",
])

/** What of an answer's headers is told again. */
export const lasting = (headers: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers)
      .map(([name, value]) => [name.toLowerCase(), String(value)] as const)
      .filter(([name]) => !MOMENTARY.has(name) && !name.startsWith("x-ratelimit-")),
  )

/** An answer as it is kept: the length of its head in four bytes, the head as JSON, the bytes as they went out. */
export interface KeptAnswer extends AnswerHead {
  readonly trailers?: Readonly<Record<string, string>> | undefined
  readonly chunks: ReadonlyArray<Buffer>
}

/** So much of a kept answer goes to the socket at a time. */
const CHUNK_BYTES = 64 * 1024

export const encode = ({ chunks, headers, status, trailers }: KeptAnswer): Buffer => {
  const head = Buffer.from(encodeHead({ version: 1, status, headers, ...(trailers === undefined ? {} : { trailers }) }))
  const length = Buffer.alloc(4)
  length.writeUInt32BE(head.length)
  return Buffer.concat([length, head, ...chunks])
}

export const decode = (bytes: Buffer): KeptAnswer | undefined => {
  if (bytes.length < 4) return undefined
  const end = 4 + bytes.readUInt32BE()
  if (end > bytes.length) return undefined
  const head = decodeHead(bytes.toString("utf8", 4, end))
  if (head._tag === "None") return undefined
  const { headers, status, trailers } = head.value
  const body = bytes.subarray(end)
  const chunks = Array.from({ length: Math.ceil(body.length / CHUNK_BYTES) }, (_, at) =>
    body.subarray(at * CHUNK_BYTES, (at + 1) * CHUNK_BYTES),
  )
  return { status, headers, trailers, chunks }
}
