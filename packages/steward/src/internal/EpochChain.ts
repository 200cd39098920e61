import * as Effect from "effect/Effect"
import type { Act } from "@guildhall/chain/Act"
import type { ChainError } from "@guildhall/chain/ChainError"
import type { SettlementAct } from "@guildhall/chain/Settlement"
import type { Beginning, Of, Sum } from "@guildhall/chain/SettlementRecord"
import type { Desk } from "./EpochTerms.ts"

/**
 * Where an epoch stands on its chain. `Gone`: it is not there, as if it had never been proposed. `Foreign`: what is there under its
 * number is not what we proposed.
 */
export type Look =
  | { readonly _tag: "Waiting"; readonly appliesAtS: number }
  | { readonly _tag: "Applied" }
  | { readonly _tag: "Gone" }
  | { readonly _tag: "Foreign"; readonly words: string }

/** Looks where an epoch that was netted stands. */
export const look = Effect.fnUntraced(function* (
  { settlement }: Pick<Desk, "settlement">,
  { epoch, kind, token }: Beginning,
  { commitment }: Pick<Sum, "commitment">,
): Effect.fn.Return<Look, ChainError> {
  const { proposal, root } = yield* settlement.token(token)
  const foreign = (words: string): Look => ({ _tag: "Foreign", words })
  if (proposal.epoch < epoch) return { _tag: "Gone" }
  if (proposal.epoch > epoch) return foreign(`epoch ${proposal.epoch} was proposed after it.`)
  if (proposal.kind !== "None") {
    return proposal.commitment === commitment
      ? { _tag: "Waiting", appliesAtS: proposal.appliesAtS }
      : foreign(`it was proposed with another commitment, ${proposal.commitment}.`)
  }
  return kind === "batch" || root === commitment
    ? { _tag: "Applied" }
    : foreign(`the root that counts is another one, ${root}.`)
})

/** What an act of an epoch is known by: it is done once, however often it is asked for, and is no other contract's. */
const keyOf = ({ chainId, contract, epoch, token }: Of, what: string): string =>
  `epoch:${chainId}:${contract}:${token}:${epoch}:${what}`

/** The act that puts an epoch on its chain. */
export const proposing = (
  beginning: Beginning & Pick<SettlementAct, "by">,
  { boost, commitment, gross }: Sum,
): SettlementAct => ({
  _tag: "ProposeEpoch",
  by: beginning.by,
  idempotencyKey: keyOf(beginning, "propose"),
  token: beginning.token,
  epoch: beginning.epoch,
  kind: beginning.kind === "root" ? "Root" : "Batch",
  commitment,
  gross,
  boost,
})

/** The act that makes an epoch count after its delay. */
export const applying = Effect.fnUntraced(function* (
  { record }: Pick<Desk, "record">,
  beginning: Beginning & Pick<SettlementAct, "by">,
) {
  const { by, epoch, kind, token } = beginning
  const asked = { by, idempotencyKey: keyOf(beginning, "apply"), token, epoch }
  if (kind === "root") return { _tag: "ApplyRoot" as const, ...asked }
  const leaves = yield* record.leaves(beginning)
  const entries = leaves.flatMap(({ account, amount }) => (amount > 0n ? [{ account, amount }] : []))
  return { _tag: "ApplyBatch" as const, ...asked, entries }
})

/** What an act came to, or why not, in words for the operator; `isOurs` where a person has something to do. */
export type Tried =
  | { readonly _tag: "Done"; readonly act: Act }
  | { readonly _tag: "Not"; readonly words: string; readonly isOurs: boolean }

/** What the market's operator can do about a refusal. */
const ADVICE: Readonly<Record<string, string>> = {
  NotEnoughFunded: "Fund the contract (fund), and it goes on by itself.",
  NotEnoughBoost: "Fund the contract's boost pool (fundBoost), and it goes on by itself.",
}

/** These say that the time has not come, and end by themselves. */
const EARLY: ReadonlySet<string> = new Set(["ChallengeDelayOpen", "EpochNotOver"])

/** Tries an act. */
export const attempt = ({ settlement }: Pick<Desk, "settlement">, act: SettlementAct): Effect.Effect<Tried> =>
  Effect.match(settlement.act(act), {
    onSuccess: (done): Tried => ({ _tag: "Done", act: done }),
    onFailure: ({ isRetryable, message, reason }): Tried => {
      const rule = reason._tag === "Refused" ? reason.rule : ""
      const advice = ADVICE[rule]
      return {
        _tag: "Not",
        words: advice === undefined ? message : `${message} ${advice}`,
        isOurs: !isRetryable && !EARLY.has(rule),
      }
    },
  })
