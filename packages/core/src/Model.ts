/**
 * The good that is sold: a model by its canonical id.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * A model's canonical id, such as `meta-llama/Llama-3.1-8B-Instruct`.
 *
 * @category models
 * @since 0.1.0
 */
export const ModelId = Schema.String.pipe(
  Schema.check(Schema.isPattern(/^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,199}$/)),
  Schema.brand("ModelId"),
)
/** @since 0.1.0 */
export type ModelId = typeof ModelId.Type
