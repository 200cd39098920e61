/**
 * The instance has declared that it keeps nothing of what it is sent, where the buyer insists on that.
 *
 * @since 0.1.0
 */
import type { Filter } from "../Filter.ts"

/** @category filters @since 0.1.0 */
export const retention: Filter = ({ preferences }, { instance }) =>
  preferences?.denyRetention === true && instance.retainsData !== false ? "data_retained" : undefined
