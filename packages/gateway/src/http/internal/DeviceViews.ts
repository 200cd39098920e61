/** Devices as their members see them. */
import type { Device } from "@guildhall/core/Device"
import type { Hardware } from "@guildhall/core/Hardware"
import * as DeviceClass from "@guildhall/core/rules/DeviceClass"
import type { DeviceView } from "@guildhall/protocol/api/DevicesApi"
import type { ListedInstance } from "@guildhall/registry/Devices"
import * as Pairing from "@guildhall/registry/Pairing"

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
      instances: [],
    }),
    device: (
      { facts, id, lastSeenAtMs, publicKey, state, status }: Device,
      listed: ReadonlyArray<ListedInstance>,
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
