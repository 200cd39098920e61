/**
 * The instance has declared to understand what the request must have understood.
 *
 * @since 0.1.0
 */
import type { Filter } from "../Filter.ts"

/** @category filters @since 0.1.0 */
export const parameters: Filter = ({ preferences }, { instance }) => {
  const needed = preferences?.parameters
  if (needed === undefined) return undefined
  const declared = instance.parameters ?? []
  return needed.every((name) => declared.includes(name)) ? undefined : "parameter_not_supported"
}
