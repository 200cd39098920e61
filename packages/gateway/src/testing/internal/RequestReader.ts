/** A request as it came, body and all. */
export interface Request {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

const BYTES_MAX = 256 * 1024 * 1024

interface Head {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
}

const headOf = (text: string): Head => {
  const [line = "", ...rest] = text.split("\r\n")
  const [method = "", path = ""] = line.split(" ")
  const headers: Record<string, string> = {}
  for (const one of rest) {
    const colon = one.indexOf(":")
    headers[one.slice(0, colon).toLowerCase()] = one.slice(colon + 1).trim()
  }
  return { method, path, headers }
}

/** The body at the start of these bytes, and how many of them it takes; undefined where it is not complete. */
const bodyOf = (
  bytes: Buffer,
  headers: Head["headers"],
): { readonly body: Buffer; readonly end: number } | undefined => {
  if (headers["transfer-encoding"] !== "chunked") {
    const end = Number(headers["content-length"] ?? 0)
    return bytes.length < end ? undefined : { body: bytes.subarray(0, end), end }
  }
  const chunks: Array<Buffer> = []
  for (let at = 0; ;) {
    const line = bytes.indexOf("\r\n", at)
    if (line === -1) return undefined
    const size = Number.parseInt(bytes.toString("latin1", at, line), 16)
    const end = line + 2 + size + 2
    if (bytes.length < end) return undefined
    if (size === 0) return { body: Buffer.concat(chunks), end }
    chunks.push(bytes.subarray(line + 2, line + 2 + size))
    at = end
  }
}

/** Reads requests from what a socket delivers; undefined once one is too long to be kept. */
export const make = (): ((chunk: Buffer) => ReadonlyArray<Request> | undefined) => {
  let kept: Buffer = Buffer.alloc(0)
  return (chunk) => {
    kept = kept.length === 0 ? chunk : Buffer.concat([kept, chunk])
    const requests: Array<Request> = []
    for (;;) {
      const blank = kept.indexOf("\r\n\r\n")
      if (blank === -1) break
      const head = headOf(kept.toString("latin1", 0, blank))
      const read = bodyOf(kept.subarray(blank + 4), head.headers)
      if (read === undefined) break
      requests.push({ ...head, body: read.body.toString("utf8") })
      kept = kept.subarray(blank + 4 + read.end)
    }
    return kept.length > BYTES_MAX ? undefined : requests
  }
}
