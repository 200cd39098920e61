/**
 * Finds the GGUF files for a model of a hub. By these rules: a repository that has GGUF files is taken as it is. For one that has none,
 * those are candidates which the hub lists as quantised from it and which are named after it, or, where there are none, those of the same
 * name that name no other origin. The model's own organisation goes first, then what is downloaded most. The first that has the quantisation is taken.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { printable } from "@guildhall/core/CommandFailure"
import * as CanonicalId from "./CanonicalId.ts"
import { Hub, type Repository } from "./Hub.ts"
import * as HumanText from "./HumanText.ts"
import { ModelError } from "./ModelError.ts"
import type { ModelReference } from "./ModelReference.ts"
import type { Choice } from "./PullEvent.ts"
import * as Variant from "./Variant.ts"

/**
 * What was found: the variant, the repository and commit that have it, what it is sold as, and what else would have fitted.
 *
 * @category models
 * @since 0.1.0
 */
export interface Found {
  readonly id: ReturnType<typeof CanonicalId.of>
  readonly repository: Repository
  readonly commit: string
  readonly variant: Variant.Variant
  readonly also: ReadonlyArray<Choice>
}

/** How many candidates are listed, and of how many the files are looked at. */
const MOST_CANDIDATES = 50
const LOOKED_AT = 5

const ownerOf = (repo: string): string => (repo.split("/")[0] ?? "").toLowerCase()
/**
 * Whether a repository holds quantised files of a model, as far as the hub tells.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isQuantizationOf = (candidate: Repository, id: string): boolean => {
  const { card, tags } = candidate
  const base = CanonicalId.baseOf({ repo: candidate.id, tags, card })
  if (base !== undefined) return base.toLowerCase() === id.toLowerCase()
  const hasOrigin = tags.some((tag) => tag.startsWith("base_model:"))
  return !hasOrigin && CanonicalId.isNamedAfter(candidate.id, id)
}

/**
 * The candidates in their order: the model's own organisation, then downloads, then the name.
 *
 * @category combinators
 * @since 0.1.0
 */
export const rank = (candidates: ReadonlyArray<Repository>, id: string): ReadonlyArray<Repository> => {
  const isOwn = ({ id: repo }: Repository) => ownerOf(repo) === ownerOf(id)
  return candidates.toSorted(
    (a, b) => Number(isOwn(b)) - Number(isOwn(a)) || b.downloads - a.downloads || (a.id < b.id ? -1 : 1),
  )
}

const candidatesOf = Effect.fnUntraced(function* (repository: Repository) {
  const hub = yield* Hub
  const { id } = repository
  const tagged = yield* hub.search({ words: "", tags: ["gguf", `base_model:quantized:${id}`], limit: MOST_CANDIDATES })
  const quantized = tagged.filter((candidate) => isQuantizationOf(candidate, id))
  if (quantized.length > 0) return rank(quantized, id)
  const named = yield* hub.search({ words: id.split("/")[1] ?? id, tags: ["gguf"], limit: MOST_CANDIDATES })
  return rank(
    named.filter((candidate) => isQuantizationOf(candidate, id)),
    id,
  )
})

const letter = (reason: ModelError["reason"], detail: string) => new ModelError({ reason, detail: printable(detail) })

/** The variants for a letter. */
const listed = (variants: ReadonlyArray<Variant.Variant>): string =>
  variants.map(({ label, sizeBytes }) => `${label} (${HumanText.bytes(sizeBytes)})`).join(", ")

const undecided = (repo: string, wish: Variant.Wish, { among, reason }: Variant.Undecided) => {
  const asked = wish.file ?? wish.quant
  if (reason === "None") {
    return letter(
      "NoVariant",
      `${repo} has no ${asked ?? "GGUF file that can be served"}.${among.length === 0 ? "" : ` It has: ${listed(among)}. Choose one with --quant.`}`,
    )
  }
  const example = among[0]?.label ?? ""
  return letter(
    "NoVariant",
    /\.gguf$/i.test(example)
      ? `${repo} has several files that fit: ${listed(among)}. Name one: --model ${repo}/${example}`
      : `${repo} has several quantisations: ${listed(among)}. Choose one with --quant, such as --quant ${example}.`,
  )
}

const variantsOf = Effect.fnUntraced(function* (repo: string, commit: string) {
  const hub = yield* Hub
  return Variant.of(yield* hub.files(repo, commit))
})

const needCommit = ({ commit, id }: Repository): Effect.Effect<string, ModelError> =>
  commit === undefined
    ? Effect.fail(letter("BadAnswer", `The hub does not say which commit of ${id} is the newest. Check HF_ENDPOINT.`))
    : Effect.succeed(commit)

