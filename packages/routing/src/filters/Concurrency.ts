import type { Filter } from "../Filter.ts"

/**
 * Leaves out an instance that serves as many requests as it declared: `concurrency_full`.
 *
 * @category filters
 * @since 0.1.0
 */
export const concurrency: Filter = (_, { instance, inFlight }) =>
  inFlight < instance.concurrency ? undefined : "concurrency_full"
