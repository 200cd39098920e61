/**
 * Receipts that buyers and providers hold, against an export: what the market gave away, it cannot write anew.
 *
 * @since 0.1.0
 */
import type { Receipt } from "@guildhall/core/Receipt"
import type { RequestId } from "@guildhall/core/Request"
import type { Contents, Decided } from "./AuditFile.ts"
import * as RoutingExport from "./RoutingExport.ts"
import type { RoutingProof } from "./RoutingProof.ts"

/**
 * A receipt that somebody holds, and the export has otherwise.
 *
 * - `absent`: its request is of the export's period, and not in it.
 * - `unproved`: its request is there, without a proof.
 * - `other`: it is there with another proof, definition or reason.
 * - `elsewhere`: it is there, and the receipt is of another market than the export says to be of.
 *
 * @category models
 * @since 0.1.0
 */
export interface Otherwise {
  readonly request: RequestId
  readonly is: "absent" | "unproved" | "other" | "elsewhere"
}

/**
 * What came of the receipts that were `given`: so many were `compared`, and these are `otherwise`. The rest could not be: of another
 * market (`elsewhere`), of another period (`outside`), or without a proof of its routing, and not in the export (`unproved`).
 *
 * @category models
 * @since 0.1.0
 */
export interface Compared {
  readonly given: number
  readonly compared: number
  readonly elsewhere: number
  readonly outside: number
  readonly unproved: number
  readonly otherwise: ReadonlyArray<Otherwise>
}

/**
 * Whether a receipt was compared, and none is otherwise. Receipts of which none could be compared prove nothing: the export may be
 * of another market or another period than it says.
 *
 * @category rules
 * @since 0.1.0
 */
export const isSound = ({ compared, otherwise }: Compared): boolean => compared > 0 && otherwise.length === 0

/**
 * Compares the receipts that somebody holds with an export. Whoever writes an export could write its proofs anew, but not the
 * receipts that were given away. Check the receipts themselves with `ReceiptVerify`.
 *
 * @category rules
 * @since 0.1.0
 */
export const compare = (
  { decisions, head }: Pick<Contents, "decisions" | "head">,
  held: ReadonlyArray<Held>,
): Compared => {
  const known = new Map(decisions.map((decided) => [decided.id, decided]))
  const [first, end] = [RoutingExport.firstId(head.fromMs), RoutingExport.firstId(head.toMs)]
  const counts = { compared: 0, elsewhere: 0, outside: 0, unproved: 0 }
  const otherwise: Array<Otherwise> = []
  for (const receipt of held) {
    const { id: request, market, routing } = receipt
    const decided = known.get(request)
    if (decided === undefined && market !== head.market) counts.elsewhere++
    else if (decided === undefined && (request < first || request >= end)) counts.outside++
    else if (decided === undefined && routing === undefined) counts.unproved++
    else {
      counts.compared++
      const is = decided === undefined ? "absent" : market === head.market ? differs(decided, receipt) : "elsewhere"
      if (is !== undefined) otherwise.push({ request, is })
    }
  }
  return { given: held.length, ...counts, otherwise }
}

type Held = Pick<Receipt, "id" | "market" | "routing" | "definitionDigest" | "reason">

const differs = (
  { definition, proof, reason }: Decided,
  { definitionDigest, reason: told, routing }: Held,
): Otherwise["is"] | undefined => {
  if (proof === null && routing !== undefined) return "unproved"
  const isAsHeld = definition === definitionDigest && reason === (told ?? null)
  const isProvedSo = proof === null || (routing !== undefined && isSame(proof, routing))
  return isAsHeld && isProvedSo ? undefined : "other"
}

const isSame = (a: RoutingProof, b: RoutingProof): boolean =>
  a.replica === b.replica &&
  a.sealed === b.sealed &&
  a.version === b.version &&
  a.log === b.log &&
  a.policy === b.policy &&
  a.seed === b.seed &&
  a.decision === b.decision