/** The variants of a candidate; one that cannot be read is left out. */
const look = Effect.fnUntraced(function* (candidate: Repository) {
  const hub = yield* Hub
  const whole = yield* hub.repository(candidate.id, undefined)
  const commit = yield* needCommit(whole)
  return { repository: whole, commit, variants: yield* variantsOf(whole.id, commit) }
})

const others = (repo: string, variants: ReadonlyArray<Variant.Variant>): ReadonlyArray<Choice> =>
  variants.map(({ label, sizeBytes }) => ({ repo, label, bytes: sizeBytes }))

/** Where the model itself has no GGUF files. */
const elsewhere = Effect.fnUntraced(function* (asked: Repository, wish: Variant.Wish) {
  const candidates = yield* candidatesOf(asked)
  if (candidates.length === 0) {
    return yield* letter(
      "NoGguf",
      `${asked.id} has no GGUF files, and the hub lists nobody who quantised it. Look for another with "guildhall-agent models search ${asked.id.split("/")[1] ?? ""}", or let a server (vLLM, Ollama) serve it and pass its address with --backend.`,
    )
  }
  const seen = yield* Effect.forEach(candidates.slice(0, LOOKED_AT), (candidate) => Effect.option(look(candidate)), {
    concurrency: 3,
  })
  const looked = seen.flatMap((one) => (one._tag === "Some" ? [one.value] : []))
  const fitting = looked.flatMap((one) => {
    const choice = Variant.choose(one.variants, wish)
    return Result.isSuccess(choice) ? [{ ...one, variant: choice.success }] : []
  })
  const [first, ...rest] = fitting
  if (first === undefined) {
    const has = looked.map(({ repository, variants }) => `${repository.id}: ${listed(variants)}`).join("; ")
    return yield* letter(
      "NoVariant",
      `${asked.id} has no GGUF files itself, and none of those who quantised it has ${wish.quant ?? "one that can be taken without asking"}. ${has}. Choose another with --quant, or name a repository.`,
    )
  }
  // What a repository does not say of its licence, the model that it quantises does.
  const license = first.repository.license.id === undefined ? asked.license : first.repository.license
  const found: Found = {
    id: CanonicalId.of({ repo: asked.id, tags: asked.tags, card: asked.card }),
    repository: { ...first.repository, license },
    commit: first.commit,
    variant: first.variant,
    also: rest.flatMap(({ repository, variant }) => others(repository.id, [variant])),
  }
  return found
})

/**
 * Finds what a reference means. Fails with a letter that lists what is there, where nothing or too much fits.
 *
 * @category constructors
 * @since 0.1.0
 */
export const find = Effect.fn("ModelSearch.find")(function* (reference: ModelReference) {
  const hub = yield* Hub
  const wish = { quant: reference.quant, file: reference.file }
  const repository = yield* hub.repository(reference.repo, reference.revision)
  if (!repository.paths.some(Variant.isModel)) {
    if (reference.revision === undefined && reference.file === undefined) return yield* elsewhere(repository, wish)
    return yield* letter(
      "NoGguf",
      `${repository.id} has no GGUF files at ${reference.revision ?? "its newest commit"}. A revision or a file can only be named of a repository that has some.`,
    )
  }
  const commit = yield* needCommit(repository)
  const variants = yield* variantsOf(repository.id, commit)
  const choice = Variant.choose(variants, wish)
  if (Result.isFailure(choice)) return yield* undecided(repository.id, wish, choice.failure)
  const isGiven = wish.quant !== undefined || wish.file !== undefined
  const found: Found = {
    id: CanonicalId.of({ repo: repository.id, tags: repository.tags, card: repository.card }),
    repository,
    commit,
    variant: choice.success,
    also: isGiven
      ? []
      : others(
          repository.id,
          variants.filter((variant) => variant !== choice.success),
        ),
  }
  return found
})

/**
 * Repositories with GGUF files whose names have some words, with the size of one quantisation of each. What most people download
 * comes first.
 *
 * @category getters
 * @since 0.1.0
 */
export const browse = Effect.fn("ModelSearch.browse")(function* (
  words: string,
  quant: string | undefined,
  limit: number,
) {
  const hub = yield* Hub
  const found = yield* hub.search({ words, tags: ["gguf"], limit })
  return yield* Effect.forEach(
    found,
    Effect.fnUntraced(function* (repository) {
      const variants = yield* Effect.orElseSucceed(variantsOf(repository.id, repository.commit ?? "main"), () => [])
      const choice = Variant.choose(variants, { quant, file: undefined })
      return { repository, variants, variant: Result.isSuccess(choice) ? choice.success : undefined }
    }),
    { concurrency: 4 },
  )
})
