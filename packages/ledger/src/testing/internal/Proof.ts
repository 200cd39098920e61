import { randomBytes } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

/** A guarantee with the program that proves it of `subject`. */
export interface Guarantee<Subject> {
  readonly number: number
  readonly test: string
  readonly proof: (subject: Subject) => Effect.Effect<void, unknown>
}

/** Makes a fresh subject for each guarantee and proves all of them. */
export type Suite<Subject> = (
  name: string,
  make: () => Subject,
  options?: { readonly skip?: ReadonlyArray<{ readonly test: number; readonly reason: string }> },
) => void

/** Proves that the guarantee with this number fails on a subject that breaks it. */
export type Breaks<Subject> = (name: string, make: () => Subject, number: number) => void

/** A text that no test has used. */
export const text = (): string => randomBytes(8).toString("hex")

/** Asserts that what a port must answer is answered. */
export const answers = <A, E extends { readonly message: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.catch(effect, (error) => Effect.sync((): A => assert.fail(`it refused: ${error.message}`)))

export const suite =
  <Subject>(port: string, guarantees: ReadonlyArray<Guarantee<Subject>>): Suite<Subject> =>
  (name, make, options = {}) => {
    describe(`${port}: ${name}`, () => {
      for (const { number, test, proof } of guarantees) {
        const skipped = options.skip?.find((skip) => skip.test === number)
        if (skipped === undefined) it.effect(`${number}. ${test}`, () => Effect.suspend(() => proof(make())))
        else it.skip(`${number}. ${test} (skipped: ${skipped.reason})`, () => {})
      }
    })
  }

/** The first defect or failure of a cause, by its name: an assertion that did not hold, or an accident. */
const nameOf = (error: unknown): string => (error instanceof Error ? error.name : typeof error)

/** Asserts that a proof fails, and by an assertion: a proof that breaks down in another way has proved nothing. */
export const mustFail = <R>(proof: Effect.Effect<void, unknown, R>) =>
  Effect.map(Effect.exit(proof), (exit) => {
    if (Exit.isSuccess(exit)) return assert.fail("the guarantee holds on something that breaks it")
    const error = Cause.squash(exit.cause)
    assert.strictEqual(nameOf(error), "AssertionError", String(error))
  })

export const breaks =
  <Subject>(port: string, guarantees: ReadonlyArray<Guarantee<Subject>>): Breaks<Subject> =>
  (name, make, number) => {
    describe(`${port}, broken: ${name}`, () => {
      it.effect(`${number}. fails`, () =>
        Effect.suspend(() => {
          const guarantee = guarantees.find((one) => one.number === number)
          if (guarantee === undefined) return assert.fail(`There is no guarantee ${number}.`)
          return mustFail(guarantee.proof(make()))
        }),
      )
    })
  }
