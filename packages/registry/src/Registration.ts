/**
 * What a provider registers: a device with one model that it serves.
 *
 * @since 0.1.0
 */
import type { DevicePublicKey } from "@guildhall/core/Device"
import type { Instance, Reach } from "@guildhall/core/Instance"
import type { MemberId } from "@guildhall/core/Member"
import type { ModelId } from "@guildhall/core/Model"
import type { PriceSheet } from "@guildhall/core/PriceSheet"

/**
 * What a provider may declare of an instance, or leave undeclared.
 *
 * @category models
 * @since 0.1.0
 */
export type Declared = Pick<
  Instance,
  | "provider"
  | "endpoints"
  | "quantization"
  | "parameters"
  | "retainsData"
  | "tokenizer"
  | "region"
  | "country"
  | "inputs"
  | "rails"
>

/**
 * What a device wants to serve, and where. A device has a key, or where none stands behind it, a name among its member's:
 * one of `publicKey` and `keyless` is given. `contextLength` is in tokens, `concurrency` in requests at a time. It replaces all
 * of what was registered before: what it leaves out is no longer declared.
 *
 * @category models
 * @since 0.1.0
 */
export interface Registration extends Declared {
  readonly memberId: MemberId
  readonly publicKey?: DevicePublicKey | undefined
  readonly keyless?: string | undefined
  readonly model: ModelId
  readonly reach: Reach
  readonly price: PriceSheet
  readonly contextLength: number
  readonly concurrency: number
}
