/**
 * Devices, their instances and their heartbeats. Every change is numbered, so a gateway follows the market by asking
 * for what changed since the number it has seen.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Device, DeviceId, DevicePublicKey } from "@guildhall/core/Device"
import type { DirectoryEvent } from "@guildhall/core/DirectoryEvent"
import type { Instance, InstanceId, InstanceState } from "@guildhall/core/Instance"
import type { MemberId } from "@guildhall/core/Member"
import type { ModelId } from "@guildhall/core/Model"
import type { PriceSheet } from "@guildhall/core/PriceSheet"
import type { RegistryError } from "./RegistryError.ts"

/**
 * A message that a device signed, as it came in: the headers' values and the exact body.
 *
 * @category models
 * @since 0.1.0
 */
export interface SignedMessage {
  readonly method: string
  readonly path: string
  readonly publicKey: DevicePublicKey
  readonly signature: string
  readonly issuedAtMs: number
  readonly sequence: number
  readonly body: Uint8Array
}

/**
 * An instance with what only the registry knows of it. Times are milliseconds since 1970.
 *
 * @category models
 * @since 0.1.0
 */
export interface ListedInstance {
  readonly instance: Instance
  readonly lastBeatAtMs: number
  readonly registeredAtMs: number
}

/**
 * The service.
 *
 * @category services
 * @since 0.1.0
 */
export class Devices extends Context.Service<
  Devices,
  {
    /**
     * Checks a device's signature, clock (`stale_message`) and sequence (`replayed_message`), and uses the sequence
     * up. Answers the device's id; the device need not be registered yet, but must not be revoked.
     */
    readonly authenticate: (message: SignedMessage) => Effect.Effect<DeviceId, RegistryError>
    /** Registers a device of a member with one instance, or gives a registered one new terms. */
    readonly register: (registration: {
      readonly memberId: MemberId
      readonly publicKey: DevicePublicKey
      readonly model: ModelId
      readonly endpointUrl: string
      readonly price: PriceSheet
      readonly contextLength: number
      readonly concurrency: number
    }) => Effect.Effect<{ readonly device: Device; readonly instance: Instance }, RegistryError>
    /** Notes a beat: the instances are alive, `serving` or `draining`. */
    readonly beat: (
      deviceId: DeviceId,
      instances: ReadonlyArray<{ readonly id: InstanceId; readonly state: "serving" | "draining" }>,
    ) => Effect.Effect<void, RegistryError>
    /** Sets what the steward found out about an instance. */
    readonly setState: (id: InstanceId, state: InstanceState) => Effect.Effect<void, RegistryError>
    /** Takes an instance off the market; only its member may. */
    readonly deregister: (id: InstanceId, memberId: MemberId) => Effect.Effect<void, RegistryError>
    /** Every instance that is on the market. */
    readonly instances: Effect.Effect<ReadonlyArray<ListedInstance>, RegistryError>
    /** The changes after a version, oldest first, with the version that they lead to. After version 0: everything. */
    readonly changes: (
      after: number,
    ) => Effect.Effect<{ readonly version: number; readonly events: ReadonlyArray<DirectoryEvent> }, RegistryError>
  }
>()("@guildhall/registry/Devices") {}
