import * as Effect from "effect/Effect"
import * as Tracer from "effect/Tracer"

/** How the lane is traced: `span` puts an effect into one, `annotate` adds to the one that is open. */
export interface Spans {
  readonly span: <A, E>(name: string, effect: Effect.Effect<A, E>) => Effect.Effect<A, E>
  readonly annotate: (attributes: () => Readonly<Record<string, unknown>>) => Effect.Effect<void>
}

const none: Spans = { span: (_, effect) => effect, annotate: () => Effect.void }

const traced: Spans = {
  // Where a span was opened is always the same line of the lane; a stack for each would cost more than the span.
  span: (name, effect) => Effect.withSpan(effect, name, { captureStackTrace: false }),
  annotate: (attributes) => Effect.suspend(() => Effect.annotateCurrentSpan(attributes())),
}

/**
 * Steps are not traced at all where nothing would see it. The default tracer keeps its spans to itself, and eight of
 * them would be a tenth of a request's cost. It is the tracer in place when the lane is built that counts.
 */
export const make: Effect.Effect<Spans> = Effect.map(Effect.service(Tracer.Tracer), (tracer) =>
  tracer === Tracer.nativeTracer ? none : traced,
)
