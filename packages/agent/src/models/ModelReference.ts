/**
 * What a person types to name a model of a hub. Pure.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as QuantName from "./QuantName.ts"

/**
 * A model of a hub. `repo` is `org/model`; `quant` a normalised name; `revision` a branch, tag or commit; `file` a path in the
 * repository, where an address of one file was given. `isExplicit` says that it can be nothing else, such as a server's model.
 *
 * @category models
 * @since 0.1.0
 */
export interface ModelReference {
  readonly repo: string
  readonly quant: string | undefined
  readonly revision: string | undefined
  readonly file: string | undefined
  readonly isExplicit: boolean
}

const HOSTS = /^(?:hf:\/\/|(?:https?:\/\/)?(?:www\.)?(?:hf\.co|huggingface\.co)\/)/i
/** The hub's own rule for names: letters, digits, and - _ . inside; neither -- nor .. */
const PART = /^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?$/
const REPO_MAX = 96
const REVISION = /^[A-Za-z0-9][A-Za-z0-9._/-]{0,199}$/

const isName = (part: string): boolean =>
  PART.test(part) && !part.includes("--") && !part.includes("..") && !part.endsWith(".git")

/** Decodes a path of an address; what is no valid code stays as it is. */
const decoded = (text: string): string => Option.getOrElse(Option.liftThrowable(decodeURIComponent)(text), () => text)

/** Whether a path stays below its folder. */
const isBelow = (path: string): boolean =>
  path.split("/").every((part) => part !== "" && part !== "." && part !== "..") && !path.includes("\\")

/**
 * Reads what was typed, or answers `undefined` where it names no model of a hub.
 *
 * **Example** (The habits of llama.cpp, Ollama and the hub's own pages)
 *
 * ```ts
 * import { ModelReference } from "@guildhall/agent/models"
 *
 * ModelReference.parse("Qwen/Qwen3-8B")?.repo // => "Qwen/Qwen3-8B"
 * ModelReference.parse("hf.co/bartowski/Qwen_Qwen3-8B-GGUF:q4_k_m")?.quant // => "Q4_K_M"
 * ModelReference.parse("org/model@v1.0")?.revision // => "v1.0"
 * ModelReference.parse("https://huggingface.co/org/m-GGUF/resolve/main/m-Q8_0.gguf")?.file // => "m-Q8_0.gguf"
 * ModelReference.parse("llama3.1:8b") // => undefined
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const parse = (text: string): ModelReference | undefined => {
  const trimmed = text.trim()
  const isExplicit = HOSTS.test(trimmed)
  const plain = trimmed
    .replace(HOSTS, "")
    .replace(/[?#].*$/, "")
    .replace(/\/+$/, "")
  const [owner = "", rest = "", ...path] = plain.split("/")
  if (path.length > 0) return ofFile(owner, rest, path, isExplicit)
  const [, name = "", quant, revision] = /^([^:@]*)(?::([^@]*))?(?:@(.*))?$/.exec(rest) ?? []
  const asked = quant === undefined ? undefined : QuantName.normalize(quant)
  if (!isName(owner) || !isName(name) || `${owner}/${name}`.length > REPO_MAX) return undefined
  if (quant !== undefined && asked === undefined) return undefined
  if (revision !== undefined && !isRevision(revision)) return undefined
  return { repo: `${owner}/${name}`, quant: asked, revision, file: undefined, isExplicit }
}

const ofFile = (
  owner: string,
  name: string,
  path: ReadonlyArray<string>,
  isExplicit: boolean,
): ModelReference | undefined => {
  const [verb = "", revision, ...inner] = path
  const isAddress = isExplicit && (verb === "resolve" || verb === "blob" || verb === "raw")
  const file = decoded((isAddress ? inner : path).join("/"))
  if (!isName(owner) || !isName(name) || !isBelow(file) || !/\.gguf$/i.test(file)) return undefined
  if (isAddress && (revision === undefined || !isRevision(revision))) return undefined
  const named = isAddress && revision !== "main" ? revision : undefined
  return { repo: `${owner}/${name}`, quant: undefined, revision: named, file, isExplicit }
}

/**
 * Whether a text can name a revision: a branch, a tag, or a commit.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isRevision = (text: string): boolean => REVISION.test(text) && !text.includes("..")

/**
 * Whether a text names a file on this machine rather than a model.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isPath = (text: string): boolean =>
  /^(?:\.{0,2}[\\/]|~|[A-Za-z]:[\\/])/.test(text) || (/\.gguf$/i.test(text) && !HOSTS.test(text))

/**
 * The reference as it can be typed again.
 *
 * @category formatting
 * @since 0.1.0
 */
export const toText = ({ file, quant, repo, revision }: ModelReference): string =>
  `${repo}${file === undefined ? "" : `/${file}`}${quant === undefined ? "" : `:${quant}`}${revision === undefined ? "" : `@${revision}`}`
