import type { Filter } from "../Filter.ts"

/**
 * Leaves out an instance that is not online: `offline`, `draining`, `not_verified` or under `maintenance`.
 *
 * @category filters
 * @since 0.1.0
 */
export const state: Filter = (_, { instance }) => (instance.state === "online" ? undefined : instance.state)
