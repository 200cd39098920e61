/**
 * Checks a receipt against what the device that served has signed: its commitment, and its usage log. Nothing is asked of anyone.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Receipt } from "@guildhall/core/Receipt"
import * as SignedCommitment from "@guildhall/protocol/provider/SignedCommitment"
import { headBytes, lineBytes, UsageLine, UsageReport } from "@guildhall/protocol/provider/UsageLog"
import * as SignedText from "./SignedText.ts"

/**
 * A check, as `ReceiptVerify` of the journal has them.
 *
 * @category models
 * @since 0.1.0
 */
export interface Check {
  readonly name: "commitment" | "usage"
  readonly holds: boolean
  readonly detail: string
}

/**
 * The texts of the device: its `commitment.json`, and its usage log, which is either the file `usage.log` of its home or a
 * report of lines with a signed head.
 *
 * @category models
 * @since 0.1.0
 */
export interface Statements {
  readonly commitment?: string | undefined
  readonly usage?: string | undefined
}

const decodeCommitment = Schema.decodeUnknownOption(Schema.fromJsonString(SignedCommitment.SignedCommitment))
const decodeReport = Schema.decodeUnknownOption(Schema.fromJsonString(UsageReport))
const Row = Schema.fromJsonString(
  Schema.Union([
    Schema.Struct({ base: Schema.Struct({ number: Schema.Int, hash: Schema.String }) }),
    Schema.Struct({ line: UsageLine }),
    Schema.Struct({ acknowledged: Schema.Int }),
  ]),
)
const decodeRow = Schema.decodeUnknownOption(Row)

const check = (name: Check["name"], holds: boolean, detail: string): Check => ({ name, holds, detail })

/** A log as it was read: its lines, and its head where it is signed. */
interface Log {
  readonly lines: ReadonlyArray<UsageLine>
  readonly head?: UsageReport["head"]
}

const readRows = (text: string): Log | undefined => {
  const lines: Array<UsageLine> = []
  for (const json of text.split("\n")) {
    if (json === "") continue
    const row = decodeRow(json)
    if (Option.isNone(row)) return undefined
    if ("line" in row.value) lines.push(row.value.line)
  }
  return { lines }
}

const read = (text: string): Log | undefined => Option.getOrElse(decodeReport(text), () => readRows(text))

/** What stands under each number of the chain; undefined where it is broken. */
const positionsOf = ({ head, lines }: Log): ReadonlyMap<number, string> | undefined => {
  const positions = new Map<number, string>()
  let last: { readonly number: number; readonly hash: string } | undefined
  for (const line of lines) {
    const follows = last === undefined || (line.number === last.number + 1 && line.previous === last.hash)
    if (!follows || SignedText.sha256(lineBytes(line)) !== line.hash) return undefined
    if (last === undefined) positions.set(line.number - 1, line.previous)
    positions.set(line.number, line.hash)
    last = line
  }
  if (head === undefined) return positions
  if (last !== undefined && (last.number !== head.number || last.hash !== head.hash)) return undefined
  return positions.set(head.number, head.hash)
}

const ofCommitment = (receipt: Receipt, text: string): Check => {
  const statement = Option.getOrUndefined(decodeCommitment(text))
  if (statement === undefined) return check("commitment", false, "The file is not a signed commitment.")
  if (receipt.commitment === undefined) return check("commitment", false, "The receipt names no commitment.")
  const bytes = SignedCommitment.bytes(statement)
  if (SignedText.sha256(bytes) !== receipt.commitment) {
    return check("commitment", false, "It is not the commitment that the receipt names.")
  }
  if (!SignedText.isSigned(statement.device, bytes, statement.signature)) {
    return check("commitment", false, `The key ${statement.device} did not sign it.`)
  }
  const serves = statement.serves.find(({ model }) => model === receipt.model)
  if (serves === undefined) return check("commitment", false, `It does not commit to ${receipt.model}.`)
  const { engine, quantization, weights } = serves
  const said = [quantization, engine, weights === undefined ? undefined : `weights ${weights}`]
  const told = said.filter((one) => one !== undefined).join(", ")
  return check(
    "commitment",
    true,
    `Number ${statement.number} of ${statement.device} commits to ${receipt.model}${told === "" ? "" : ` (${told})`}.`,
  )
}

/** Whether the log's head is signed, as far as one can tell. */
const signatureOf = ({ head }: Log, commitment: string | undefined): "signed" | "forged" | "unsigned" | "unknown" => {
  if (head === undefined) return "unsigned"
  const statement = Option.getOrUndefined(decodeCommitment(commitment ?? ""))
  if (statement === undefined) return "unknown"
  return SignedText.isSigned(statement.device, headBytes(statement.device, head), head.signature) ? "signed" : "forged"
}

const SIGNATURES = {
  signed: "its head is signed by the device",
  forged: "",
  unsigned: "its end is not signed",
  unknown: "whose head is not checked: give the commitment, which has the key",
} as const

const ofUsage = (receipt: Receipt, text: string, commitment: string | undefined): Check => {
  const log = read(text)
  if (log === undefined) return check("usage", false, "The file is not a usage log.")
  const positions = positionsOf(log)
  if (positions === undefined) return check("usage", false, "The lines do not follow each other. The log was changed.")
  const signature = signatureOf(log, commitment)
  if (signature === "forged") return check("usage", false, "The device did not sign the head of the log.")
  const { usageHead: named } = receipt
  if (named === undefined) return check("usage", false, "The receipt names no head of a usage log.")
  const held = positions.get(named.number)
  if (held === undefined) {
    return check("usage", false, `The log does not reach the line ${named.number}, whose hash the receipt names.`)
  }
  if (held !== named.hash) {
    return check("usage", false, `The line ${named.number} has another hash than the receipt names: it is another log.`)
  }
  const line = log.lines.find(({ ticket }) => ticket.ticket.requestId === receipt.id)
  if (line === undefined) return check("usage", false, "The log has no line of this request.")
  const counts = Object.entries(line.usage).map(([unit, count]) => `${count} ${unit}`)
  return check(
    "usage",
    true,
    `The line ${line.number} logs ${counts.join(", ") || "nothing"}; ${SIGNATURES[signature]}.`,
  )
}

/**
 * Checks a receipt against the statements that are given.
 *
 * - `commitment`: it is the one that the receipt names, its device signed it, and it commits to the receipt's model.
 * - `usage`: the log is an unbroken chain, signed where it says so by the commitment's device; the head that the receipt names stands in
 *   it; and it has a line of the request.
 *
 * @category rules
 * @since 0.1.0
 */
export const checks = (receipt: Receipt, { commitment, usage }: Statements): ReadonlyArray<Check> => [
  ...(commitment === undefined ? [] : [ofCommitment(receipt, commitment)]),
  ...(usage === undefined ? [] : [ofUsage(receipt, usage, commitment)]),
]
