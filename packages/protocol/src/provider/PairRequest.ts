/**
 * What an agent sends to be paired with a member, and what it hears.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { DeviceId, DeviceName, Versions } from "@guildhall/core/Device"
import { Hardware } from "@guildhall/core/Hardware"

/**
 * The body of `POST /api/devices/pair`. `code` is what the member was shown: six digits or, with the name of the pairing behind
 * them, the long form, which is heard even while others try codes.
 *
 * @category models
 * @since 0.1.0
 */
export const PairRequest = Schema.Struct({
  code: Schema.String.pipe(Schema.check(Schema.isPattern(/^[0-9]{6}(?:-[0-9a-f]{24})?$/))),
  name: DeviceName,
  hardware: Hardware,
  versions: Versions,
})
/** @since 0.1.0 */
export type PairRequest = typeof PairRequest.Type

/**
 * The answer. While it is `waiting`, the agent sends the same again after `ask_again_ms`; else the matter is decided, or `over`
 * because the member let an hour pass.
 *
 * @category models
 * @since 0.1.0
 */
export const PairAnswer = Schema.Struct({
  state: Schema.Literals(["waiting", "approved", "refused", "over"]),
  device_id: DeviceId,
  fingerprint: Schema.String,
  ask_again_ms: Schema.Int,
})
/** @since 0.1.0 */
export type PairAnswer = typeof PairAnswer.Type

/**
 * A code as people write it, such as `482 913` or `482-913`, in the form that is sent; undefined where it is none.
 *
 * **Example** (As it was read out)
 *
 * ```ts
 * import { PairRequest } from "@guildhall/protocol/provider"
 *
 * PairRequest.readCode(" 482 913 ") // => "482913"
 * PairRequest.readCode("48291") // => undefined
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const readCode = (text: string): string | undefined => {
  const found = /^([0-9]{3})[ -]?([0-9]{3})(-[0-9a-f]{24})?$/.exec(text.trim().toLowerCase())
  return found === null ? undefined : `${found[1]}${found[2]}${found[3] ?? ""}`
}
