/**
 * Policies by the names that decisions bear, such as `LeastLoaded@2`, as definitions write them: what is needed to make older
 * decisions again after the market chose another policy.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { PartRef, type Parts } from "@guildhall/core/Parts"
import * as PolicyGuard from "./internal/PolicyGuard.ts"
import { RoutingPolicy } from "./RoutingPolicy.ts"

/**
 * The policies.
 *
 * @category models
 * @since 0.1.0
 */
export const NamedPolicies = Schema.Record(Schema.String, PartRef)
/** @since 0.1.0 */
export type NamedPolicies = typeof NamedPolicies.Type

/**
 * The name that a policy's decisions bear.
 *
 * @category getters
 * @since 0.1.0
 */
export const nameOf = ({ name, version }: Pick<RoutingPolicy, "name" | "version">): string => `${name}@${version}`

/**
 * Makes those that can be made of these parts under the very name, as a gateway routes by them. Left out is one whose part is
 * not here, or does by now what bears another version.
 *
 * @category constructors
 * @since 0.1.0
 */
export const resolve = Effect.fnUntraced(function* (
  parts: Parts,
  named: NamedPolicies,
): Effect.fn.Return<ReadonlyMap<string, RoutingPolicy>> {
  const found = new Map<string, RoutingPolicy>()
  for (const [name, ref] of Object.entries(named)) {
    const policy = yield* Effect.option(parts.resolve(RoutingPolicy, ref))
    if (Option.isSome(policy) && nameOf(policy.value) === name) {
      found.set(
        name,
        PolicyGuard.guard(policy.value, () => {}),
      )
    }
  }
  return found
})
