/**
 * Receipts that buyers and providers hold, against an export: what the market gave away, it cannot write anew.
 *
 * @since 0.1.0
 */
import type { Receipt } from "@guildhall/core/Receipt"
import type { RequestId } from "@guildhall/core/Request"
import type { Contents } from "./AuditFile.ts"
import * as RoutingExport from "./RoutingExport.ts"
import type { RoutingProof } from "./RoutingProof.ts"

/**
 * A receipt that somebody holds, and the export has otherwise: with another proof, or not at all.
 *
 * @category models
 * @since 0.1.0
 */
export interface Otherwise {
  readonly request: RequestId
  readonly is: "other" | "absent"
}

/**
 * Compares the receipts that somebody holds with an export. Whoever writes an export could write its proofs anew, but not the
 * receipts that were given away. Those without a proof are left out. Check the receipts themselves with `ReceiptVerify`.
 *
 * @category rules
 * @since 0.1.0
 */
export const compare = (
  { decisions, head }: Pick<Contents, "decisions" | "head">,
  held: ReadonlyArray<Pick<Receipt, "id" | "market" | "routing">>,
): { readonly compared: number; readonly otherwise: ReadonlyArray<Otherwise> } => {
  const proofs = new Map(decisions.map(({ id, proof }) => [id, proof]))
  const [first, end] = [RoutingExport.firstId(head.fromMs), RoutingExport.firstId(head.toMs)]
  const inside = held.filter(
    ({ id, market, routing }) => routing !== undefined && market === head.market && id >= first && id < end,
  )
  const otherwise = inside.flatMap(({ id, routing }): ReadonlyArray<Otherwise> => {
    const proof = proofs.get(id)
    if (proof === undefined || proof === null) return [{ request: id, is: "absent" }]
    return routing !== undefined && isSame(proof, routing) ? [] : [{ request: id, is: "other" }]
  })
  return { compared: inside.length, otherwise }
}

const isSame = (a: RoutingProof, b: RoutingProof): boolean =>
  a.replica === b.replica &&
  a.sealed === b.sealed &&
  a.version === b.version &&
  a.log === b.log &&
  a.policy === b.policy &&
  a.seed === b.seed &&
  a.decision === b.decision
