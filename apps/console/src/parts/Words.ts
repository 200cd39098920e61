/** Figures and times in words. */
import * as Asset from "@guildhall/core/Asset"
import * as Money from "@guildhall/core/Money"

const whole = new Intl.NumberFormat("en")

export const count = (value: number): string => whole.format(value)

/** US dollars from their smallest unit, with six digits: a token costs millionths. */
export const dollars = (amount: bigint): string => {
  const [units = "0", part = ""] = Money.format(amount, Asset.USD).split(".")
  return `$${units}.${part.padEnd(6, "0").slice(0, 6)}`
}

/** How long ago a time was. */
export const ago = (atMs: number, nowMs: number): string => {
  const seconds = Math.max(0, Math.round((nowMs - atMs) / 1000))
  if (seconds < 5) return "just now"
  if (seconds < 60) return `${seconds} s ago`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`
  return `${Math.floor(seconds / 86_400)} days ago`
}

/** Minutes and seconds that are left. */
export const left = (endsAtMs: number, nowMs: number): string => {
  const seconds = Math.max(0, Math.ceil((endsAtMs - nowMs) / 1000))
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`
}

/** Memory, from MiB. */
export const memory = (mib: number): string => (mib >= 1024 ? `${Math.round(mib / 1024)} GiB` : `${mib} MiB`)
