/**
 * What the journal keeps: one entry for each thing that happened.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Option from "effect/Option"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { DeviceId, DevicePublicKey } from "@guildhall/core/Device"
import { Endpoint } from "@guildhall/core/Endpoint"
import { InstanceId } from "@guildhall/core/Instance"
import { KeyId, MemberId } from "@guildhall/core/Member"
import { ModelId } from "@guildhall/core/Model"
import { ProviderPreferences, ProviderPreferencesJson } from "@guildhall/core/ProviderPreferences"
import { ReasonCode } from "@guildhall/core/Reason"
import { Receipt } from "@guildhall/core/Receipt"
import { RequestId } from "@guildhall/core/Request"
import { RoutingFeatures } from "@guildhall/core/RoutingFeatures"

/**
 * One try on one instance: which, at which version of the directory it was chosen, and why it did not serve where it
 * did not.
 *
 * @category models
 * @since 0.1.0
 */
export const Attempt = Schema.Struct({
  instance: InstanceId,
  version: Schema.Int,
  model: Schema.optionalKey(ModelId),
  reason: Schema.optionalKey(ReasonCode),
})
/** @since 0.1.0 */
export type Attempt = typeof Attempt.Type

const Decision = Schema.Struct({
  replica: Schema.String,
  version: Schema.Int,
  policy: Schema.String,
  seed: Schema.Int,
  model: Schema.String,
  fallbacks: Schema.optionalKey(Schema.Array(Schema.String)),
  contextTokens: Schema.Int,
  endpoint: Schema.optionalKey(Endpoint),
  preferences: Schema.optionalKey(ProviderPreferences),
  features: Schema.optionalKey(RoutingFeatures),
  attempts: Schema.Array(Attempt),
})

const DecisionList = Schema.TupleWithRest(
  Schema.Tuple([Schema.String, Schema.Int, Schema.String, Schema.Int, Schema.String, Schema.Int]),
  [Schema.String],
)

/** `<id without ins_>+<versions since the attempt before> <reason>`; no change and no reason are left out. */
const attemptText = ({ instance, version, reason }: Attempt, before: number): string =>
  `${instance.slice(4)}${version === before ? "" : `+${version - before}`}${reason === undefined ? "" : ` ${reason}`}`

const NOTHING_RARE: typeof Rare.Type = {}

// A text of this list was an id when it was written.
const instanceOf = (id: string): InstanceId => `ins_${id}` as InstanceId

const isReason = Schema.is(ReasonCode)

/** What most decisions have not: another endpoint than Chat, other models, preferences, features, attempts on such a model. */
const Rare = Schema.fromJsonString(
  Schema.Struct({
    endpoint: Schema.optionalKey(Endpoint),
    preferences: Schema.optionalKey(ProviderPreferencesJson),
    features: Schema.optionalKey(RoutingFeatures),
    models: Schema.optionalKey(Schema.Array(Schema.NullOr(ModelId))),
    fallbacks: Schema.optionalKey(Schema.Array(Schema.String)),
  }),
)
const encodeRare = Schema.encodeSync(Rare)
const decodeRare = Schema.decodeUnknownOption(Rare)

/** As the last text of the list; no attempt's text begins with a brace. */
const rareText = (decision: RareParts): ReadonlyArray<string> => {
  const { attempts, endpoint, fallbacks, features, preferences } = decision
  const isElsewhere = attempts.some(({ model }) => model !== undefined)
  const rare: typeof Rare.Type = {
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(preferences === undefined ? {} : { preferences }),
    ...(features === undefined ? {} : { features }),
    ...(isElsewhere ? { models: attempts.map(({ model }) => model ?? null) } : {}),
    ...(fallbacks === undefined ? {} : { fallbacks }),
  }
  for (const _ in rare) return [encodeRare(rare)]
  return []
}

type RareParts = Pick<typeof Decision.Type, "endpoint" | "fallbacks" | "preferences" | "features" | "attempts">

const readAttempts = (
  texts: ReadonlyArray<string>,
  first: number,
  models: ReadonlyArray<ModelId | null>,
): ReadonlyArray<Attempt> => {
  let version = first
  return texts.map((text, at) => {
    const [, id = "", later = "0", reason] = /^([^ +]*)(?:\+(\d+))?(?: (\w+))?$/.exec(text) ?? []
    version += Number(later)
    // A code of a later release, read by an earlier one, is left out.
    const model = models[at] ?? undefined
    return {
      instance: instanceOf(id),
      version,
      ...(model === undefined ? {} : { model }),
      ...(isReason(reason) ? { reason } : {}),
    }
  })
}

/**
 * The JSON of a decision: a list without names, since one is kept for every request.
 *
 * @category encoding
 * @since 0.1.0
 */
export const decisionJson = (decision: typeof Decision.Type) =>
  [
    decision.replica,
    decision.version,
    decision.policy,
    decision.seed,
    decision.model,
    decision.contextTokens,
    ...decision.attempts.map((attempt, at) =>
      attemptText(attempt, decision.attempts[at - 1]?.version ?? decision.version),
    ),
    ...rareText(decision),
  ] as const

