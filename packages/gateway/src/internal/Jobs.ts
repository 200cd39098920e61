import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Instance } from "@guildhall/core/Instance"
import { chargeAssetOf } from "@guildhall/core/MarketDefinition"
import * as Money from "@guildhall/core/Money"
import type { Admitted } from "../Admit.ts"
import { Market } from "../Market.ts"
import type { Metered } from "../Meter.ts"
import type { Priced } from "../Price.ts"
import { Recount } from "../Recount.ts"
import type { RelayJob } from "../Relay.ts"
import * as Settle from "../Settle.ts"
import type { Tally } from "../Tally.ts"
import type { Buyer } from "./Buyer.ts"
import type { Bill } from "./Rendition.ts"
import { idHeaders, Outlet, type OutletOptions } from "./Outlet.ts"

/** A request that was let in, and who waits for its answer until when. */
export type Asked = Omit<RelayJob, "outlet" | "observer" | "bill"> & { readonly buyer: Buyer }

/** Makes of a request that was let in, and priced, and whose hold is on its way, a job for the relay. */
export const make = Effect.fnUntraced(function* (
  asItStands: (admitted: Admitted, priced: Priced, tally: Tally, instance: Instance) => Metered,
) {
  const { definition } = yield* Market
  const clock = yield* Clock.Clock
  const recount = yield* Recount
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  const asset = chargeAssetOf(definition)
  const now = () => clock.currentTimeMillisUnsafe()

  return (asked: Asked, priced: Priced, given: Pick<OutletOptions, "gate" | "hash" | "taps">): RelayJob => {
    const { admitted, buyer } = asked
    const mayPing = admitted.touched.stream && admitted.payer.terms?.keepAlive !== false
    const outlet = new Outlet({
      ...given,
      buyer,
      errors: admitted.endpoint.errors,
      headers: { ...idHeaders(admitted.id, admitted.endpoint.errors), ...admitted.place.headers() },
      pingMs: mayPing ? definition.relay.pingMs : undefined,
      now,
      onDefect: (defect) =>
        void fork(Effect.logError(`The answer to ${admitted.id} failed inside the gateway.`, defect)),
    })
    const observer = recount.observe({ id: admitted.id, model: admitted.model })
    // What the buyer is told that the answer costs is what will be charged.
    const bill = (tally: Tally, instance: Instance): Bill => {
      const { usage } = asItStands(admitted, priced, tally, instance)
      return { cost: Money.format(Settle.amount(instance, usage, given.gate.reserved.amount), asset), usage }
    }
    return { ...asked, outlet, observer, bill }
  }
})
