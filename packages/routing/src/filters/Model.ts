import type { Filter } from "../Filter.ts"

/**
 * Leaves out an instance of another model: `other_model`.
 *
 * @category filters
 * @since 0.1.0
 */
export const model: Filter = (request, { instance }) => (instance.model === request.model ? undefined : "other_model")
