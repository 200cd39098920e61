import type { InstanceId } from "@guildhall/core/Instance"
import { reasons } from "@guildhall/core/Reason"
import { RoutingFeatures } from "@guildhall/core/RoutingFeatures"
import { exclude } from "../Filter.ts"
import { leastLoaded } from "../policies/LeastLoaded.ts"
import * as Preferred from "../Preferred.ts"
import {
  type Candidate,
  type DirectoryView,
  type Ranking,
  readableRating,
  type RoutingPolicy,
  type RoutingRequest,
} from "../RoutingPolicy.ts"

/** What a policy did that it must not do: it threw, it gave a false answer, or it named somebody who cannot serve. */
export type Fault =
  | { readonly _tag: "Threw"; readonly where: "rank" | "prepare" | "choose" | "onChange"; readonly cause: unknown }
  | { readonly _tag: "Answered"; readonly where: "rank" | "choose"; readonly problem: string }

/** So long a name still fits into a routing proof. */
const NAME_CHARS_MAX = 32
const NAME = /^[A-Za-z][A-Za-z0-9_~.-]*$/
const readable: ReadonlySet<unknown> = new Set([...Object.keys(RoutingFeatures.fields), ...readableRating])

/** Why nobody can route by a policy, whatever it ranks; undefined where one can. Types do not hold for what others wrote. */
export const problem = (policy: RoutingPolicy): string | undefined => {
  const { guaranteedPercent: percent, name, prepare, rank, reads, version } = policy
  if (typeof name !== "string" || name.length > NAME_CHARS_MAX || !NAME.test(name)) {
    return `its name must have 1 to ${NAME_CHARS_MAX} of the characters A-Z a-z 0-9 _ ~ . - and begin with a letter, so that a routing proof can bear it. It is ${JSON.stringify(String(name).slice(0, 60))}`
  }
  if (!Number.isSafeInteger(version) || version < 0 || version > 9_999) {
    return `its version must be a whole number up to 9999. It is ${String(version)}`
  }
  if (typeof rank !== "function") return "it has no function rank"
  if (prepare !== undefined && typeof prepare !== "function") return "prepare must be a function, or left out"
  if (reads !== undefined && (!Array.isArray(reads) || !reads.every((one) => readable.has(one)))) {
    return `reads must be a list of ${[...readable].join(", ")}, or left out`
  }
  if (percent !== undefined && !(percent >= 0 && percent <= 100)) {
    return `guaranteedPercent must be between 0 and 100, or left out. It is ${String(percent)}`
  }
  return undefined
}

const isCode = (code: unknown): boolean => typeof code === "string" && Object.hasOwn(reasons, code)

/** What is wrong with a ranking: each candidate must be named once, with a known code or able to serve. */
const wrongIn = (
  request: RoutingRequest,
  candidates: ReadonlyArray<Candidate>,
  { excluded, ranked }: Ranking,
): string | undefined => {
  const left = new Map<InstanceId, Candidate>()
  for (const candidate of candidates) left.set(candidate.instance.id, candidate)
  for (const { instance } of ranked) {
    const candidate = left.get(instance)
    if (candidate === undefined || exclude(request, candidate) !== undefined) {
      return `It ranked ${instance}, who cannot serve, is no candidate or was named before.`
    }
    left.delete(instance)
  }
  for (const { code, instance } of excluded) {
    if (!isCode(code)) return `It left out ${instance} for "${code}", which is no reason code.`
    if (!left.delete(instance)) return `It left out ${instance}, who is no candidate or was named before.`
  }
  return left.size === 0 ? undefined : `It neither ranked nor left out ${left.size} candidates.`
}

const NOBODY: RoutingRequest["tried"] = Object.freeze([])

/** A policy gets a request that it can do no harm to; who asks goes on with its own. */
const locked = (request: RoutingRequest): RoutingRequest => {
  if (request.features !== undefined) Object.freeze(request.features)
  if (request.preferences !== undefined) Object.freeze(request.preferences)
  const tried = request.tried.length === 0 ? NOBODY : Object.freeze([...request.tried])
  return Object.freeze({ ...request, tried })
}

