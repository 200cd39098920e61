/**
 * A market, as one value: its assets, split, prices, limits and times, and the names of the parts it is made of.
 * Data only: code is named as `{ use, with }` and resolved through `Parts`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as Digest from "effect/crypto/Digest"
import { Allowance } from "./Allowance.ts"
import { Asset, AssetCode, USD } from "./Asset.ts"
import * as Canonical from "./Canonical.ts"
import * as EntryVerification from "./EntryVerification.ts"
import * as MarketChain from "./MarketChain.ts"
import { MemberId } from "./Member.ts"
import { ModelId } from "./Model.ts"
import { PartRef } from "./Parts.ts"
import { Onboarding } from "./ProviderRails.ts"
import { DeviceClasses } from "./rules/DeviceClass.ts"
import * as HealthRules from "./rules/Health.ts"
import { Split } from "./rules/Split.ts"
import { Targets } from "./rules/Target.ts"

const Milliseconds = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 604_800_000 })))
const Positive = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000_000 })))
const Cents = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 100_000_000 })))

/**
 * What a market accepts of one request; what each key may use, where its own terms say nothing else; what each member may
 * use with all its keys; and what everyone may use together.
 *
 * @category models
 * @since 0.1.0
 */
export const Limits = Schema.Struct({
  requestBytes: Positive,
  requestBodyMs: Milliseconds,
  outputTokens: Positive,
  key: Allowance,
  member: Allowance,
  market: Allowance,
})

/**
 * How long each phase of a request may take; each has its own reason when it is over.
 *
 * @category models
 * @since 0.1.0
 */
export const Timeouts = Schema.Struct({
  connectMs: Milliseconds,
  headersMs: Milliseconds,
  firstTokenMs: Milliseconds,
  betweenTokensMs: Milliseconds,
  totalMs: Milliseconds,
})

const Percent = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 100 })))
const Count = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000_000 })))

/**
 * How answers are carried.
 *
 * - `pingMs`: a stream that has shown nothing for so long gets a comment that keeps its connection alive; at most 15
 *   seconds, since proxies on the way give up soon after.
 * - `tokensPerSecondMin`: a stream that is slower than this for long is given up; 0 for no such limit.
 * - `retries`: attempts after the first may be `percent` of the requests and `perSecond` more.
 * - `hedgePercent`: for so many requests in a hundred a second instance may be asked while the first is slower than it
 *   usually is; 0 for never.
 * - `cost`: whether an answer's `usage` carries its cost only where the client asked for usage, or always.
 *
 * @category models
 * @since 0.1.0
 */
export const Relaying = Schema.Struct({
  pingMs: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 15_000 }))),
  tokensPerSecondMin: Count,
  retries: Schema.Struct({ percent: Percent, perSecond: Count }),
  hedgePercent: Percent,
  cost: Schema.Literals(["asked", "always"]),
})

/**
 * How much of a buyer's balance one request sets aside.
 *
 * - `comfort`: while the balance is at least so many times the most a request can cost, all of that is held; below, the
 *   likely cost is.
 * - `outputTokensMin`: where not even so many tokens of an answer are covered, the request is refused.
 * - `outputTokensStep`: by how many tokens of the answer the hold of a long stream grows at a time.
 *
 * @category models
 * @since 0.1.0
 */
export const Reservation = Schema.Struct({ comfort: Positive, outputTokensMin: Positive, outputTokensStep: Positive })

/**
 * Where every instance of a model is busy: how long a request may wait at most (0: it is refused at once), how many may wait
 * for one model, and what part of those may be of one member.
 *
 * @category models
 * @since 0.1.0
 */
export const Queue = Schema.Struct({
  waitMs: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 600_000 }))),
  requestsMax: Positive,
  memberPercent: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 100 }))),
})

/**
 * How long an instance may be silent before it leaves the market, where the market does not say: 7 days.
 *
 * @category constants
 * @since 0.1.0
 */
export const DEREGISTER_AFTER_MS = 604_800_000

/**
 * The pricing strategies of a market that names none: the price stays where its provider sets it.
 *
 * @category constants
 * @since 0.1.0
 */
export const STRATEGIES: readonly [PartRef, ...ReadonlyArray<PartRef>] = [{ use: "fixed" }]

