import type { Filter } from "../Filter.ts"

/**
 * Leaves out an instance whose context is shorter than prompt and answer can be: `context_too_short`.
 *
 * @category filters
 * @since 0.1.0
 */
export const context: Filter = (request, { instance }) =>
  instance.contextLength >= request.contextTokens ? undefined : "context_too_short"
