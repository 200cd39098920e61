/** A ledger that keeps every hold back until it is opened: so long none is durable. */
import { Effect } from "effect"
import type * as TestLane from "./TestLane.ts"

/** What the ledger last knew to be available: more than enough, unless told otherwise. */
export const make = (known: { readonly available: bigint | undefined } = { available: 10n ** 30n }) => {
  const { promise: opened, resolve: open } = Promise.withResolvers<void>()
  const wrapLedger: NonNullable<TestLane.Options["wrapLedger"]> = (ledger) => ({
    ...ledger,
    lastAvailable: () => known.available,
    hold: (request) =>
      Effect.andThen(
        Effect.promise(() => opened),
        ledger.hold(request),
      ),
  })
  return { open, wrapLedger }
}
