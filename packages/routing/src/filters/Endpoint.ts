/**
 * The instance speaks the endpoint that the request came in by, or another dialect of the same conversation.
 *
 * @since 0.1.0
 */
import * as Endpoints from "@guildhall/core/Endpoint"
import type { Instance } from "@guildhall/core/Instance"
import type { Filter } from "../Filter.ts"

const isDialect = (endpoint: Endpoints.Endpoint): boolean => Endpoints.dialects.some((dialect) => dialect === endpoint)

/**
 * What an endpoint needs of an instance: the conversation in any dialect, or just this endpoint.
 *
 * @category rules
 * @since 0.1.0
 */
export const kindOf = (endpoint: Endpoints.Endpoint | undefined): string =>
  endpoint === undefined || isDialect(endpoint) ? "conversation" : endpoint

const kinds = new WeakMap<Instance, ReadonlyArray<string>>()

/**
 * The kinds of request that an instance serves. Computed once for an instance as it is.
 *
 * @category rules
 * @since 0.1.0
 */
export const kindsOf = (instance: Instance): ReadonlyArray<string> => {
  const known = kinds.get(instance)
  if (known !== undefined) return known
  const made = [...new Set((instance.endpoints ?? Endpoints.standard).map(kindOf))]
  kinds.set(instance, made)
  return made
}

/** @category filters @since 0.1.0 */
export const endpoint: Filter = (request, { instance }) =>
  kindsOf(instance).includes(kindOf(request.endpoint)) ? undefined : "endpoint_not_offered"
