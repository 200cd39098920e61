/**
 * Whether a device really contradicted itself: two texts that it signed, checked with nothing else at hand, by anyone.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { DevicePublicKey } from "@guildhall/core/Device"
import * as SignedText from "./SignedText.ts"

/**
 * What the journal's `DeviceEquivocated` keeps. `chain` are the lines, as they are hashed, from after the former head to the latter.
 *
 * @category models
 * @since 0.1.0
 */
export interface Evidence {
  readonly former: { readonly publicKey: DevicePublicKey; readonly text: string; readonly signature: string }
  readonly latter: { readonly publicKey: DevicePublicKey; readonly text: string; readonly signature: string }
  readonly chain: ReadonlyArray<string>
}

/**
 * What the evidence comes to: `proved`, or why it proves nothing.
 *
 * @category models
 * @since 0.1.0
 */
export type Verdict =
  | { readonly _tag: "Proved"; readonly what: string }
  | { readonly _tag: "Refuted"; readonly why: string }

const Head = Schema.fromJsonString(
  Schema.Struct({
    what: Schema.Literal("guildhall-usage-head-v1"),
    device: DevicePublicKey,
    number: Schema.Int,
    hash: Schema.String,
  }),
)
const Commitment = Schema.fromJsonString(
  Schema.Struct({ what: Schema.Literal("guildhall-commitment-v1"), device: DevicePublicKey, number: Schema.Int }),
)
const Line = Schema.fromJsonString(Schema.Struct({ number: Schema.Int, previous: Schema.String }))

const decodeHead = Schema.decodeUnknownOption(Head)
const decodeCommitment = Schema.decodeUnknownOption(Commitment)
const decodeLine = Schema.decodeUnknownOption(Line)

const refuted = (why: string): Verdict => ({ _tag: "Refuted", why })
const proved = (what: string): Verdict => ({ _tag: "Proved", what })

/** What the latter head says stands under the number of the former; undefined where the lines do not lead from there to it. */
const hashAt = (number: number, head: typeof Head.Type, chain: ReadonlyArray<string>): string | undefined => {
  if (chain.length === 0) return head.number === number ? head.hash : undefined
  let first: string | undefined
  let last = ""
  for (const [at, text] of chain.entries()) {
    const line = Option.getOrUndefined(decodeLine(text))
    if (line?.number !== number + 1 + at || (at > 0 && line.previous !== last)) return undefined
    first ??= line.previous
    last = SignedText.sha256(text)
  }
  return number + chain.length === head.number && last === head.hash ? first : undefined
}

/**
 * Checks the evidence. Both texts must be signed by the key that they name, be of one kind, and contradict each other.
 *
 * @category rules
 * @since 0.1.0
 */
export const verify = ({ chain, former, latter }: Evidence): Verdict => {
  for (const [name, signed] of [
    ["former", former],
    ["latter", latter],
  ] as const) {
    const bytes = new TextEncoder().encode(signed.text)
    if (!SignedText.isSigned(signed.publicKey, bytes, signed.signature)) {
      return refuted(`The ${name} text is not signed by the key ${signed.publicKey}.`)
    }
  }
  const commitments = [decodeCommitment(former.text), decodeCommitment(latter.text)] as const
  if (Option.isSome(commitments[0]) && Option.isSome(commitments[1])) {
    const [one, other] = [commitments[0].value, commitments[1].value]
    if (one.device !== former.publicKey || other.device !== latter.publicKey)
      return refuted("A text names another key.")
    if (one.number !== other.number) return refuted("The commitments have different numbers.")
    return former.text === latter.text
      ? refuted("Both texts are the same.")
      : proved(`Two different commitments are signed under the number ${one.number}.`)
  }
  const heads = [decodeHead(former.text), decodeHead(latter.text)] as const
  if (Option.isNone(heads[0]) || Option.isNone(heads[1])) return refuted("The texts are not of one kind.")
  const [one, other] = [heads[0].value, heads[1].value]
  if (one.device !== former.publicKey || other.device !== latter.publicKey) return refuted("A text names another key.")
  const said = hashAt(one.number, other, chain)
  if (said === undefined) return refuted("The lines do not lead from the former head to the latter.")
  return said === one.hash
    ? refuted("The latter head goes on from the former.")
    : proved(`Two different lines are signed under the number ${one.number}.`)
}
