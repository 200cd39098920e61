/**
 * Conformance: a port states what it guarantees, in numbered sentences, and each sentence has a program that proves it.
 * A suite runs these programs on any layer of the port; the same programs run on layers that are broken on purpose, where
 * they must fail. Use it where you write a port that others implement.
 *
 * **Example** (The suite of a counter, in a test file)
 *
 * ```ts no-run it registers tests, which needs vitest
 * import { assert } from "@effect/vitest"
 * import { Context, Effect, Layer } from "effect"
 * import { Conformance } from "@guildhall/core/testing"
 *
 * class Counter extends Context.Service<Counter, { readonly next: Effect.Effect<number> }>()("Counter") {}
 *
 * const port: Conformance.Port<Counter> = {
 *   name: "Counter",
 *   clock: "virtual",
 *   guarantees: [
 *     {
 *       number: 1,
 *       test: "The next number is higher than the last.",
 *       proof: Effect.gen(function* () {
 *         const counter = yield* Counter
 *         const last = yield* counter.next
 *         assert.isAbove(yield* counter.next, last)
 *       }),
 *     },
 *   ],
 * }
 *
 * let count = 0
 * Conformance.suite(port)("in memory", Layer.succeed(Counter, { next: Effect.sync(() => ++count) }))
 * Conformance.breaks(port)("it stands still", Layer.succeed(Counter, { next: Effect.succeed(7) }), 1)
 * ```
 *
 * @since 0.1.0
 */
import { assert, describe, it, layer as sharing } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"

/**
 * A program that ends well on what keeps a guarantee, and fails by one of its assertions on what does not. Any other error
 * is an accident, so a proof looks at refusals with {@link refused} and at what may be refused wrongly with
 * {@link answered}.
 *
 * @category models
 * @since 0.1.0
 */
export type Proof<R> = Effect.Effect<void, unknown, R>

/**
 * A guarantee: its number, its words, which are those of the port's documentation, and its proof. The proof is a
 * {@link Proof}, or a function to one where a suite has options.
 *
 * @category models
 * @since 0.1.0
 */
export interface Guarantee<P> {
  readonly number: number
  readonly test: string
  readonly proof: P
}

/**
 * What stands under test: the port's name, its guarantees, and the clock that their proofs follow. A proof that watches
 * sockets or processes needs the real clock.
 *
 * @category models
 * @since 0.1.0
 */
export interface Port<R> {
  readonly name: string
  readonly guarantees: ReadonlyArray<Guarantee<Proof<R>>>
  readonly clock: "virtual" | "real"
}

/**
 * A guarantee, by its number, that a layer cannot keep, and why.
 *
 * @category models
 * @since 0.1.0
 */
export interface Skip {
  readonly test: number
  readonly reason: string
}

/**
 * What a suite is told besides the layer.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly skip?: ReadonlyArray<Skip>
}

/**
 * Proves a layer. The name tells it from the other layers of the port.
 *
 * @category models
 * @since 0.1.0
 */
export type Suite<R> = <E>(name: string, layer: Layer.Layer<R, E>, options?: Options) => void

/**
 * Proves that the guarantee with this number fails on a layer that breaks it. The name says what is wrong with the layer.
 *
 * @category models
 * @since 0.1.0
 */
export type Breaks<R> = <E>(name: string, layer: Layer.Layer<R, E>, number: number) => void

const find = <P>(guarantees: ReadonlyArray<Guarantee<P>>, number: number): Guarantee<P> => {
  const numbers = guarantees.map((guarantee) => guarantee.number).join(", ")
  const found = guarantees.find((guarantee) => guarantee.number === number)
  return found ?? assert.fail(`There is no guarantee ${number}. Name one of ${numbers}.`)
}

/**
 * Registers one test for each guarantee, on one layer that they share. A guarantee is skipped only with a reason, which
 * stands in the test's name. Throws where a skip names no guarantee or has no reason.
 *
 * @category suites
 * @since 0.1.0
 */
export const suite =
  <R>(port: Port<R>): Suite<R> =>
  (name, layer, { skip = [] } = {}) => {
    for (const { test, reason } of skip) {
      find(port.guarantees, test)
      assert.isNotEmpty(reason.trim(), `The skip of guarantee ${test} has no reason. Say why the layer cannot keep it.`)
    }
    const environment = { timeout: "60 seconds", excludeTestServices: port.clock === "real" } as const
    sharing(layer, environment)(`${port.name}: ${name}`, (it) => {
      for (const { number, test, proof } of port.guarantees) {
        const skipped = skip.find((one) => one.test === number)
        if (skipped === undefined) it.effect(`${number}. ${test}`, () => proof)
        else it.skip(`${number}. ${test} (skipped: ${skipped.reason})`, () => {})
      }
    })
  }

/**
 * Registers a test that passes only where the guarantee with this number fails on the layer, as {@link fails} has it.
 *
 * @category suites
 * @since 0.1.0
 */
export const breaks =
  <R>(port: Port<R>): Breaks<R> =>
  (name, layer, number) => {
    const { proof } = find(port.guarantees, number)
    const test = port.clock === "real" ? it.live : it.effect
    describe(`${port.name}, broken: ${name}`, () => {
      test(`${number}. fails`, () => fails(proof, layer))
    })
  }

/**
 * Asserts that a proof fails on a layer, and by an assertion. A layer that cannot be built, a service that is missing, a
 * set-up that is refused, or a program that breaks down has proved nothing.
 *
 * @category assertions
 * @since 0.1.0
 */
export const fails = <R, E>(proof: Proof<R>, layer: Layer.Layer<R, E>): Effect.Effect<void> =>
  Effect.scoped(
    Effect.gen(function* () {
      const built = yield* Effect.exit(Layer.build(layer))
      if (Exit.isFailure(built)) return assert.fail(`The layer cannot be built.\n${Cause.pretty(built.cause)}`)
      const exit = yield* Effect.exit(Effect.provide(proof, built.value))
      if (Exit.isSuccess(exit)) return assert.fail("The guarantee holds on a layer that breaks it.")
      if (exit.cause.reasons.some(isVerdict)) return
      assert.fail(`It failed, but not by an assertion.\n${Cause.pretty(exit.cause)}`)
    }),
  )

const isVerdict = (reason: Cause.Reason<unknown>): boolean =>
  Cause.isDieReason(reason) && reason.defect instanceof Error && reason.defect.name === "AssertionError"

/**
 * Asserts that an operation is refused, and answers its error. Use it in a proof where `Effect.flip` would fail with
 * whatever the operation answered.
 *
 * @category assertions
 * @since 0.1.0
 */
export const refused = <A, E, R>(effect: Effect.Effect<A, E, R>, where = ""): Effect.Effect<E, never, R> =>
  Effect.flip(effect).pipe(Effect.catch(() => Effect.sync(() => assert.fail(`it was not refused ${where}`.trimEnd()))))

/**
 * Asserts that an operation is not refused, and answers what it answers. Use it in a proof where answering is what the
 * port guarantees.
 *
 * @category assertions
 * @since 0.1.0
 */
export const answered = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, never, R> =>
  Effect.catch(effect, (error) =>
    Effect.sync((): A => assert.fail(`it was refused: ${error instanceof Error ? error.message : String(error)}`)),
  )
