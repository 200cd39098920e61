import type { InstanceId } from "@guildhall/core/Instance"
import { exclude } from "../Filter.ts"
import { leastLoaded } from "../policies/LeastLoaded.ts"
import * as Preferred from "../Preferred.ts"
import type { Candidate, DirectoryView, Ranking, RoutingPolicy, RoutingRequest } from "../RoutingPolicy.ts"

/** What a policy did that it must not do: it threw, or it named somebody who cannot serve. */
export type Fault =
  | { readonly _tag: "Threw"; readonly where: "rank" | "prepare" | "choose" | "onChange"; readonly cause: unknown }
  | { readonly _tag: "NamedStranger"; readonly where: "rank" | "choose"; readonly instance: string }

/** Somebody in a ranking who is no candidate, or is left out by a filter, or was named before. */
const strangerIn = (
  request: RoutingRequest,
  candidates: ReadonlyArray<Candidate>,
  { ranked }: Ranking,
): InstanceId | undefined => {
  const byId = new Map<InstanceId, Candidate>()
  for (const candidate of candidates) byId.set(candidate.instance.id, candidate)
  for (const { instance } of ranked) {
    const candidate = byId.get(instance)
    if (candidate === undefined || exclude(request, candidate) !== undefined) return instance
    byId.delete(instance)
  }
  return undefined
}

/**
 * A policy that anybody wrote, made safe to route by. Where it throws, or names somebody who cannot serve, `LeastLoaded` ranks
 * in its place; where only its fast form does, its reference form. As this depends on nothing but what the policy is given, a
 * decision that fell back falls back again when it is computed again.
 */
export const guard = (policy: RoutingPolicy, onFault: (fault: Fault) => void): RoutingPolicy => {
  const rank = (request: RoutingRequest, candidates: ReadonlyArray<Candidate>, seed: number): Ranking => {
    // Code of others runs here, synchronously: nothing but a catch can keep what it throws from the lane.
    try {
      const ranking = policy.rank(request, candidates, seed)
      const stranger = strangerIn(request, candidates, ranking)
      if (stranger === undefined && Array.isArray(ranking.excluded)) return ranking
      onFault({ _tag: "NamedStranger", where: "rank", instance: String(stranger) })
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
  const choose = (request: RoutingRequest, seed: number): InstanceId | undefined => {
    if (fast !== undefined && !isLost) {
      try {
        const id = fast.choose(request, seed)
        if (id === undefined || mayServe(id, request)) return id
        onFault({ _tag: "NamedStranger", where: "choose", instance: String(id) })
      } catch (cause) {
        onFault({ _tag: "Threw", where: "choose", cause })
      }
    }
    const candidates = [...directory.candidates(request.model)]
    return Preferred.rank(reference, request, candidates, seed).ranked[0]?.instance
  }
  return { choose }
}
