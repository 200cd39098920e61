import type { Filter } from "../Filter.ts"
import * as Load from "../Load.ts"

/**
 * Leaves out an instance that serves as many requests as it can take by now: `concurrency_full`.
 *
 * @category filters
 * @since 0.1.0
 */
export const concurrency: Filter = (_, candidate) =>
  Load.inFlight(candidate) < Load.capacity(candidate) ? undefined : "concurrency_full"
