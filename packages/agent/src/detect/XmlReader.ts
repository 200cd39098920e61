/**
 * Reads the XML that `nvidia-smi` writes: elements, attributes and text. It is a small reader on purpose: the document of a tool
 * needs no namespaces, no entities of its own and nothing from elsewhere, and what is not read cannot be used against the reader.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"

/**
 * An element. `text` is all text directly in it, without the space around.
 *
 * @category models
 * @since 0.1.0
 */
export interface XmlElement {
  readonly name: string
  readonly attributes: Readonly<Record<string, string>>
  readonly children: ReadonlyArray<XmlElement>
  readonly text: string
}

const MAX_DEPTH = 32
const MAX_ELEMENTS = 200_000

const NAME = "[A-Za-z_][A-Za-z0-9_.-]{0,99}"
/** One piece after another, each from where the last one ended: a comment, a tag, or text up to the next tag. */
const PIECE = new RegExp(
  [
    "<!--[^]*?-->",
    `<(?<open>${NAME})(?<attributes>(?:\\s+${NAME}\\s*=\\s*(?:"[^"<]*"|'[^'<]*'))*)\\s*(?<empty>/?)>`,
    `</(?<close>${NAME})\\s*>`,
    "(?<text>[^<]+)",
  ].join("|"),
  "y",
)
const ATTRIBUTE = new RegExp(`(${NAME})\\s*=\\s*(?:"([^"]*)"|'([^']*)')`, "g")
/** What comes before the first element. A document type that declares something of its own is refused. */
const PROLOG = /^\uFEFF?\s*(?:<\?xml[^<>]{0,200}\?>\s*)?(?:<!DOCTYPE\s[^<>[\]]{0,200}>\s*)?/

const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" }
/** An ampersand that begins none of the five stays one: tools forget to write it right. */
const unescaped = (text: string): string =>
  text.includes("&") ? text.replace(/&(amp|lt|gt|quot|apos);/g, (_, name: string) => ENTITIES[name] ?? "") : text

const attributesOf = (text: string): Record<string, string> =>
  Object.fromEntries(
    Array.from(text.matchAll(ATTRIBUTE), ([, name = "", double, single]) => [name, unescaped(double ?? single ?? "")]),
  )

/** An element that is still open. */
interface Open {
  readonly name: string
  readonly attributes: Record<string, string>
  readonly children: Array<XmlElement>
  text: string
}

const closed = ({ attributes, children, name, text }: Open): XmlElement => ({
  name,
  attributes,
  children,
  text: unescaped(text).trim(),
})

/**
 * Reads a document, or says in one sentence why it is none.
 *
 * **Example** (Two cards)
 *
 * ```ts
 * import { XmlReader } from "@guildhall/agent/detect"
 * import { Result } from "effect"
 *
 * const log = Result.getOrThrow(XmlReader.read("<log><gpu id='1'><name>A &amp; B</name></gpu><gpu id='2'/></log>"))
 * log.children.map((gpu) => gpu.attributes["id"]) // => ["1", "2"]
 * XmlReader.at(log, "gpu", "name") // => "A & B"
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const read = (xml: string): Result.Result<XmlElement, string> => {
  const open: Array<Open> = []
  let root: XmlElement | undefined
  let elements = 0
  let position = PROLOG.exec(xml)?.[0].length ?? 0
  while (position < xml.length) {
    PIECE.lastIndex = position
    const match = PIECE.exec(xml)
    if (match === null) return Result.fail(`It cannot be read as XML from character ${position} on.`)
    position = PIECE.lastIndex
    const { attributes = "", close, empty, open: name, text } = match.groups ?? {}
    const inner = open.at(-1)
    if (text !== undefined) {
      if (inner !== undefined) inner.text += text
      else if (text.trim() !== "") return Result.fail("There is text outside of its elements.")
      continue
    }
    if (name !== undefined) {
      elements += 1
      if (root !== undefined) return Result.fail("It has a second outermost element.")
      if (elements > MAX_ELEMENTS || open.length >= MAX_DEPTH)
        return Result.fail("It has more elements than a tool writes.")
      open.push({ name, attributes: attributesOf(attributes), children: [], text: "" })
    }
    if (close === undefined && empty !== "/") continue
    const last = open.pop()
    if (last === undefined || (close !== undefined && close !== last.name)) {
      return Result.fail(`The element ${last?.name ?? close} is not closed where it should be.`)
    }
    const element = closed(last)
    const parent = open.at(-1)
    if (parent === undefined) root = element
    else parent.children.push(element)
  }
  if (open.length > 0) return Result.fail(`It ends within the element ${open.at(-1)?.name}.`)
  return root === undefined ? Result.fail("It has no element.") : Result.succeed(root)
}

/**
 * The elements of a name directly in another.
 *
 * @category getters
 * @since 0.1.0
 */
export const all = (element: XmlElement, name: string): ReadonlyArray<XmlElement> =>
  element.children.filter((child) => child.name === name)

/**
 * The text at the end of a path of names, or `undefined` where the path does not lead to an element.
 *
 * @category getters
 * @since 0.1.0
 */
export const at = (element: XmlElement, ...path: ReadonlyArray<string>): string | undefined => {
  let here: XmlElement | undefined = element
  for (const name of path) here = here?.children.find((child) => child.name === name)
  return here?.text
}
