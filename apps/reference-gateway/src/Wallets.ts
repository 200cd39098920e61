/**
 * Where members are paid on the market's chain: at the wallet that a member named for it, else at the one that it bound last to one of
 * its devices.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Address from "@guildhall/chain/Address"
import type { MemberId } from "@guildhall/core/Member"
import { Devices } from "@guildhall/registry/Devices"
import { DeviceWallets } from "@guildhall/registry/DeviceWallets"

/** So many members are looked up at a time. */
const AT_ONCE = { concurrency: 8 } as const

/**
 * Makes the function that finds the wallets of members; whoever has none is left out.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function* () {
  const devices = yield* Devices
  const wallets = yield* DeviceWallets

  const find = Effect.fnUntraced(function* (memberId: MemberId) {
    const { targets } = yield* devices.railsOf(memberId)
    const named = targets.find(({ kind }) => kind === "wallet")?.target
    if (named !== undefined) return Option.getOrUndefined(Address.fromText(named))
    const own = yield* devices.devicesOf(memberId)
    const bound = [...(yield* wallets.of(own.map(({ id }) => id))).values()]
    const last = bound.toSorted((a, b) => b.boundAtMs - a.boundAtMs)[0]
    return last === undefined ? undefined : Option.getOrUndefined(Address.fromText(last.address))
  })

  return Effect.fnUntraced(function* (members: ReadonlyArray<MemberId>) {
    const found = yield* Effect.forEach(
      members,
      (member) => Effect.map(find(member), (wallet) => [member, wallet] as const),
      AT_ONCE,
    )
    return new Map(found.flatMap(([member, wallet]) => (wallet === undefined ? [] : [[member, wallet] as const])))
  })
})
