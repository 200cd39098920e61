/** The member's API key: in this tab's session storage and nowhere else. It goes with the tab. */
import * as Redacted from "effect/Redacted"

const ITEM = "guildhall-api-key"
const listeners = new Set<() => void>()

const read = (): Redacted.Redacted | undefined => {
  const text = globalThis.sessionStorage.getItem(ITEM)
  return text === null ? undefined : Redacted.make(text)
}

let current = read()

export const get = (): Redacted.Redacted | undefined => current

export const set = (key: string | undefined): void => {
  if (key === undefined) globalThis.sessionStorage.removeItem(ITEM)
  else globalThis.sessionStorage.setItem(ITEM, key)
  current = read()
  for (const listener of listeners) listener()
}

export const subscribe = (listener: () => void): (() => void) => {
  listeners.add(listener)
  return () => listeners.delete(listener)
}
