/**
 * The epochs that the market settles on its chain, and the proofs of the caller's wallets.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Address from "@guildhall/chain/Address"
import * as CumulativeTree from "@guildhall/chain/CumulativeTree"
import * as RootClaim from "@guildhall/chain/RootClaim"
import { type Epoch, SettlementRecord } from "@guildhall/chain/SettlementRecord"
import { Caller } from "@guildhall/protocol/api/Access"
import { ControlApi } from "@guildhall/protocol/api/ControlApi"
import { Problem } from "@guildhall/protocol/api/Problem"
import type { SettlementProofView, SettlementsView, SettlementView } from "@guildhall/protocol/api/SettlementsApi"
import * as Problems from "./internal/Problems.ts"

const EPOCHS = 20
/** Among so many of the newest epochs is the last claimable one looked for. */
const LOOK_BACK = 100

const viewOf = (epoch: Epoch): SettlementView => {
  const { sum, ...rest } = epoch
  return {
    ...rest,
    root: sum?.commitment ?? null,
    total: sum?.total ?? null,
    boost: sum?.boost ?? null,
    accounts: sum?.accounts ?? null,
  }
}

/** As the record spells it. What no spelling of an address can be, no epoch has. */
const contractOf = (text: string | undefined): Address.Address | undefined =>
  text === undefined ? undefined : Option.getOrElse(Address.fromText(text), () => Address.ZERO)

const noChain = Problem.of("not_found", "This market settles nothing on a chain, so it has no epochs.")

/**
 * The handlers. A market that keeps no `SettlementRecord` has no epochs.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  ControlApi,
  "settlements",
  Effect.fnUntraced(function* (handlers) {
    const record = Option.getOrUndefined(yield* Effect.serviceOption(SettlementRecord))

    const find = Effect.fnUntraced(function* (epoch: number | "latest", contract: string | undefined) {
      if (record === undefined) return yield* noChain
      const of = { contract: contractOf(contract) }
      const found =
        epoch === "latest"
          ? (yield* record.epochs({ ...of, limit: LOOK_BACK })).find(({ state }) => state === "claimable")
          : (yield* record.epochs({ ...of, epoch, limit: 1 }))[0]
      if (found !== undefined) return found
      const detail = epoch === "latest" ? "No epoch can be claimed yet." : `There is no epoch ${epoch}, or none yet.`
      return yield* Problem.of("not_found", detail)
    })

    const list = Effect.fn("SettlementsRoutes.list")(function* (query: {
      readonly limit?: number | undefined
      readonly before?: number | undefined
      readonly contract?: string | undefined
    }) {
      if (record === undefined) return { data: [] } satisfies SettlementsView
      const limit = query.limit ?? EPOCHS
      const contract = contractOf(query.contract)
      const found = yield* record.epochs({ contract, before: query.before, limit: limit + 1 })
      const next = found[limit] === undefined ? undefined : found[limit - 1]?.sequence
      const data = found.slice(0, limit).map(viewOf)
      return (next === undefined ? { data } : { data, next }) satisfies SettlementsView
    })

    const proof = Effect.fn("SettlementsRoutes.proof")(function* (epoch: number | "latest", of: string | undefined) {
      if (record === undefined) return yield* noChain
      const { memberId } = yield* Caller
      const found = yield* find(epoch, of)
      const { chainId, contract, kind, token } = found
      const leaves = yield* record.leaves(found, memberId)
      if (leaves.length === 0) {
        const detail = `Your wallets have no part in epoch ${found.epoch}, or its proofs are no longer kept: a later epoch's proof covers all that was earned before. Ask for \`latest\`.`
        return yield* Problem.of("not_found", detail)
      }
      const proofs = leaves.map((leaf) => ({
        ...leaf,
        leaf: CumulativeTree.leaf({ chainId, contract, token }, leaf),
        call: kind === "root" ? { to: contract, data: RootClaim.data({ token, ...leaf }) } : null,
      }))
      return { ...viewOf(found), proofs } satisfies SettlementProofView
    })

    return handlers.handleAll({
      list: ({ query }) => Problems.answer(list(query)),
      get: ({ params, query }) => Problems.answer(Effect.map(find(params.epoch, query.contract), viewOf)),
      proof: ({ params, query }) => Problems.answer(proof(params.epoch, query.contract)),
    })
  }),
)
