/**
 * Which wallet a device is bound to: what it bonds and votes with.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { DeviceId } from "@guildhall/core/Device"
import * as EvmKey from "@guildhall/protocol/evm/EvmKey"
import * as WalletBinding from "@guildhall/protocol/provider/WalletBinding"
import { RegistryError } from "./RegistryError.ts"

/**
 * The wallet of a device: its address in the spelling of EIP-55, since when it is bound (milliseconds since 1970), and what both
 * signed, for anyone to check.
 *
 * @category models
 * @since 0.1.0
 */
export interface DeviceWallet {
  readonly deviceId: DeviceId
  readonly address: EvmKey.Address
  readonly boundAtMs: number
  readonly binding: WalletBinding.WalletBinding
}

/**
 * The service.
 *
 * Guarantees, each proved by the tests over both stores:
 *
 * 1. A binding that does not hold is refused with `invalid_wallet_binding`, says why, and changes nothing.
 * 2. A binding takes the place of the one before it, and only of one that was issued earlier, however many come at once.
 *
 * @category services
 * @since 0.1.0
 */
export class DeviceWallets extends Context.Service<
  DeviceWallets,
  {
    /** Binds a registered device to a wallet. `expected` is this market, its chain, and the device's key. */
    readonly bind: (
      id: DeviceId,
      binding: WalletBinding.WalletBinding,
      expected: Pick<WalletBinding.Expected, "market" | "chainId" | "device">,
    ) => Effect.Effect<DeviceWallet, RegistryError>
    /** The wallets of these devices; one that is bound to none is left out. */
    readonly of: (ids: ReadonlyArray<DeviceId>) => Effect.Effect<ReadonlyMap<DeviceId, DeviceWallet>, RegistryError>
  }
>()("@guildhall/registry/DeviceWallets") {}

/**
 * What `DeviceWallets` needs of a store. `put` keeps a wallet where none is bound that was issued at the same time or later, and
 * answers whether it did, in one step.
 *
 * @category models
 * @since 0.1.0
 */
export interface DeviceWalletStore {
  readonly put: (wallet: DeviceWallet) => Effect.Effect<boolean, RegistryError>
  readonly of: DeviceWallets["Service"]["of"]
}

const refused = (refusal: WalletBinding.Refusal): RegistryError =>
  new RegistryError({ code: "invalid_wallet_binding", detail: `${refusal}: ${WalletBinding.REFUSALS[refusal]}` })

/**
 * The service over a store.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (store: DeviceWalletStore): DeviceWallets["Service"] => ({
  bind: Effect.fn("DeviceWallets.bind")(function* (deviceId, binding, expected) {
    const nowMs = yield* Clock.currentTimeMillis
    const refusal = WalletBinding.refusal(binding, { ...expected, nowMs })
    if (refusal !== undefined) return yield* refused(refusal)
    const wallet = { deviceId, address: EvmKey.spell(binding.wallet), boundAtMs: nowMs, binding }
    return (yield* store.put(wallet)) ? wallet : yield* refused("replayed")
  }),
  of: Effect.fn("DeviceWallets.of")((ids) => store.of(ids)),
})

/**
 * Wallets in this process's memory, gone with it: for tests, simulations and small embeddings.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory: Layer.Layer<DeviceWallets> = Layer.sync(DeviceWallets, () => {
  const wallets = new Map<DeviceId, DeviceWallet>()
  return make({
    put: (wallet) =>
      Effect.sync(() => {
        const known = wallets.get(wallet.deviceId)
        if (known !== undefined && known.binding.issued_at_ms >= wallet.binding.issued_at_ms) return false
        wallets.set(wallet.deviceId, wallet)
        return true
      }),
    of: (ids) =>
      Effect.sync(
        () =>
          new Map(
            ids.flatMap((id) => {
              const wallet = wallets.get(id)
              return wallet === undefined ? [] : [[id, wallet]]
            }),
          ),
      ),
  })
})
