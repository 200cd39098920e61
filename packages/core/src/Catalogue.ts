/**
 * The catalogue: which tokenizer and which chat template each model has, named by digest. Exact counts are made with
 * these and no others.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { ModelId } from "./Model.ts"
import { TokenizerDigest } from "./Tokenizer.ts"

/**
 * One model's entry. `template` is absent for a model without a chat format, whose conversations then cannot be counted.
 * `from` is the name of the file that was read, for people.
 *
 * @category models
 * @since 0.1.0
 */
export const Entry = Schema.Struct({
  model: ModelId,
  tokenizer: TokenizerDigest,
  template: Schema.optionalKey(TokenizerDigest),
  from: Schema.String.pipe(Schema.check(Schema.isMaxLength(1_000))),
})
/** @since 0.1.0 */
export type Entry = typeof Entry.Type

/**
 * The catalogue: at most one entry for each model, sorted by model.
 *
 * @category models
 * @since 0.1.0
 */
export const Catalogue = Schema.Struct({
  version: Schema.Literal(1),
  models: Schema.Array(Entry).pipe(
    Schema.check(
      Schema.isMaxLength(10_000),
      Schema.makeFilter((models) =>
        new Set(models.map(({ model }) => model)).size === models.length ? undefined : "a model stands twice.",
      ),
    ),
  ),
})
/** @since 0.1.0 */
export type Catalogue = typeof Catalogue.Type

/** A catalogue without models. @category constants @since 0.1.0 */
export const empty: Catalogue = { version: 1, models: [] }

/**
 * The catalogue with an entry, in place of what the model had before. Pure.
 *
 * **Example** (The second entry replaces the first)
 *
 * ```ts
 * import { Catalogue, Model } from "@guildhall/core"
 *
 * const model = Model.ModelId.make("org/model")
 * const first = { model, tokenizer: "0".repeat(64), from: "a.gguf" }
 * const catalogue = Catalogue.add(Catalogue.add(Catalogue.empty, first), { ...first, from: "b.gguf" })
 * catalogue.models.map(({ from }) => from) // => ["b.gguf"]
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const add = (catalogue: Catalogue, entry: Entry): Catalogue => ({
  ...catalogue,
  models: [...catalogue.models.filter(({ model }) => model !== entry.model), entry].toSorted((a, b) =>
    a.model < b.model ? -1 : 1,
  ),
})
