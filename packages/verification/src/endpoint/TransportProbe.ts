/**
 * Asks through the market's own transport, as a buyer's request goes: the layer of `EndpointProbe` for gateways. Over a tunnel
 * or to a URL is the transport's to know.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Instance } from "@guildhall/core/Instance"
import { type Dispatch, ProviderTransport, type TransportError } from "@guildhall/protocol/ProviderTransport"
import { type Answer, EndpointProbe, type Piece, type Question } from "./EndpointProbe.ts"
import * as RouteLook from "./RouteLook.ts"

/**
 * `headers` are what a buyer's request carries to this instance beside what is the same for all: its ticket and its id.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends RouteLook.Options {
  readonly headers: (instance: Instance) => Effect.Effect<Readonly<Record<string, string>>>
}

/**
 * Asks one question of something that answers like a transport: nothing of it waits for longer, or keeps more, than the question
 * allows.
 *
 * @category constructors
 * @since 0.1.0
 */
export const ask = (
  dispatch: ProviderTransport["Service"]["dispatch"],
  question: Question,
  headers: Readonly<Record<string, string>>,
): Effect.Effect<Answer> =>
  Effect.gen(function* () {
    const { bytesMax, instance, limitMs, method, path } = question
    const clock = yield* Clock.Clock
    const beganNs = clock.currentTimeNanosUnsafe()
    const elapsedMs = (): number => Number(clock.currentTimeNanosUnsafe() - beganNs) / 1e6
    const broken = (reason: TransportError["reason"] | "TooLarge" | "TooSlow", detail: string): Answer => ({
      _tag: "Broken",
      reason,
      detail,
      tookMs: elapsedMs(),
    })
    return yield* Effect.callback<Answer>((resume) => {
      const chunks: Array<Uint8Array> = []
      const pieces: Array<Piece> = []
      let [bytes, status] = [0, 0]
      let answered: Readonly<Record<string, string>> = {}
      let isOver = false
      const end = (answer: Answer): void => {
        if (isOver) return
        isOver = true
        resume(Effect.succeed(answer))
      }
      const current: Dispatch = dispatch(
        {
          instance,
          method,
          path,
          headers,
          body: question.body ?? new Uint8Array(),
          connectMs: limitMs,
          headersMs: limitMs,
        },
        {
          onStart: (code, given) => {
            status = code
            answered = given
          },
          onData: (chunk) => {
            if (isOver) return true
            bytes += chunk.byteLength
            if (bytes > bytesMax) {
              end(broken("TooLarge", `It sent more than ${bytesMax} bytes.`))
              current.cancel("The answer is too large.")
              return true
            }
            // What is given may be part of a buffer that is used again.
            chunks.push(chunk.slice())
            pieces.push({ atMs: elapsedMs(), end: bytes })
            return true
          },
          onEnd: () => {
            const body = new Uint8Array(bytes)
            let at = 0
            for (const chunk of chunks) {
              body.set(chunk, at)
              at += chunk.byteLength
            }
            end({ _tag: "Complete", status, headers: answered, body, pieces, tookMs: elapsedMs() })
          },
          onError: ({ detail, reason }) => end(broken(reason, detail)),
        },
      )
      return Effect.sync(() => {
        isOver = true
        current.cancel("The check took too long.")
      })
    }).pipe(
      Effect.timeoutOrElse({
        duration: limitMs,
        orElse: () => Effect.sync(() => broken("TooSlow", `It did not finish within ${limitMs} ms.`)),
      }),
    )
  })

/** What every request of a buyer for tokens carries. */
const common = ({ isStream }: Question) => ({
  "content-type": "application/json",
  accept: isStream === true ? "text/event-stream" : "application/json",
  "accept-encoding": "identity",
})

/**
 * Makes the probe over the transport in context.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options) =>
  Effect.map(ProviderTransport, (transport) =>
    EndpointProbe.of({
      look: (instance) => RouteLook.instance(instance, options),
      ask: Effect.fn("EndpointProbe.ask")(function* (question) {
        if (question.method === "GET") return yield* ask(transport.dispatch, question, {})
        const own = yield* options.headers(question.instance)
        return yield* ask(transport.dispatch, question, { ...common(question), ...own })
      }),
    }),
  )

/**
 * {@link make} as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<EndpointProbe, never, ProviderTransport> =>
  Layer.effect(EndpointProbe, make(options))
