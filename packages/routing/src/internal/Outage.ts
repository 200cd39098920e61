import type { MemberId } from "@guildhall/core/Member"
import type { Candidate } from "../RoutingPolicy.ts"

/** Where so many members fail and nobody succeeds between them, the fault is likelier the market's own than theirs. */
export const OUTAGE_MEMBERS = 3

/** Whether nobody of several members is there, which is the market's own outage rather than theirs. */
export const isEverybodyOffline = (listed: ReadonlyArray<Candidate>): boolean => {
  const members = new Set<MemberId>()
  for (const { instance } of listed) {
    if (instance.state !== "offline") return false
    if (members.size < OUTAGE_MEMBERS) members.add(instance.memberId)
  }
  return members.size >= OUTAGE_MEMBERS
}
