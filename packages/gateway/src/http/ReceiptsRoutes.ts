/**
 * Signed receipts.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import type { SignedReceipt } from "@guildhall/core/Receipt"
import type { RequestId } from "@guildhall/core/Request"
import { Journal } from "@guildhall/journal/Journal"
import { HoldId } from "@guildhall/ledger/Hold"
import { Ledger } from "@guildhall/ledger/Ledger"
import { Caller } from "@guildhall/protocol/api/Access"
import { ControlApi } from "@guildhall/protocol/api/ControlApi"
import { Problem } from "@guildhall/protocol/api/Problem"
import * as Funds from "../Funds.ts"
import * as Problems from "./internal/Problems.ts"
import * as RequestViews from "./internal/RequestViews.ts"

/** How long an answer waits for the receipt's batch. */
const WAIT_MS = 2_000
/** How often it looks meanwhile. */
const LOOK_MS = 100

const missing = (id: RequestId) => Problem.of("not_found", `There is no receipt ${id} of yours.`)
const pending = (id: RequestId) =>
  Problem.of("receipt_pending", `The receipt ${id} is not signed yet. Ask again in a second.`)

/** The receipt as the caller may see it. Salts open the commitments, so they are for the two who know the bodies. */
const shown = (caller: Caller["Service"], signed: SignedReceipt): SignedReceipt | undefined => {
  const { buyer, provider } = signed.receipt
  if (caller.memberId === buyer || caller.memberId === provider) return signed
  return caller.role === "operator" ? { ...signed, salts: { request: "", response: "" } } : undefined
}

/**
 * The handlers.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  ControlApi,
  "receipts",
  Effect.fnUntraced(function* (handlers) {
    const journal = yield* Journal
    const ledger = yield* Ledger

    /** Whether a receipt of the request will come, as far as the caller may know. */
    const isAwaited = Effect.fnUntraced(function* (id: RequestId) {
      const caller = yield* Caller
      const [record] = yield* journal.requests({ id })
      if (record !== undefined) return record._tag === "RequestEnded" && RequestViews.isFor(caller, record)
      // Its end has not come to the journal; it is known by its hold, which is taken before the first byte leaves.
      const hold = yield* ledger.findHold(HoldId.make(id))
      if (hold === undefined) return false
      return caller.role === "operator" || Funds.isOf(hold.account, caller.memberId)
    })

    return handlers.handleAll({
      get: Effect.fn("ReceiptsRoutes.get")(function* ({ params: { id } }) {
        const caller = yield* Caller
        const untilMs = (yield* Clock.currentTimeMillis) + WAIT_MS
        for (let looks = 0; ; looks++) {
          const signed = yield* journal.receipts.signed(id)
          if (signed !== undefined) return shown(caller, signed) ?? (yield* missing(id))
          if (looks === 0 && !(yield* isAwaited(id))) return yield* missing(id)
          if ((yield* Clock.currentTimeMillis) >= untilMs) return yield* pending(id)
          yield* Effect.sleep(LOOK_MS)
        }
      }, Problems.answer),
    })
  }),
)
