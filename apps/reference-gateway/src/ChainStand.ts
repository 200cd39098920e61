/**
 * A market's chain, where its definition has one: the chain's own program is loaded only then. A market whose chain cannot be reached
 * goes on without it, and takes it up when it can; one that names a wrong chain or contract does not start.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { MarketDefinition } from "@guildhall/core/MarketDefinition"
import type { Facts } from "./Launch.ts"

const load = (which: "layer" | "layerFurther") => (facts: Facts, definition: MarketDefinition) => {
  const { chain } = definition
  if (chain === undefined) return Layer.empty
  return Layer.unwrap(
    Effect.map(
      Effect.promise(() => import("./ChainLoops.ts")),
      (loops) => loops[which](facts, { ...definition, chain }),
    ),
  )
}

/**
 * For the process that settles: it reads the chain, mirrors it in the books, settles epochs, and tells routing of stake and bonds.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = load("layer")

/**
 * For every further process: it tells its own routing of stake and bonds.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFurther = load("layerFurther")
