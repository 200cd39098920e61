/**
 * What this device has signed that it serves. It is kept in the home, so that the same is said under the same number.
 *
 * @since 0.1.0
 */
import * as Crypto from "node:crypto"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Attested } from "@guildhall/protocol/provider/Attested"
import type { Commitment } from "@guildhall/protocol/provider/DeviceProof"
import * as SignedCommitment from "@guildhall/protocol/provider/SignedCommitment"
import { AgentHome } from "./AgentHome.ts"
import { DeviceKey } from "./DeviceKey.ts"

/** The file in the home: the commitment that was signed last, as `guildhall receipt verify --commitment` takes it. @since 0.1.0 */
export const NAME = "commitment.json"

const Stored = Schema.fromJsonString(SignedCommitment.SignedCommitment)

/**
 * The digest of a commitment, by which receipts name it.
 *
 * @category getters
 * @since 0.1.0
 */
export const digest = (statement: Omit<SignedCommitment.SignedCommitment, "signature">): string =>
  Crypto.createHash("sha256").update(SignedCommitment.bytes(statement)).digest("hex")

/**
 * Makes the function that gives what this device commits to, from what the market holds of it: the one that was signed last
 * where it says the same and the market holds no later one, else one under the next number that neither has seen. It is on disk
 * before anyone gets it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (serves: ReadonlyArray<Commitment>) {
  const home = yield* AgentHome
  const key = yield* DeviceKey
  // One that cannot be read is as good as none: the market says where to go on.
  let last = Option.flatMap(yield* home.read(NAME), (bytes) =>
    Schema.decodeUnknownOption(Stored)(new TextDecoder().decode(bytes)),
  )
  const isSame = (statement: SignedCommitment.SignedCommitment): boolean =>
    digest(statement) === digest({ device: key.publicKey, number: statement.number, serves })

  return Effect.fn("ServedCommitment.current")(function* (held: Attested["commitment"]) {
    const own = Option.getOrUndefined(last)
    const isLatest =
      own !== undefined &&
      (held === undefined || held.number < own.number || (held.number === own.number && held.digest === digest(own)))
    if (isLatest && isSame(own)) return own
    const number = Math.max(own?.number ?? 0, held?.number ?? 0) + 1
    const statement = key.signCommitment(number, serves)
    yield* home.write(NAME, new TextEncoder().encode(Schema.encodeSync(Stored)(statement)))
    last = Option.some(statement)
    return statement
  })
})
