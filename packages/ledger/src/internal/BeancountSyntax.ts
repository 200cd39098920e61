import type { Asset, AssetCode } from "@guildhall/core/Asset"
import type { AccountId } from "../Account.ts"
import { day } from "./TimeText.ts"

/** What stands below a directive. What is null is left out. */
export type Metadata = Readonly<Record<string, string | number | null>>

export interface Amount {
  readonly account: string
  readonly amount: bigint
  readonly asset: Asset
}

const capitals = /^[A-Z]{2}[A-Z0-9]*$/

/**
 * A word of an account's id as a component of a name: one that begins with a capital or a digit and has only letters, digits
 * and dashes. Different words stay different: a plain word gets a capital and single dashes, one in capitals stays, and every
 * other one begins with `X--` and has what is not allowed as two dashes and two hexadecimal digits.
 */
const component = (word: string): string => {
  if (capitals.test(word)) return word
  const capital = word.slice(0, 1).toUpperCase() + word.slice(1)
  const isPlain = /^[a-z0-9][A-Za-z0-9]*(_[A-Za-z0-9]+)*$/.test(word) && !capitals.test(capital)
  if (isPlain) return capital.replaceAll("_", "-")
  return `X--${word.replace(/[^A-Za-z0-9]/g, (letter) => `--${letter.charCodeAt(0).toString(16)}`)}`
}

export const name = (id: AccountId): string => id.split(":").map(component).join(":")

/** A commodity ends with a letter or a digit; an asset's code may end with a point. */
export const commodity = (code: AssetCode): string => (code.endsWith(".") ? `${code}-X` : code)

/** With all digits, because beancount tolerates a difference of half of the last one that is written. */
export const amount = (units: bigint, { code, scale }: Asset): string => {
  const digits = (units < 0n ? -units : units).toString().padStart(scale + 1, "0")
  const point = digits.length - scale
  const text = scale === 0 ? digits : `${digits.slice(0, point)}.${digits.slice(point)}`
  return `${units < 0n ? "-" : ""}${text} ${commodity(code)}`
}

/** A text on one line, without what could end it. */
export const string = (text: string): string =>
  `"${text
    .replace(/\p{Cc}|\p{Cf}/gu, "\ufffd")
    .replaceAll("\\", "\\\\")
    .replaceAll('"', '\\"')}"`

const metadataText = (metadata: Metadata): string =>
  Object.entries(metadata)
    .filter(([, value]) => value !== null)
    .map(([key, value]) => `  ${key}: ${typeof value === "string" ? string(value) : value}\n`)
    .join("")

export const directive = (ms: number, text: string, metadata: Metadata = {}): string =>
  `${day(ms)} ${text}\n${metadataText(metadata)}`

export const transaction = (
  ms: number,
  narration: string,
  metadata: Metadata,
  amounts: ReadonlyArray<Amount>,
): string => {
  const lines = amounts.map((each) => `  ${each.account}  ${amount(each.amount, each.asset)}\n`)
  return `\n${day(ms)} * ${string(narration)}\n${metadataText(metadata)}${lines.join("")}`
}
