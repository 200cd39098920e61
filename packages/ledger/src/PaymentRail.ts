/**
 * PORT. How money comes in: a card payment, a transfer on a chain, an operator's word. A rail moves money outside and
 * says how that stands; the ledger's posting is made by whoever asked it.
 *
 * Guarantees, each proved by `PaymentRailTest.suite`:
 *
 * 1. Starting twice with the same key and the same top-up starts one; with another top-up it is a `Conflict`.
 * 2. A top-up that was started is found by its key, and its amount and asset are those that were asked for.
 * 3. A state that is `Succeeded` or `Failed` never changes again.
 * 4. Every movement is listed, in a stable order, and a cursor goes on where the last page ended.
 * 5. An amount of zero or less is refused, and nothing is started.
 *
 * @since 0.1.0
 */
import { hash } from "node:crypto"
import * as Effect from "effect/Effect"
import type { AssetCode } from "@guildhall/core/Asset"
import type { MemberId } from "@guildhall/core/Member"
import * as Parts from "@guildhall/core/Parts"
import { type Movement, type MovementState, RailError } from "./Movement.ts"

/**
 * A top-up to be started.
 *
 * @category models
 * @since 0.1.0
 */
export interface TopUp {
  readonly idempotencyKey: string
  readonly member: MemberId
  readonly asset: AssetCode
  readonly amount: bigint
}

/**
 * The port. `fundingSource` names the money that comes by this rail, in accounts and statements.
 *
 * @category models
 * @since 0.1.0
 */
export interface PaymentRail {
  readonly name: string
  readonly fundingSource: string
  readonly capabilities: { readonly refunds: boolean }
  readonly start: (topUp: TopUp) => Effect.Effect<Movement, RailError>
  readonly find: (idempotencyKey: string) => Effect.Effect<Movement, RailError>
  readonly movements: (after: string | null, limit: number) => Effect.Effect<ReadonlyArray<Movement>, RailError>
}

/** The kind under which a definition names a rail for money that comes in. @category parts @since 0.1.0 */
export const PaymentRail: Parts.Kind<PaymentRail> = Parts.kind("payment rail")

/** The same for the same key, also after a restart: what is posted by then must be found to be the same again. */
const externalId = (name: string, key: string): string =>
  `${name.toLowerCase()}-${hash("sha256", key, "hex").slice(0, 16)}`

/**
 * A rail in memory, which ends each movement in the state that `decide` gives. The Development rail is one that always
 * succeeds: money out of thin air, for one's own machine.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeMemory = (options: {
  readonly name: string
  readonly fundingSource: string
  readonly decide: (topUp: TopUp) => MovementState
}): PaymentRail => {
  const started = new Map<string, { readonly topUp: TopUp; readonly movement: Movement }>()
  return {
    name: options.name,
    fundingSource: options.fundingSource,
    capabilities: { refunds: false },
    start: (topUp) =>
      Effect.suspend(() => {
        const known = started.get(topUp.idempotencyKey)
        if (known !== undefined) {
          const { member, asset, amount } = known.topUp
          return member === topUp.member && asset === topUp.asset && amount === topUp.amount
            ? Effect.succeed(known.movement)
            : Effect.fail(new RailError({ reason: "Conflict", detail: `It was ${amount} ${asset} for ${member}.` }))
        }
        if (topUp.amount <= 0n) {
          return Effect.fail(new RailError({ reason: "Refused", detail: "The amount must be above zero." }))
        }
        const movement: Movement = {
          cursor: String(started.size + 1),
          idempotencyKey: topUp.idempotencyKey,
          externalId: externalId(options.name, topUp.idempotencyKey),
          asset: topUp.asset,
          amount: topUp.amount,
          state: options.decide(topUp),
        }
        started.set(topUp.idempotencyKey, { topUp, movement })
        return Effect.succeed(movement)
      }),
    find: (idempotencyKey) =>
      Effect.suspend(() => {
        const known = started.get(idempotencyKey)
        return known === undefined
          ? Effect.fail(new RailError({ reason: "NotFound", detail: "Start it first." }))
          : Effect.succeed(known.movement)
      }),
    movements: (after, limit) =>
      Effect.sync(() => {
        const from = after === null ? 0 : Number(after)
        return [...started.values()].slice(from, from + limit).map(({ movement }) => movement)
      }),
  }
}

/**
 * The part `Development`: top-ups that succeed at once and cost nothing. For one's own machine, never for a market
 * with real providers.
 *
 * @category parts
 * @since 0.1.0
 */
export const developmentPart: Parts.Part = Parts.part(PaymentRail, {
  name: "Development",
  settings: Parts.NoSettings,
  make: () => makeMemory({ name: "Development", fundingSource: "development", decide: () => ({ _tag: "Succeeded" }) }),
})
