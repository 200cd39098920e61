import type { Filter } from "../Filter.ts"

/**
 * Leaves out an instance that has declared which members of a request, or which kinds of input, it understands, and not all
 * that this request uses: `capability_missing`. One that has declared nothing may understand anything.
 *
 * @category filters
 * @since 0.1.0
 */
export const capability: Filter = ({ features }, { instance }) => {
  if (features === undefined) return undefined
  return has(instance.parameters, features.parameters) && has(instance.inputs, features.inputs)
    ? undefined
    : "capability_missing"
}

const has = (declared: ReadonlyArray<string> | undefined, used: ReadonlyArray<string> | undefined): boolean => {
  if (declared === undefined || used === undefined) return true
  for (const name of used) if (!declared.includes(name)) return false
  return true
}