/**
 * A routing decision, by reference: with the directory's change log it can be computed again, candidate by
 * candidate. Its JSON is a list of at most 300 bytes for three attempts on a model with a name of up to 32 characters.
 * `replica` and `version` name a state of one gateway's directory before the first attempt; `seed` is the random seed
 * of the ranking.
 *
 * `fallbacks` are the models that were to take the place of `model`, in their order: each attempt is on the first of them all
 * that has an instance left at its version. Decisions of earlier releases do not tell them; there a retry stayed with the model
 * that it had come to.
 *
 * @category models
 * @since 0.1.0
 */
export const RoutingDecision = DecisionList.pipe(
  Schema.decodeTo(
    Schema.toType(Decision),
    SchemaTransformation.transform<typeof Decision.Type, typeof DecisionList.Type>({
      decode: ([replica, version, policy, seed, model, contextTokens, ...texts]) => {
        const last = texts.at(-1)
        const isRare = last?.startsWith("{") === true
        const { models = [], ...rare } = isRare ? Option.getOrElse(decodeRare(last), () => NOTHING_RARE) : NOTHING_RARE
        const attempts = readAttempts(isRare ? texts.slice(0, -1) : texts, version, models)
        return { replica, version, policy, seed, model, contextTokens, ...rare, attempts }
      },
      encode: decisionJson,
    }),
  ),
)
/** @since 0.1.0 */
export type RoutingDecision = typeof Decision.Type

/**
 * A text with the Ed25519 signature of a device's key over its UTF-8 bytes, in base64url.
 *
 * @category models
 * @since 0.1.0
 */
export const SignedText = Schema.Struct({ publicKey: DevicePublicKey, text: Schema.String, signature: Schema.String })
/** @since 0.1.0 */
export type SignedText = typeof SignedText.Type

/**
 * An entry. Every entry has an id, and writing an id again changes nothing.
 *
 * - `RequestEnded`: a request that took a hold, with its receipt (a revision has an id of its own).
 * - `RequestRefused`: a request that was refused before any money was held.
 * - `OperatorActed`: what an operator or a member changed: keys, top-ups, devices.
 * - `DeviceEquivocated`: two texts that a device signed and that contradict each other, and the lines, as they are hashed, that lead
 *   from the one to the other where both are heads of a usage log. It is a proof by itself, for anyone.
 *
 * @category models
 * @since 0.1.0
 */
export const JournalEntry = Schema.TaggedUnion({
  RequestEnded: {
    id: Schema.String,
    receipt: Receipt,
    salts: Schema.Struct({ request: Schema.String, response: Schema.String }),
    decision: Schema.NullOr(RoutingDecision),
  },
  RequestRefused: {
    id: Schema.String,
    requestId: RequestId,
    buyer: Schema.NullOr(MemberId),
    keyId: Schema.NullOr(KeyId),
    model: Schema.NullOr(Schema.String),
    reason: ReasonCode,
    decision: Schema.NullOr(RoutingDecision),
    atMs: Schema.Int,
  },
  OperatorActed: {
    id: Schema.String,
    actor: MemberId,
    act: Schema.String,
    subject: Schema.String,
    atMs: Schema.Int,
  },
  DeviceEquivocated: {
    id: Schema.String,
    deviceId: DeviceId,
    reason: ReasonCode,
    former: SignedText,
    latter: SignedText,
    chain: Schema.Array(Schema.String),
    atMs: Schema.Int,
  },
})
/** @since 0.1.0 */
export type JournalEntry = typeof JournalEntry.Type

/** An entry as JSON: what a store keeps. Members that the schema does not name are left out. @since 0.1.0 */
export const JournalEntryJson = Schema.toCodecJson(JournalEntry)

/**
 * What a store finds an entry by. `revision` is null but for a receipt.
 *
 * @category models
 * @since 0.1.0
 */
export interface Columns {
  readonly requestId: RequestId | null
  readonly member: MemberId | null
  readonly revision: number | null
  readonly atMs: number
}

/**
 * Reads what an entry is found by. Use it when you write a store of your own.
 *
 * @category getters
 * @since 0.1.0
 */
export const columns: (entry: JournalEntry) => Columns = JournalEntry.match({
  RequestEnded: ({ receipt }): Columns => ({
    requestId: receipt.id,
    member: receipt.buyer,
    revision: receipt.revision,
    atMs: receipt.endedAtMs,
  }),
  RequestRefused: (entry): Columns => ({
    requestId: entry.requestId,
    member: entry.buyer,
    revision: null,
    atMs: entry.atMs,
  }),
  OperatorActed: (entry): Columns => ({ requestId: null, member: entry.actor, revision: null, atMs: entry.atMs }),
  DeviceEquivocated: (entry): Columns => ({ requestId: null, member: null, revision: null, atMs: entry.atMs }),
})
