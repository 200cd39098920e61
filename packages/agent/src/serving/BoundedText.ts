/**
 * Reads what somebody else answers, up to a length: whoever answers may send without end.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"

/**
 * The text of an answer, or `undefined` where it is longer than so many bytes, whatever its headers say: then no more of it is read.
 * How long it may take is the caller's to say.
 *
 * @category decoding
 * @since 0.1.0
 */
export const read = (
  response: HttpClientResponse.HttpClientResponse,
  maxBytes: number,
): Effect.Effect<string | undefined, HttpClientError.HttpClientError> =>
  Effect.suspend(() => {
    let bytes = 0
    let isWhole = Number(response.headers["content-length"] ?? 0) <= maxBytes
    return response.stream.pipe(
      Stream.takeWhile((chunk) => {
        bytes += chunk.byteLength
        isWhole = isWhole && bytes <= maxBytes
        return isWhole
      }),
      Stream.decodeText,
      Stream.mkString,
      Effect.map((text) => (isWhole ? text : undefined)),
    )
  })
