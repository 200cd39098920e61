/**
 * The steps of the sample markets, at which policies are looked at: made once, for all of them.
 */
import type { Candidate, RoutingRequest } from "../RoutingPolicy.ts"
import { Directory } from "../Directory.ts"
import * as SampleMarket from "../testing/SampleMarket.ts"

export const COUNT = 400

export interface Step {
  readonly request: RoutingRequest
  readonly seed: number
  /** All candidates of a few models, as an auditor may give them. */
  readonly candidates: ReadonlyArray<Candidate>
  readonly where: string
}

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null

/** The steps serve all policies, so none may change them: to change it anywhere throws. */
const frozen = <A>(value: A): A => {
  if (!isObject(value) || Object.isFrozen(value)) return value
  Object.freeze(value)
  for (const part of Object.values(value)) frozen(part)
  return value
}

const copies = new WeakMap<Candidate, Candidate>()

/** What a policy may see of it, made once for all steps at which it is the same. */
const copied = (candidate: Candidate): Candidate => {
  const known = copies.get(candidate)
  if (known !== undefined) return known
  const { instance, inFlight, measured, rating } = candidate
  const copy = frozen({ instance: { ...instance }, inFlight, measured: frozen(measured), rating: frozen(rating) })
  copies.set(candidate, copy)
  return copy
}

const all = (directory: Directory): ReadonlyArray<Candidate> =>
  SampleMarket.models.flatMap((model) => directory.candidates(model).map((candidate) => copied(candidate)))

/** Runs a market of this seed and stops at each of its steps. */
export const run = (name: string, start: (directory: Directory) => (step: Omit<Step, "candidates">) => void): void => {
  const dice = SampleMarket.dice(name)
  const directory = new Directory()
  const visit = start(directory)
  for (let at = 0; at < COUNT; at++) {
    directory.apply(SampleMarket.event(dice))
    const asked = SampleMarket.request(dice, directory)
    const request = dice.below(2) === 0 ? asked : { ...asked, features: SampleMarket.features(dice) }
    visit({ request: frozen(request), seed: SampleMarket.seed(dice), where: `seed "${name}", step ${at}` })
  }
}

const seen = new Map<string, ReadonlyArray<Step>>()

/** The steps of a seed, which are the same for every policy. */
export const of = (name: string): ReadonlyArray<Step> => {
  const known = seen.get(name)
  if (known !== undefined) return known
  const steps: Array<Step> = []
  run(name, (directory) => (step) => {
    steps.push({ ...step, candidates: frozen(all(directory)) })
  })
  seen.set(name, steps)
  return steps
}

/** Copies that can be changed: whether they were is what the proof looks at. */
export const loose = ({ request, candidates }: Step) => ({
  request: { ...request, tried: [...request.tried] },
  candidates: candidates.map((candidate): Candidate => ({ ...candidate, instance: { ...candidate.instance } })),
})

const hasSameParts = (one: object, other: object): boolean => {
  const names = Object.keys(other)
  return (
    Object.keys(one).length === names.length &&
    names.every((name) => Reflect.get(one, name) === Reflect.get(other, name))
  )
}

/** Whether copies are as they were when they were made; what is in their parts is frozen. */
export const isUnchanged = ({ request, candidates }: ReturnType<typeof loose>, step: Step): boolean =>
  hasSameParts({ ...request, tried: step.request.tried }, step.request) &&
  hasSameParts(request.tried, step.request.tried) &&
  candidates.length === step.candidates.length &&
  step.candidates.every((like, at) => {
    const candidate = candidates[at]
    return (
      candidate !== undefined &&
      hasSameParts({ ...candidate, instance: like.instance }, like) &&
      hasSameParts(candidate.instance, like.instance)
    )
  })
