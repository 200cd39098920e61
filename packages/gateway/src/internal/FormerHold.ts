import * as Effect from "effect/Effect"
import { chargeAssetOf } from "@guildhall/core/MarketDefinition"
import type { RequestId } from "@guildhall/core/Request"
import { type Hold, HoldId } from "@guildhall/ledger/Hold"
import { Ledger } from "@guildhall/ledger/Ledger"
import { LedgerError } from "@guildhall/ledger/LedgerError"
import { type Payer, sourcesOf } from "@guildhall/ledger/PaymentScheme"
import * as HoldStep from "../Hold.ts"
import { Market } from "../Market.ts"
import { Refusal } from "../Refusal.ts"

/**
 * What the hold of a request says about a charge for it. `charged`: there is one. `free`: there is none, and there can
 * never be one. `open`: neither is certain yet.
 */
export type Fate = "charged" | "free" | "open"

const fateOf = ({ drawn, state }: Hold): Fate => {
  if (state === "pending") return "open"
  return state === "posted" || drawn > 0n ? "charged" : "free"
}

/**
 * Makes the question whether a request can still be charged whose process does not answer for it any more. Every charge
 * settles the hold of its request's id, and a hold leaves `pending` once: one that was voided or expired is charged
 * never. Where no hold was taken yet, a process that wakes up late might still take it; so its id is used up, by a hold of
 * nothing that is given back with the same command.
 */
export const make = Effect.gen(function* () {
  const { definition, digest } = yield* Market
  const ledger = yield* Ledger
  const asset = chargeAssetOf(definition)

  const useUp = (id: HoldId, payer: Payer) => {
    const [{ account }, ...further] = sourcesOf(payer)
    return ledger.link([
      {
        _tag: "Hold",
        hold: {
          id,
          account,
          further: further.map((source) => source.account),
          amount: 0n,
          // Not the owner of any process: the request's own hold can never pass for this one.
          owner: `used-up-${id}`,
          lifeMs: definition.hold.lifeMs,
          definitionDigest: digest,
          context: {},
        },
      },
      { _tag: "Void", hold: id, attachments: [] },
    ])
  }

  return Effect.fnUntraced(
    function* (request: RequestId, payer: Payer): Effect.fn.Return<Fate, LedgerError> {
      const id = HoldId.make(request)
      const hold = yield* ledger.findHold(id)
      if (hold !== undefined) return fateOf(hold)
      yield* useUp(id, payer)
      return "free"
    },
    Effect.catch(({ reason }) => {
      const cause = reason._tag === "LinkRefused" ? reason.cause : reason
      // Its own hold came first, or another twin's question: a second look will tell.
      if (cause._tag === "Conflict" || cause._tag === "HoldNotAvailable") return Effect.succeed<Fate>("open")
      if (cause._tag === "Unavailable") {
        const detail = "Whether this request was charged before cannot be found out now. Send it again."
        return Effect.fail(new Refusal({ code: "service_unavailable", detail }))
      }
      return Effect.fail(HoldStep.refusal(new LedgerError({ reason: cause }), asset))
    }),
  )
})
