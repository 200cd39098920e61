import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Conformance from "@guildhall/core/testing/Conformance"

/** A guarantee with the program that proves it of `subject`: a value, where a store would be a layer. */
export type Guarantee<Subject> = Conformance.Guarantee<(subject: Subject) => Conformance.Proof<never>>

/** Makes a fresh subject for each guarantee and proves all of them. */
export type Suite<Subject> = (name: string, make: () => Subject, options?: Conformance.Options) => void

/** Proves that the guarantee with this number fails on a subject that breaks it. */
export type Breaks<Subject> = (name: string, make: () => Subject, number: number) => void

const portOf = <Subject>(
  name: string,
  guarantees: ReadonlyArray<Guarantee<Subject>>,
  make: () => Subject,
): Conformance.Port<never> => ({
  name,
  guarantees: guarantees.map(({ number, test, proof }) => ({
    number,
    test,
    proof: Effect.suspend(() => proof(make())),
  })),
  clock: "virtual",
})

export const suite =
  <Subject>(port: string, guarantees: ReadonlyArray<Guarantee<Subject>>): Suite<Subject> =>
  (name, make, options) =>
    Conformance.suite(portOf(port, guarantees, make))(name, Layer.empty, options)

export const breaks =
  <Subject>(port: string, guarantees: ReadonlyArray<Guarantee<Subject>>): Breaks<Subject> =>
  (name, make, number) =>
    Conformance.breaks(portOf(port, guarantees, make))(name, Layer.empty, number)
