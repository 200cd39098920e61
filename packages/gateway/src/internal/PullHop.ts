import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Instance } from "@guildhall/core/Instance"
import type { Dispatch } from "@guildhall/protocol/ProviderTransport"
import { encodeStart, type OpenHead } from "@guildhall/protocol/provider/TunnelFrame"
import { SILENT, type StreamListener, type TunnelStream } from "@guildhall/protocol/provider/TunnelStream"
import type { PullJobs } from "../PullJobs.ts"

/** Names the instance of a request that is passed on to the gateway which its worker asks. */
export const HEADER = "guildhall-pull-instance"

const InstanceText = Schema.fromJsonString(Schema.toCodecJson(Instance))
const encodeInstance = Schema.encodeSync(InstanceText)
const decodeInstance = Schema.decodeUnknownOption(InstanceText)

export const encode = (instance: Instance): string => Buffer.from(encodeInstance(instance)).toString("base64url")

export const decode = (header: string): Instance | undefined =>
  Option.getOrUndefined(decodeInstance(Buffer.from(header, "base64url").toString("utf8")))

/** How long a request that was passed on waits for its worker. */
const CONNECT_MS = 5_000
/** The gateway that the buyer came to knows how long it waits, and takes the request back. */
const HEADERS_MS = 3_600_000
const BODY_BYTES_MAX = 64 * 1024 * 1024

/** Offers a request that another gateway passed on to the worker that asks here, and passes the answer back. */
export const serve = (
  jobs: PullJobs["Service"],
  stream: TunnelStream,
  { method, path }: OpenHead,
  { headers, instance }: { readonly headers: Readonly<Record<string, string>>; readonly instance: Instance },
): StreamListener => {
  const chunks: Array<Uint8Array> = []
  let bytes = 0
  let dispatch: Dispatch | undefined
  const offer = (): Dispatch =>
    jobs.dispatch(
      {
        instance,
        method: method === "GET" ? "GET" : "POST",
        path,
        headers,
        body: Buffer.concat(chunks.splice(0)),
        connectMs: CONNECT_MS,
        headersMs: HEADERS_MS,
      },
      {
        onStart: (status, answered) => {
          const head = encodeStart({ status, headers: answered })
          if (head === undefined) dispatch?.cancel("The answer's headers are larger than gateways pass on.")
          else stream.begin(head)
        },
        onData: (chunk) => stream.write(chunk),
        onEnd: () => stream.finish(),
        onError: ({ detail }) => stream.reset(detail),
      },
    )
  if (!jobs.isThere(instance)) {
    stream.reset("The instance's worker has left this gateway.")
    return SILENT
  }
  return {
    onData: (chunk) => {
      bytes += chunk.byteLength
      // Its memory may be part of a message that is long gone when the body is complete.
      if (bytes <= BODY_BYTES_MAX) chunks.push(Uint8Array.from(chunk))
      else stream.reset("The request is larger than gateways pass on.")
      return true
    },
    onEnd: () => {
      dispatch = offer()
    },
    onReset: (detail) => dispatch?.cancel(detail),
    onDrain: () => dispatch?.resume(),
  }
}
