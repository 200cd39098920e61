/**
 * What the checks of a provider's instance found.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { Caller } from "@guildhall/protocol/api/Access"
import { ControlApi } from "@guildhall/protocol/api/ControlApi"
import type { EntryView } from "@guildhall/protocol/api/EntriesApi"
import { Problem } from "@guildhall/protocol/api/Problem"
import { type Entry, EntryRecord } from "@guildhall/registry/EntryRecord"
import { Router } from "@guildhall/routing/Router"
import * as Checks from "@guildhall/verification/endpoint/Checks"
import * as Conclusion from "@guildhall/verification/endpoint/Conclusion"
import { Market } from "../Market.ts"
import * as Problems from "./internal/Problems.ts"

/** Until the steward has looked at it, an instance waits for its first run. */
const view = (instance: EntryView["instance"], asked: EntryView["asked"], entry: Entry | undefined): EntryView => ({
  instance,
  asked,
  state: entry?.state ?? "pending",
  isAttested: Conclusion.of(asked, entry?.outcomes ?? []).isAttested,
  checks: entry?.outcomes ?? [],
  isRunning: entry?.isRunning ?? false,
  running: entry?.steps ?? [],
  attempt: entry?.attempt ?? 0,
  // When one that passed is looked at again is nobody's to know.
  ...(entry === undefined || entry.state === "passed" ? {} : { nextAtMs: Math.floor(entry.dueAtMs) }),
  ...(entry?.concludedAtMs === undefined ? {} : { endedAtMs: Math.floor(entry.concludedAtMs) }),
})

/**
 * The handlers. Without an `EntryRecord`, or where the definition asks for no checks, there is nothing to show.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  ControlApi,
  "entries",
  Effect.fnUntraced(function* (handlers) {
    const { definition } = yield* Market
    const router = yield* Router
    const record = Option.getOrUndefined(yield* Effect.serviceOption(EntryRecord))
    const asked = definition.entry?.checks

    return handlers.handleAll({
      entry: Effect.fn("EntriesRoutes.entry")(function* ({ params: { id } }) {
        const { deviceId, memberId, role } = yield* Caller
        if (asked === undefined || record === undefined) {
          return yield* Problem.of("not_found", "This market asks for no checks: whoever registers is on it.")
        }
        const instance = router.instances().find((one) => one.id === id)
        // The same for what is not there and for what is somebody else's.
        if (
          instance === undefined ||
          (instance.memberId !== memberId && role !== "operator") ||
          (deviceId !== undefined && instance.deviceId !== deviceId)
        ) {
          return yield* Problem.of("not_found", `You have no ${id} on the market.`)
        }
        return view(id, Checks.inOrder(asked), yield* record.find(id))
      }, Problems.answer),
    })
  }),
)
