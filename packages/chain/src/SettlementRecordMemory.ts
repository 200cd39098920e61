/**
 * The record of a market's epochs in this process's memory, gone with it: for tests and simulations.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { MemberId } from "@guildhall/core/Member"
import type { Address } from "./Address.ts"
import * as Record from "./SettlementRecord.ts"

interface Kept {
  epoch: Record.Epoch
  payees: ReadonlyArray<Record.Payee>
  leaves: ReadonlyArray<Record.Leaf>
}

const keyOf = ({ asset, chainId, contract, epoch, token }: Record.Of): string =>
  [asset, chainId, contract, token, epoch].join(" ")

const unknown = (of: Record.Of) =>
  new Record.SettlementRecordError({ reason: "Corrupt", cause: new Error(`there is no epoch ${keyOf(of)}`) })

const isOf = (epoch: Record.Epoch, { asset, before, chainId, contract, epoch: number, token }: Record.Query): boolean =>
  (asset === undefined || epoch.asset === asset) &&
  (chainId === undefined || epoch.chainId === chainId) &&
  (contract === undefined || epoch.contract === contract) &&
  (token === undefined || epoch.token === token) &&
  (number === undefined || epoch.epoch === number) &&
  (before === undefined || epoch.sequence < before)

/**
 * Makes a record. `keep` is of how many claimable epochs of a place the leaves and payees stay.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (keep: number = Record.KEPT_EPOCHS): Record.SettlementRecord["Service"] => {
  const kept = new Map<string, Kept>()
  const accounts = new Map<MemberId, Set<Address>>()
  const newest = (query: Omit<Record.Query, "limit">) =>
    [...kept.values()].filter(({ epoch }) => isOf(epoch, { ...query, limit: 0 })).reverse()
  const on = <A>(of: Record.Of, use: (found: Kept) => A) =>
    Effect.suspend(() => {
      const found = kept.get(keyOf(of))
      return found === undefined ? Effect.fail(unknown(of)) : Effect.succeed(use(found))
    })
  const prune = (of: Record.Of): void => {
    const place = newest(Record.placeOf(of))
    const oldest = place
      .filter(({ epoch }) => epoch.state === "claimable")
      .slice(0, keep)
      .at(-1)
    for (const old of place) {
      if (oldest === undefined || old.epoch.epoch >= oldest.epoch.epoch) continue
      old.payees = []
      old.leaves = []
    }
  }
  return {
    begin: (beginning) =>
      Effect.sync(() => {
        const [last] = newest(Record.placeOf(beginning))
        const found =
          kept.get(keyOf(beginning)) ??
          newest({ asset: beginning.asset }).find(({ epoch }) => !Record.isFinished(epoch)) ??
          (last !== undefined && last.epoch.epoch > beginning.epoch ? last : undefined)
        if (found !== undefined) return found.epoch
        const fresh = { state: "begun", sum: null, transaction: null, appliesAtS: null } as const
        const epoch: Record.Epoch = { ...beginning, ...fresh, sequence: kept.size + 1 }
        kept.set(keyOf(beginning), { epoch, payees: [], leaves: [] })
        return epoch
      }),
    net: (of, sum, { leaves, payees }) =>
      on(of, (found) => {
        if (found.epoch.state !== "begun") return found.epoch
        found.epoch = { ...found.epoch, state: "netted", sum }
        found.payees = payees
        found.leaves = leaves
        for (const { account, member } of payees) {
          accounts.set(member, new Set([...(accounts.get(member) ?? []), account]))
        }
        return found.epoch
      }),
    note: (of, news) =>
      on(of, (found) => {
        if (Record.mayMove(found.epoch.state, news.state)) found.epoch = { ...found.epoch, ...news }
        if (news.state === "claimable") prune(of)
        return found.epoch
      }),
    epochs: (query) =>
      Effect.sync(() =>
        newest(query)
          .slice(0, query.limit)
          .map(({ epoch }) => epoch),
      ),
    payees: (of) => on(of, ({ payees }) => payees),
    leaves: (of, member) =>
      on(of, ({ leaves }) =>
        member === undefined ? leaves : leaves.filter(({ account }) => accounts.get(member)?.has(account) === true),
      ),
  }
}

/**
 * {@link make} as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Record.SettlementRecord> = Layer.sync(Record.SettlementRecord, () => make())
