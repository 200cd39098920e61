import type { Filter } from "../Filter.ts"

/**
 * Leaves out an instance that does not run attested, where the request must not be seen by an operator: `not_confidential`.
 *
 * @category filters
 * @since 0.1.0
 */
export const confidential: Filter = ({ features }, { rating }) =>
  features?.confidential === true && rating?.confidential !== true ? "not_confidential" : undefined
