/**
 * The instance speaks the endpoint that the request came in by, or another dialect of the same conversation.
 *
 * @since 0.1.0
 */
import * as Endpoints from "@guildhall/core/Endpoint"
import type { Instance } from "@guildhall/core/Instance"
import type { Filter } from "../Filter.ts"

/** What is asked where nothing else is said. */
const CONVERSATION = "conversation"

const dialects: ReadonlySet<Endpoints.Endpoint> = new Set(Endpoints.dialects)

/**
 * What an endpoint needs of an instance: the conversation in any dialect, or just this endpoint.
 *
 * @category rules
 * @since 0.1.0
 */
export const kindOf = (endpoint: Endpoints.Endpoint | undefined): string =>
  endpoint === undefined || dialects.has(endpoint) ? CONVERSATION : endpoint

const standard: ReadonlyArray<string> = [...new Set(Endpoints.standard.map(kindOf))]
const kinds = new WeakMap<NonNullable<Instance["endpoints"]>, ReadonlyArray<string>>()

/**
 * The kinds of request that an instance serves. Computed once for a list of endpoints.
 *
 * @category rules
 * @since 0.1.0
 */
export const kindsOf = ({ endpoints }: Instance): ReadonlyArray<string> => {
  if (endpoints === undefined) return standard
  const known = kinds.get(endpoints)
  if (known !== undefined) return known
  const made = [...new Set(endpoints.map(kindOf))]
  kinds.set(endpoints, made)
  return made
}

/** @category filters @since 0.1.0 */
export const endpoint: Filter = (request, { instance }) => {
  const kind = kindOf(request.endpoint)
  const kinds = kindsOf(instance)
  // The first is mostly the only one.
  return kinds[0] === kind || kinds.includes(kind) ? undefined : "endpoint_not_offered"
}
