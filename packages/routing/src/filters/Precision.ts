/**
 * The instance has declared a precision of its weights that the buyer accepts.
 *
 * @since 0.1.0
 */
import type { Filter } from "../Filter.ts"

/** @category filters @since 0.1.0 */
export const precision: Filter = ({ preferences }, { instance }) => {
  const accepted = preferences?.quantizations
  if (accepted === undefined) return undefined
  const { quantization } = instance
  return quantization !== undefined && accepted.includes(quantization) ? undefined : "quantization_not_accepted"
}
