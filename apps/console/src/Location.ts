/** Which page is shown. Changing it loads nothing, so a provider that runs goes on. */
import { useSyncExternalStore } from "react"

export type Page = "devices" | "serve"

export const BASE = "/console/"

const listeners = new Set<() => void>()
const tell = (): void => {
  for (const listener of listeners) listener()
}
globalThis.addEventListener?.("popstate", tell)

const subscribe = (listener: () => void): (() => void) => {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

const read = (): Page => (globalThis.location.pathname.replace(/\/$/, "") === `${BASE}serve` ? "serve" : "devices")

export const hrefOf = (page: Page): string => (page === "serve" ? `${BASE}serve` : BASE)

export const go = (page: Page): void => {
  globalThis.history.pushState(undefined, "", hrefOf(page))
  globalThis.scrollTo(0, 0)
  tell()
}

export const usePage = (): Page => useSyncExternalStore(subscribe, read)
