/**
 * Under which id a model of a hub is sold, and what its weights are known by. Pure rules:
 *
 * 1. Files that quantise one other model, and are named after it, are sold under that model's id, since that is the good.
 * 2. Files of anything else, such as a merge or a tune, are sold under their own repository's id, without a trailing
 *    `-GGUF`. A tune that says that it only quantises is found out by its name: who serves it as the model would be found out
 *    by the market.
 * 3. An id is written as the hub writes it. The hub has one spelling for each, and markets compare ids by their bytes.
 * 4. The weights of one file are known by its SHA-256; those of a split model by the SHA-256 of the list of its parts' digests.
 *
 * @since 0.1.0
 */
import * as Crypto from "node:crypto"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { ModelId } from "@guildhall/core/Model"
import * as QuantName from "./QuantName.ts"

/**
 * What the hub says of where a repository comes from.
 *
 * @category models
 * @since 0.1.0
 */
export interface Origin {
  readonly repo: string
  readonly tags: ReadonlyArray<string>
  readonly card?: { readonly base_model?: unknown; readonly base_model_relation?: unknown } | undefined
}

const QUANTIZED = "base_model:quantized:"
const SUFFIX = /[-_.]gguf$/i

const isId = Schema.is(ModelId)
const named = (value: unknown): ReadonlyArray<string> =>
  (Array.isArray(value) ? value : [value]).filter((one): one is string => typeof one === "string" && one !== "")

/** Words at the end of a name that say how the files were made, not what of. */
const isAddition = (word: string): boolean =>
  /^(?:gguf|i1|imat|imatrix|ud|hf|fp8)$/.test(word) || QuantName.normalize(word) !== undefined

/** The words of a repository's name, without the additions of those who quantise. */
const wordsOf = (repo: string, owner: string): string => {
  const name = (repo.split("/")[1] ?? "").toLowerCase()
  const words = (name.startsWith(`${owner}_`) ? name.slice(owner.length + 1) : name).split(/[-. ]/)
  const last = words.findLastIndex((word) => !isAddition(word))
  return words
    .slice(0, last + 1)
    .join("-")
    .replaceAll("_", "-")
}

/**
 * Whether the name of a repository says that it holds that model and nothing else. A word before the model's name may stand, such as
 * its maker's; a word behind it names another model.
 *
 * **Example** (A conversion, and a tune)
 *
 * ```ts
 * import { CanonicalId } from "@guildhall/agent/models"
 *
 * CanonicalId.isNamedAfter("bartowski/Meta-Llama-3.1-8B-Instruct-GGUF", "meta-llama/Llama-3.1-8B-Instruct") // => true
 * CanonicalId.isNamedAfter("x/Llama-3.1-8B-Instruct-abliterated-GGUF", "meta-llama/Llama-3.1-8B-Instruct") // => false
 * ```
 *
 * @category predicates
 * @since 0.1.0
 */
export const isNamedAfter = (repo: string, base: string): boolean => {
  const owner = (base.split("/")[0] ?? "").toLowerCase()
  const [name, wanted] = [wordsOf(repo, owner), wordsOf(base, owner)]
  return wanted !== "" && (name === wanted || name.endsWith(`-${wanted}`))
}

/**
 * The one model that a repository holds quantised files of, or `undefined`. The hub's own tag counts first; without one, a card
 * that names one base model counts for a repository whose name says that it holds GGUF files. The name must be the model's.
 *
 * @category getters
 * @since 0.1.0
 */
export const baseOf = (origin: Origin): string | undefined => {
  const base = declaredBase(origin)
  return base !== undefined && isNamedAfter(origin.repo, base) ? base : undefined
}

const declaredBase = ({ card, repo, tags }: Origin): string | undefined => {
  const tagged = [...new Set(tags.filter((tag) => tag.startsWith(QUANTIZED)).map((tag) => tag.slice(QUANTIZED.length)))]
  if (tagged.length === 1) return tagged[0]
  // Another relation is a tag as well: base_model:finetune:…, base_model:merge:…, base_model:adapter:…
  const isOther = tags.some((tag) => /^base_model:(?:finetune|merge|adapter):/.test(tag))
  const relation = card?.base_model_relation
  if (tagged.length > 1 || isOther || (relation !== undefined && relation !== "quantized")) return undefined
  const bases = named(card?.base_model)
  return bases.length === 1 && SUFFIX.test(repo) ? bases[0] : undefined
}

/**
 * The id under which a repository's files are sold.
 *
 * **Example** (A quantised model, and a tune of one)
 *
 * ```ts
 * import { CanonicalId } from "@guildhall/agent/models"
 *
 * CanonicalId.of({ repo: "bartowski/Qwen_Qwen3-8B-GGUF", tags: ["base_model:quantized:Qwen/Qwen3-8B"] }) // => "Qwen/Qwen3-8B"
 * CanonicalId.of({ repo: "acme/Poet-8B-GGUF", tags: ["base_model:finetune:Qwen/Qwen3-8B"] }) // => "acme/Poet-8B"
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const of = (origin: Origin): ModelId => {
  const base = baseOf(origin)
  const id = base !== undefined && base.includes("/") && isId(base) ? base : origin.repo.replace(SUFFIX, "")
  // A repository's name is always an id; one that is nothing but the suffix keeps it.
  return Option.getOrElse(Schema.decodeUnknownOption(ModelId)(id), () => ModelId.make(origin.repo))
}

/**
 * What the weights are known by: lower-case hexadecimal, 64 digits. `parts` are the SHA-256 digests of the files, in the order
 * of their numbers.
 *
 * **Example** (One file is known by its own digest)
 *
 * ```ts
 * import { CanonicalId } from "@guildhall/agent/models"
 *
 * CanonicalId.weights(["a".repeat(64)]) === "a".repeat(64) // => true
 * CanonicalId.weights(["a".repeat(64), "b".repeat(64)]) === "a".repeat(64) // => false
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const weights = (parts: ReadonlyArray<string>): string => {
  const [only, ...others] = parts
  if (only !== undefined && others.length === 0) return only.toLowerCase()
  return Crypto.createHash("sha256")
    .update(parts.map((part) => `${part.toLowerCase()}\n`).join(""))
    .digest("hex")
}
