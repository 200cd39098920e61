import type { Filter } from "../Filter.ts"

/**
 * Leaves out an instance that is not online: `offline`, `draining` or `not_verified`.
 *
 * @category filters
 * @since 0.1.0
 */
export const state: Filter = (_, { instance }) => (instance.state === "online" ? undefined : instance.state)
