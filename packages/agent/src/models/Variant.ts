/**
 * The GGUF files of a repository as what one can serve: a variant is one file or all parts of a split one. Pure.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as QuantName from "./QuantName.ts"

/**
 * A file of a repository. `sizeBytes` is exact; `sha256` is there for files in the hub's large storage, and `gitSha1`, git's id of
 * the content, for the small ones that stand in git itself.
 *
 * @category models
 * @since 0.1.0
 */
export interface RepoFile {
  readonly path: string
  readonly sizeBytes: number
  readonly sha256?: string | undefined
  readonly gitSha1?: string | undefined
}

/**
 * What can be served: `files` in the order of their numbers. `quant` is undefined where no name says it; `label` is unique in its
 * repository: the quantisation, or the path where several have the same.
 *
 * @category models
 * @since 0.1.0
 */
export interface Variant {
  readonly label: string
  readonly quant: string | undefined
  readonly files: ReadonlyArray<RepoFile>
  readonly sizeBytes: number
}

const SPLIT = /-(\d{5})-of-(\d{5})\.gguf$/i
/** Files that belong to a model and are none: projectors of images, matrices of importance, drafts that guess ahead. */
const COMPANION = /(?:^|[-_./])(?:mmproj|imatrix|mtp|eagle3?|dflash|dspark|draft|vocab)(?:[-_./]|$)/i

/** Where a file belongs: its path without the number of its part. */
const stemOf = (path: string): string => path.replace(SPLIT, ".gguf")

/**
 * Whether a file is a model, by its name.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isModel = (path: string): boolean => {
  const file = path.split("/").at(-1) ?? ""
  return /\.gguf$/i.test(file) && !COMPANION.test(file)
}

/** The parts in order, or undefined where one is missing. */
const complete = (files: ReadonlyArray<RepoFile>): ReadonlyArray<RepoFile> | undefined => {
  const numbered = files.map((file) => ({ file, match: SPLIT.exec(file.path) }))
  const count = Number(numbered[0]?.match?.[2] ?? "1")
  if (numbered.length !== count) return undefined
  if (count === 1) return files
  const sorted = numbered.toSorted((a, b) => Number(a.match?.[1]) - Number(b.match?.[1]))
  return sorted.every(({ match }, at) => Number(match?.[1]) === at + 1) ? sorted.map(({ file }) => file) : undefined
}

/**
 * The variants of a repository, smallest first. Split models of which a part is missing are left out.
 *
 * @category constructors
 * @since 0.1.0
 */
export const of = (files: ReadonlyArray<RepoFile>): ReadonlyArray<Variant> => {
  const groups = new Map<string, Array<RepoFile>>()
  for (const file of files) {
    if (!isModel(file.path)) continue
    const stem = stemOf(file.path)
    groups.set(stem, [...(groups.get(stem) ?? []), file])
  }
  const found = [...groups].flatMap(([stem, group]) => {
    const parts = complete(group)
    return parts === undefined ? [] : [{ stem, parts, quant: QuantName.fromPath(stem) }]
  })
  const times = new Map<string | undefined, number>()
  for (const { quant } of found) times.set(quant, (times.get(quant) ?? 0) + 1)
  return found
    .map(({ parts, quant, stem }): Variant => ({
      label: quant === undefined || times.get(quant) !== 1 ? stem : quant,
      quant,
      files: parts,
      sizeBytes: parts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    }))
    .toSorted((a, b) => a.sizeBytes - b.sizeBytes || (a.label < b.label ? -1 : 1))
}

/**
 * What is asked of a repository.
 *
 * @category models
 * @since 0.1.0
 */
export interface Wish {
  readonly quant: string | undefined
  readonly file: string | undefined
}

/**
 * Why none was chosen: there is `None` that fits, or there are `Several`, which are given.
 *
 * @category models
 * @since 0.1.0
 */
export interface Undecided {
  readonly reason: "None" | "Several"
  readonly among: ReadonlyArray<Variant>
}

/**
 * Chooses by these rules: the file that was named; else the quantisation that was asked for, where the very name goes before one
 * that was made dynamically (`UD-`); else, where nothing was asked, the first of `QuantName.PREFERRED` that is there; else the only
 * one. Several that fit equally are not decided.
 *
 * @category getters
 * @since 0.1.0
 */
export const choose = (variants: ReadonlyArray<Variant>, wish: Wish): Result.Result<Variant, Undecided> => {
  const { file, quant } = wish
  if (file !== undefined) {
    const stem = stemOf(file).toLowerCase()
    return only(
      variants.filter(({ files }) => files.some(({ path }) => stemOf(path).toLowerCase() === stem)),
      variants,
    )
  }
  if (quant !== undefined) {
    const fitting = variants.filter((variant) => QuantName.matches(quant, variant.quant))
    const exact = fitting.filter((variant) => variant.quant === QuantName.normalize(quant))
    return only(exact.length > 0 ? exact : fitting, variants)
  }
  for (const preferred of QuantName.PREFERRED) {
    const fitting = variants.filter((variant) => variant.quant === preferred)
    if (fitting.length > 0) return only(fitting, variants)
  }
  return only(variants, variants)
}

const only = (fitting: ReadonlyArray<Variant>, all: ReadonlyArray<Variant>): Result.Result<Variant, Undecided> => {
  const [first, ...others] = fitting
  if (first === undefined) return Result.fail({ reason: "None", among: all })
  return others.length === 0 ? Result.succeed(first) : Result.fail({ reason: "Several", among: fitting })
}
