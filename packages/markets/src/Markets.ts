/**
 * The definitions that come with Guildhall, by name.
 *
 * @since 0.1.0
 */
import type { MarketDefinition } from "@guildhall/core/MarketDefinition"
import { local } from "./local.ts"

const all: ReadonlyArray<MarketDefinition> = [local]

/**
 * The names that {@link find} knows.
 *
 * @category getters
 * @since 0.1.0
 */
export const names: ReadonlyArray<string> = all.map((definition) => definition.name)

/**
 * The definition of a name, or `undefined` where there is none. Use it to turn a setting into a market; for a
 * definition in a file of your own, read it with `MarketDefinition.decode`.
 *
 * **Example** (From a name to a market)
 *
 * ```ts
 * import { Markets } from "@guildhall/markets"
 *
 * Markets.find("local")?.attempts // => 3
 * Markets.find("lokal") // => undefined
 * Markets.names // => ["local"]
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const find = (name: string): MarketDefinition | undefined => all.find((definition) => definition.name === name)