/**
 * A market definition.
 *
 * - `funding`: the sources of a buyer's money in the order in which they are spent.
 * - `split` shares each charge; `routing`, `payments`, `payouts` name parts.
 * - `onboarding`: what a provider must have set up before it is paid by one of the `payments`, by their names; nothing for those
 *   that are not there.
 * - `premiumBuyers` are the members that come first where capacity is short; all others are standard.
 * - `prices` are whole cents for a million tokens: what a provider asks by default, and the range it may ask in.
 * - `heartbeat`: how often agents report, after how many missed beats and failed checks an instance is offline,
 *   and after what silence it leaves the market: `deregisterAfterMs`, without it {@link DEREGISTER_AFTER_MS}.
 * - `health`: what the market does about instances that fail, are new, or have enough to do. A rule that is left out does not
 *   hold.
 * - `recount.percent`: of so many requests in a hundred the tokens are counted exactly afterwards, where the catalogue has
 *   the model's tokenizer.
 * - `hold`: how long a hold lives without renewal, and how often its owner renews it.
 * - `receipts`: how long a batch of receipts waits at most, and how many it holds at most.
 * - `devices`: how many devices a member may list, and how many models each of them; 1,000 and 64 where it is left out. A
 *   name costs nothing, so this is what one machine can be made to look like.
 * - `endpoints.allowPrivate`: whether an instance's URL may lead to a private address.
 * - `entry`: the checks that an instance must pass before requests go to it; without it, none.
 * - `strategies`: by which the price of a GPU may move, by name: a provider chooses one of them; {@link STRATEGIES} where it is
 *   left out.
 * - `wallets.chainId`: the EVM chain of the wallets that devices are bound to; without it, none are.
 * - `chain`: what the market does on a chain; without it, nothing.
 * - `deviceClasses`: the classes of machines, smallest first; a machine that fits none is refused.
 * - `targets`: what providers are shown to aim at; without it, what is measured is shown alone.
 * - `node.command`: the command that a network node of the market's chain is run with; without it, there are none.
 *
 * @category models
 * @since 0.1.0
 */
export const MarketDefinition = Schema.Struct({
  name: Schema.String.pipe(Schema.check(Schema.isPattern(/^[a-z][a-z0-9-]{0,39}$/))),
  assets: Schema.NonEmptyArray(Asset),
  priceAsset: AssetCode,
  chargeAsset: AssetCode,
  payoutAssets: Schema.Array(AssetCode),
  stakeAsset: Schema.optionalKey(AssetCode),
  split: Split,
  routing: PartRef,
  payments: Schema.NonEmptyArray(PartRef),
  topUps: Schema.Array(PartRef),
  payouts: Schema.Array(PartRef),
  onboarding: Schema.optionalKey(Schema.Record(Schema.String, Onboarding)),
  premiumBuyers: Schema.optionalKey(Schema.Array(MemberId).pipe(Schema.check(Schema.isMaxLength(100_000)))),
  aliases: Schema.Record(Schema.String, ModelId),
  prices: Schema.Struct({
    inputCentsPerMillion: Cents,
    outputCentsPerMillion: Cents,
    maxCentsPerMillion: Cents,
  }),
  limits: Limits,
  timeouts: Timeouts,
  relay: Relaying,
  queue: Queue,
  reservation: Reservation,
  funding: Schema.NonEmptyArray(Schema.String.pipe(Schema.check(Schema.isPattern(/^[a-z][a-z0-9-]{0,39}$/)))),
  recount: Schema.Struct({ percent: Percent }),
  attempts: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 10 }))),
  heartbeat: Schema.Struct({
    intervalMs: Milliseconds,
    missesMax: Positive,
    checkMs: Milliseconds,
    deregisterAfterMs: Schema.optionalKey(Milliseconds),
  }),
  health: HealthRules.Settings,
  hold: Schema.Struct({ lifeMs: Milliseconds, renewMs: Milliseconds }),
  receipts: Schema.Struct({ batchMs: Milliseconds, batchSize: Positive }),
  devices: Schema.optionalKey(
    Schema.Struct({
      perMember: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000 }))),
      modelsEach: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 64 }))),
    }),
  ),
  endpoints: Schema.Struct({ allowPrivate: Schema.Boolean }),
  entry: Schema.optionalKey(EntryVerification.Settings),
  strategies: Schema.optionalKey(Schema.NonEmptyArray(PartRef)),
  wallets: Schema.optionalKey(
    Schema.Struct({
      chainId: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }))),
    }),
  ),
  chain: Schema.optionalKey(MarketChain.MarketChain),
  deviceClasses: DeviceClasses,
  targets: Schema.optionalKey(Targets),
  node: Schema.optionalKey(
    Schema.Struct({ command: Schema.String.pipe(Schema.check(Schema.isPattern(/^[\x20-\x7e]{1,1000}$/))) }),
  ),
}).pipe(
  Schema.check(
    Schema.makeFilter((definition) => {
      const { assets, priceAsset, chargeAsset, payoutAssets, stakeAsset, prices, hold } = definition
      const problems: Array<{ readonly path: ReadonlyArray<string>; readonly issue: string }> = []
      const known = new Map(assets.map((asset) => [asset.code, asset]))
      if (known.size < assets.length) problems.push({ path: ["assets"], issue: "an asset is listed twice." })
      const used = new Set([
        priceAsset,
        chargeAsset,
        ...payoutAssets,
        ...(stakeAsset === undefined ? [] : [stakeAsset]),
      ])
      for (const code of used) {
        if (!known.has(code)) problems.push({ path: ["assets"], issue: `the asset ${code} is used but not listed.` })
      }
      for (const name of Object.keys(definition.onboarding ?? {})) {
        if (definition.payments.some(({ use }) => use === name)) continue
        problems.push({ path: ["onboarding", name], issue: "the market has no payment of this name." })
      }
      const price = known.get(priceAsset)
      if (price !== undefined && price.scale !== USD.scale) {
        const issue = `prices are in cents of an asset of scale ${USD.scale}, and ${priceAsset} has scale ${price.scale}.`
        problems.push({ path: ["priceAsset"], issue })
      }
      if (priceAsset !== chargeAsset) {
        const issue = "charging in another asset than the price's needs a rate source."
        problems.push({ path: ["chargeAsset"], issue })
      }
      if (Math.max(prices.inputCentsPerMillion, prices.outputCentsPerMillion) > prices.maxCentsPerMillion) {
        const issue = "the prices that providers ask by default are above it."
        problems.push({ path: ["prices", "maxCentsPerMillion"], issue })
      }
      if (definition.chain !== undefined) problems.push(...MarketChain.problems(definition.chain, definition))
      if (hold.renewMs * 4 > hold.lifeMs) {
        problems.push({
          path: ["hold", "renewMs"],
          issue: "a hold must live for at least four renewals, so that a short outage expires none.",
        })
      }
      return problems
    }),
  ),
)
/** @since 0.1.0 */
export type MarketDefinition = typeof MarketDefinition.Type

