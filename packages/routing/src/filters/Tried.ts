import type { Filter } from "../Filter.ts"

/**
 * Leaves out an instance that has already failed this request: `already_tried`.
 *
 * @category filters
 * @since 0.1.0
 */
export const tried: Filter = (request, { instance }) =>
  request.tried.length > 0 && request.tried.includes(instance.id) ? "already_tried" : undefined
