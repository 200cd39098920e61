/**
 * The rails by which a provider is paid: which ones a market has, what must be set up before each, and which of them its member
 * has turned off. A rail is a payment scheme of the market, by its name.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * What must be set up before a rail: `connect`, an account at the market's card processor that payouts go to; `wallet`, a wallet of
 * the member's own that it proved to have.
 *
 * @category models
 * @since 0.1.0
 */
export const Onboarding = Schema.Literals(["connect", "wallet"])
/** @since 0.1.0 */
export type Onboarding = typeof Onboarding.Type

/**
 * A rail of a market, and what must be set up before it, if anything.
 *
 * @category models
 * @since 0.1.0
 */
export interface Rail {
  readonly name: string
  readonly needs?: Onboarding | undefined
}

/**
 * The rails of a market, by its definition: one for each of its payments, in their order.
 *
 * **Example** (A market that asks for a wallet)
 *
 * ```ts
 * import { ProviderRails } from "@guildhall/core"
 *
 * ProviderRails.ofDefinition({ payments: [{ use: "Mpp" }], onboarding: { Mpp: "wallet" } }) // => [{ name: "Mpp", needs: "wallet" }]
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const ofDefinition = (definition: {
  readonly payments: ReadonlyArray<{ readonly use: string }>
  readonly onboarding?: Readonly<Record<string, Onboarding>> | undefined
}): ReadonlyArray<Rail> =>
  definition.payments.map(({ use }) => {
    const needs = definition.onboarding?.[use]
    return needs === undefined ? { name: use } : { name: use, needs }
  })

const Names = Schema.Array(Schema.String).pipe(Schema.check(Schema.isMaxLength(20)))

/**
 * What decides by which rails an instance is paid: the rails that are `off` for all of its member's instances, what the member has
 * `done`, and the rails that are off for this instance alone (`own`).
 *
 * @category models
 * @since 0.1.0
 */
export const Settings = Schema.Struct({ off: Names, done: Schema.Array(Onboarding), own: Names })
/** @since 0.1.0 */
export type Settings = typeof Settings.Type

/**
 * The settings of who has set nothing: no rail is off, and nothing was set up.
 *
 * @category constants
 * @since 0.1.0
 */
export const NONE: Settings = { off: [], done: [], own: [] }

/**
 * Whether what a rail needs is set up.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isReady = ({ needs }: Rail, { done }: Pick<Settings, "done">): boolean =>
  needs === undefined || done.includes(needs)

/**
 * The rails that are on, by name: those that are ready and not turned off.
 *
 * **Example** (A wallet that is not there yet)
 *
 * ```ts
 * import { ProviderRails } from "@guildhall/core"
 *
 * const rails: ReadonlyArray<ProviderRails.Rail> = [{ name: "ApiKey" }, { name: "Mpp", needs: "wallet" }]
 * ProviderRails.on(rails, ProviderRails.NONE) // => ["ApiKey"]
 * ProviderRails.on(rails, { off: ["ApiKey"], done: ["wallet"], own: [] }) // => ["Mpp"]
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const on = (rails: ReadonlyArray<Rail>, settings: Settings): ReadonlyArray<string> =>
  rails
    .filter((rail) => isReady(rail, settings) && !settings.off.includes(rail.name) && !settings.own.includes(rail.name))
    .map(({ name }) => name)

/**
 * The rails by which an instance is paid, of those that it `declared`: undefined stands for all that there are, as in an instance.
 *
 * **Example** (Declared, and on)
 *
 * ```ts
 * import { ProviderRails } from "@guildhall/core"
 *
 * const rails: ReadonlyArray<ProviderRails.Rail> = [{ name: "ApiKey" }, { name: "Mpp" }]
 * const off = { ...ProviderRails.NONE, off: ["Mpp"] }
 * ProviderRails.effective(undefined, rails, ProviderRails.NONE) // => undefined
 * ProviderRails.effective(undefined, rails, off) // => ["ApiKey"]
 * ProviderRails.effective(["Mpp"], rails, off) // => []
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const effective = (
  declared: ReadonlyArray<string> | undefined,
  rails: ReadonlyArray<Rail>,
  settings: Settings,
): ReadonlyArray<string> | undefined => {
  const names = on(rails, settings)
  if (names.length === rails.length) return declared
  return declared === undefined ? names : declared.filter((name) => names.includes(name))
}