/** A definition as JSON. @since 0.1.0 */
export const MarketDefinitionJson = Schema.toCodecJson(MarketDefinition)

/**
 * Why a definition is refused: each problem with the path to the setting and the reason.
 *
 * @category errors
 * @since 0.1.0
 */
export class MarketDefinitionError extends Schema.TaggedError<MarketDefinitionError>()("MarketDefinitionError", {
  problems: Schema.NonEmptyArray(Schema.Struct({ path: Schema.String, reason: Schema.String })),
}) {
  get isRetryable(): boolean {
    return false
  }
  override get message(): string {
    const lines = this.problems.map(({ path, reason }) => (path === "" ? reason : `${path}: ${reason}`))
    return `The market definition is refused. Correct this and start again:\n${lines.map((line) => `  ${line}`).join("\n")}`
  }
}

const format = SchemaIssue.makeFormatterStandardSchemaV1({
  leafHook: (issue) => {
    if (issue._tag === "MissingKey") return "it is missing."
    if (issue._tag === "UnexpectedKey") return "there is no such setting."
    return SchemaIssue.defaultLeafHook(issue)
  },
})

const decodeJson = Schema.decodeUnknownEffect(MarketDefinitionJson, {
  errors: "all",
  onExcessProperty: "error",
  reportInput: true,
})

/** One short sentence; a wrong value is shown, but not the whole of a long one. */
const sentence = (message: string): string => {
  const text = message.replace(/^Expected/, "expected").replace(/\.$/, "")
  return `${text.length > 200 ? `${text.slice(0, 200)}…` : text}.`
}

/** `split.shares[0].bps` */
const written = (path: ReadonlyArray<PropertyKey | { readonly key: PropertyKey }>): string =>
  path
    .map((segment) => (typeof segment === "object" ? segment.key : segment))
    .map((key) => (typeof key === "number" ? `[${key}]` : `.${String(key)}`))
    .join("")
    .replace(/^\./, "")

/**
 * Reads a definition from JSON, and refuses what is wrong with all problems at once. A setting that does not exist is
 * refused as well, so a misspelled one is not silently ignored.
 *
 * **Example** (A misspelled setting)
 *
 * ```ts
 * import { MarketDefinition } from "@guildhall/core"
 * import { Effect } from "effect"
 *
 * const error = Effect.runSync(Effect.flip(MarketDefinition.decode({ nome: "mine" })))
 * error.problems[0] // => { path: "nome", reason: "there is no such setting." }
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const decode = (json: unknown): Effect.Effect<MarketDefinition, MarketDefinitionError> =>
  decodeJson(json).pipe(
    Effect.mapError(({ issue }) => {
      const [first, ...rest] = format(issue).issues.map(({ path, message }) => ({
        path: written(path ?? []),
        reason: sentence(message),
      }))
      const problems =
        first === undefined ? ([{ path: "", reason: "it is no definition." }] as const) : ([first, ...rest] as const)
      return new MarketDefinitionError({ problems })
    }),
  )

/**
 * The digest that every request, hold and receipt stores: SHA-256 of the canonical bytes, in hexadecimal.
 *
 * @category encoding
 * @since 0.1.0
 */
export const digest = Effect.fnUntraced(function* (definition: MarketDefinition) {
  const json = yield* Schema.encodeEffect(MarketDefinitionJson)(definition)
  const digest = yield* Digest.Digest
  // The codec's output is JSON by construction; its type says so only in part, since settings of parts are any JSON.
  return yield* digest.digestHex(Digest.sha256, Canonical.bytes(json as Canonical.Json))
})

/**
 * The asset that charges are in, with its scale. A checked definition lists it.
 *
 * @category getters
 * @since 0.1.0
 */
export const chargeAssetOf = ({ assets, chargeAsset }: MarketDefinition): Asset =>
  assets.find(({ code }) => code === chargeAsset) ?? assets[0]
