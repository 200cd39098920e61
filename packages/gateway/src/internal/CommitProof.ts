import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as MarketDefinition from "@guildhall/core/MarketDefinition"
import * as Account from "@guildhall/ledger/Account"
import { HoldId } from "@guildhall/ledger/Hold"
import { Ledger } from "@guildhall/ledger/Ledger"
import type { LedgerError } from "@guildhall/ledger/LedgerError"
import type { Linkable } from "@guildhall/ledger/LedgerStore"
import * as Opening from "@guildhall/ledger/Opening"
import { Market } from "../Market.ts"
import * as Ids from "./Ids.ts"

/** A proof counts for so long, whether it succeeded or not. */
const LIFE = Duration.seconds(1)
/** How long the store may take for it. */
const PATIENCE = Duration.seconds(1)

const LOSS = Account.ids.platformLoss

/** So much goes with a hold that shows whether there is room, in random bytes: about what a page of a database takes. */
const CONTEXT_BYTES = 3_000

/** A refusal is an answer: the store wrote down that it came to it. */
const isAnswer = ({ reason }: LedgerError): boolean => reason._tag !== "Unavailable"

/**
 * Makes an effect that fails unless the ledger's store would commit a hold. While it commits what it is given, a look
 * ahead is enough, which adds nothing to the books; after it did not, only a real hold shows that there is room for one
 * again. That is of nothing, and given back with it.
 */
export const make = Effect.gen(function* () {
  const ledger = yield* Ledger
  const { definition, digest, owner } = yield* Market

  const hold = (context: { readonly filling?: string } = {}): ReadonlyArray<Linkable> => {
    const id = HoldId.make(`readiness:${Ids.randomHex(16)}`)
    const request = { id, account: LOSS, amount: 0n, owner, lifeMs: 1_000, definitionDigest: digest, context }
    return [
      { _tag: "Open", ...Opening.of(LOSS, MarketDefinition.chargeAssetOf(definition)) },
      { _tag: "Hold", hold: request },
      { _tag: "Void", hold: id, attachments: [] },
    ]
  }

  const prove = Effect.suspend(() =>
    ledger.isStuck()
      ? Effect.asVoid(ledger.link(hold({ filling: Ids.randomHex(CONTEXT_BYTES) })))
      : Effect.asVoid(ledger.dryRun({ _tag: "Link", commands: hold() })),
  ).pipe(
    Effect.catchIf(isAnswer, () => Effect.void),
    // One that was committed says little while others are not.
    Effect.filterOrFail(
      () => !ledger.isStuck(),
      () => "stuck" as const,
    ),
  )

  return yield* Effect.cachedWithTTL(Effect.timeout(prove, PATIENCE), LIFE)
})