/**
 * A policy that anybody wrote, made safe to route by. Where it throws, gives a false answer, or names somebody who cannot serve,
 * `LeastLoaded` ranks in its place; where only its fast form does, its reference form. As this depends on nothing but what the
 * policy is given, a decision that fell back falls back again when it is computed again.
 */
export const guard = (policy: RoutingPolicy, onFault: (fault: Fault) => void): RoutingPolicy => {
  const rank = (request: RoutingRequest, candidates: ReadonlyArray<Candidate>, seed: number): Ranking => {
    // Code of others runs here, synchronously: nothing but a catch can keep what it throws from the lane.
    try {
      const { excluded, ranked } = policy.rank(locked(request), [...candidates], seed)
      const wrong = wrongIn(request, candidates, { excluded, ranked })
      if (wrong === undefined) return { ranked, excluded }
      onFault({ _tag: "Answered", where: "rank", problem: wrong })
    } catch (cause) {
      onFault({ _tag: "Threw", where: "rank", cause })
    }
    return leastLoaded.rank(request, candidates, seed)
  }

  const { prepare } = policy
  const { name, version } = policy
  const { guaranteedPercent, reads, weights } = policy
  const reference = {
    name,
    version,
    rank,
    ...(weights === undefined ? {} : { weights }),
    ...(guaranteedPercent === undefined ? {} : { guaranteedPercent }),
    ...(reads === undefined ? {} : { reads }),
  }
  if (prepare === undefined) return reference
  return { ...reference, prepare: (directory) => guardFast(reference, prepare, directory, onFault) }
}

type Prepare = NonNullable<RoutingPolicy["prepare"]>

const guardFast = (
  reference: RoutingPolicy,
  prepare: Prepare,
  directory: DirectoryView,
  onFault: (fault: Fault) => void,
): ReturnType<Prepare> => {
  let isLost = false
  const lose = (where: "prepare" | "onChange", cause: unknown): void => {
    // An index that missed a change is wrong from then on.
    isLost = true
    onFault({ _tag: "Threw", where, cause })
  }
  const view: DirectoryView = {
    candidates: (model) => directory.candidates(model),
    candidate: (id) => directory.candidate(id),
    onChange: (listener) =>
      directory.onChange((id) => {
        if (isLost) return
        try {
          listener(id)
        } catch (cause) {
          lose("onChange", cause)
        }
      }),
  }
  let fast: ReturnType<Prepare> | undefined
  try {
    fast = prepare(view)
  } catch (cause) {
    lose("prepare", cause)
  }

  const mayServe = (id: InstanceId, request: RoutingRequest): boolean => {
    const candidate = directory.candidate(id)
    return candidate !== undefined && exclude(request, candidate) === undefined
  }
  const byReference = (request: RoutingRequest, seed: number): InstanceId | undefined =>
    Preferred.rank(reference, request, [...directory.candidates(request.model)], seed).ranked[0]?.instance
  /** An index that overlooks those who could serve would turn buyers away. */
  const nobody = (request: RoutingRequest, seed: number): InstanceId | undefined => {
    let isAnybody = false
    for (const candidate of directory.candidates(request.model)) isAnybody ||= exclude(request, candidate) === undefined
    const id = isAnybody ? byReference(request, seed) : undefined
    if (id === undefined) return undefined
    isLost = true
    onFault({ _tag: "Answered", where: "choose", problem: `It chose nobody where it ranks ${id} first.` })
    return id
  }
  const choose = (request: RoutingRequest, seed: number): InstanceId | undefined => {
    if (fast !== undefined && !isLost) {
      try {
        const id = fast.choose(locked(request), seed)
        if (id === undefined) return nobody(request, seed)
        if (mayServe(id, request)) return id
        onFault({ _tag: "Answered", where: "choose", problem: `It chose ${id}, who cannot serve.` })
      } catch (cause) {
        onFault({ _tag: "Threw", where: "choose", cause })
      }
    }
    return byReference(request, seed)
  }
  return { choose }
}
