/** Parses JSON; `undefined`, which no JSON text gives, says that it is not JSON. */
export const parse = (text: string): unknown => {
  // The relay reads one frame per token: a thrown error here is the cheapest way to learn that a frame is broken.
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** A member of a parsed object, `undefined` for everything else. */
export const get = (value: unknown, key: string): unknown =>
  typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined

/** Whether a member is there and not null. */
export const has = (value: unknown, key: string): boolean => {
  const member = get(value, key)
  return member !== undefined && member !== null
}

/** Whether it is an object, and no list. */
export const isObject = (value: unknown): boolean =>
  typeof value === "object" && value !== null && !Array.isArray(value)
