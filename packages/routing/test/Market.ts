/** Instances for tests. */
import { DeviceId, DevicePublicKey } from "@guildhall/core/Device"
import { Instance, InstanceId } from "@guildhall/core/Instance"
import { MemberId } from "@guildhall/core/Member"
import type { ModelId } from "@guildhall/core/Model"
import { perMillionCents } from "@guildhall/core/PriceSheet"

export const instance = (options: {
  readonly name: string
  readonly model: ModelId
  readonly concurrency?: number
  readonly contextLength?: number
  readonly state?: Instance["state"]
}): Instance => ({
  id: InstanceId.make(`ins_${options.name}`),
  deviceId: DeviceId.make(`dev_${"0".repeat(32)}`),
  devicePublicKey: DevicePublicKey.make("A".repeat(43)),
  memberId: MemberId.make("mem_provider"),
  model: options.model,
  reach: { _tag: "Endpoint", url: "http://127.0.0.1:9000/v1" },
  price: perMillionCents({ input: 100n, output: 200n }),
  contextLength: options.contextLength ?? 8_192,
  concurrency: options.concurrency ?? 4,
  state: options.state ?? "online",
})
