/** Devices as their members see them. */
import type { Device, DeviceId } from "@guildhall/core/Device"
import type { Hardware } from "@guildhall/core/Hardware"
import * as DeviceClass from "@guildhall/core/rules/DeviceClass"
import type { DeviceView } from "@guildhall/protocol/api/DevicesApi"
import type { ListedInstance } from "@guildhall/registry/Devices"
import type { DeviceWallet } from "@guildhall/registry/DeviceWallets"
import * as Pairing from "@guildhall/registry/Pairing"

/** What else is known of devices: their instances, their wallets, and when they were found to contradict themselves. */
export interface Beside {
  readonly listed: ReadonlyArray<ListedInstance>
  readonly wallets: ReadonlyMap<DeviceId, DeviceWallet>
  readonly equivocated: ReadonlyMap<DeviceId, number>
}

const walletOf = (wallet: DeviceWallet | undefined, publicKey: Device["publicKey"]): DeviceView["wallet"] =>
  wallet === undefined
    ? null
    : { address: wallet.address, boundAtMs: wallet.boundAtMs, byCurrentKey: wallet.binding.device === publicKey }

/** Makes the views in a market with these classes. */
export const make = (classes: DeviceClass.DeviceClasses) => {
  const classified = (hardware: Hardware | undefined) => {
    if (hardware === undefined) return { deviceClass: null, misses: [] }
    const { class: found, misses } = DeviceClass.classify(hardware, classes)
    return { deviceClass: found?.name ?? null, misses }
  }
  return {
    waiting: (one: Pairing.Waiting): DeviceView => ({
      id: one.deviceId,
      state: "waiting",
      name: one.name,
      publicKey: one.publicKey,
      fingerprint: one.fingerprint,
      hardware: one.hardware,
      ...classified(one.hardware),
      versions: one.versions,
      address: one.address,
      askedAtMs: one.askedAtMs,
      pairedAtMs: null,
      lastSeenAtMs: null,
      status: null,
      wallet: null,
      equivocatedAtMs: null,
      instances: [],
    }),
    device: (
      { facts, id, lastSeenAtMs, publicKey, state, status }: Device,
      { listed, equivocated, wallets }: Beside,
    ): DeviceView => ({
      id,
      state,
      name: facts.name ?? null,
      publicKey: publicKey ?? null,
      fingerprint: publicKey === undefined ? null : Pairing.fingerprint(publicKey),
      hardware: facts.hardware ?? null,
      ...classified(facts.hardware),
      versions: status?.versions ?? facts.versions ?? {},
      address: facts.address ?? null,
      askedAtMs: null,
      pairedAtMs: facts.pairedAtMs ?? null,
      lastSeenAtMs: lastSeenAtMs === 0 ? null : lastSeenAtMs,
      status,
      wallet: walletOf(wallets.get(id), publicKey),
      equivocatedAtMs: equivocated.get(id) ?? null,
      instances: listed
        .filter(({ instance }) => instance.deviceId === id)
        .map(({ instance, lastBeatAtMs }) => ({
          id: instance.id,
          model: instance.model,
          state: instance.state,
          lastBeatAtMs,
        })),
    }),
  }
}
