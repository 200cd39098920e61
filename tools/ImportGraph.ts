/**
 * Reads the imports of TypeScript files, and finds circles in them.
 */
import { readFileSync } from "node:fs"
import path from "node:path"
import { parseAst } from "vitest/node"

/** One import as it stands in a file. */
export interface Import {
  readonly specifier: string
  /** Only types: erased before the program runs. */
  readonly isTypeOnly: boolean
  /** `import(...)` in an expression: loaded when the line is reached. */
  readonly isLazy: boolean
  readonly line: number
}

type Node = Readonly<Record<string, unknown>>

const isNode = (value: unknown): value is Node => typeof value === "object" && value !== null

const text = (node: unknown): string | undefined =>
  isNode(node) && node["type"] === "Literal" && typeof node["value"] === "string" ? node["value"] : undefined

/** `import { type A, type B }` loads nothing of the names, so it counts as types too. */
const isTypeOnly = (node: Node, kind: "importKind" | "exportKind"): boolean => {
  if (node[kind] === "type") return true
  const specifiers = node["specifiers"]
  return (
    Array.isArray(specifiers) && specifiers.length > 0 && specifiers.every((one) => isNode(one) && one[kind] === "type")
  )
}

/** Every import, re-export, `import()` and import type of a source text. */
export const importsOf = (source: string, lang: "ts" | "tsx" = "ts"): ReadonlyArray<Import> => {
  const found: Array<Import> = []
  const add = (node: Node, from: unknown, typeOnly: boolean, isLazy = false): void => {
    const specifier = text(from)
    if (specifier === undefined) return
    const line = source.slice(0, Number(node["start"])).split("\n").length
    found.push({ specifier, isTypeOnly: typeOnly, isLazy, line })
  }
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) return value.forEach(visit)
    if (!isNode(value)) return
    if (value["type"] === "ImportDeclaration") add(value, value["source"], isTypeOnly(value, "importKind"))
    if (value["type"] === "ExportNamedDeclaration") add(value, value["source"], isTypeOnly(value, "exportKind"))
    if (value["type"] === "ExportAllDeclaration") add(value, value["source"], value["exportKind"] === "type")
    if (value["type"] === "ImportExpression") add(value, value["source"], false, true)
    if (value["type"] === "TSImportType") add(value, value["source"], true)
    for (const child of Object.values(value)) if (isNode(child)) visit(child)
  }
  visit(parseAst(source, { lang }))
  return found
}

/** The imports of each file, by its name relative to `base`. */
export const read = (base: string, files: ReadonlyArray<string>): ReadonlyMap<string, ReadonlyArray<Import>> =>
  new Map(
    files.map((file) => [
      file,
      importsOf(readFileSync(path.join(base, file), "utf8"), file.endsWith(".tsx") ? "tsx" : "ts"),
    ]),
  )

/** The package that a specifier names: `@guildhall/core` for `@guildhall/core/Money`; nothing for a path or `node:`. */
export const packageOf = (specifier: string): string | undefined => {
  if (specifier.startsWith(".") || specifier.startsWith("/") || /^[a-z]+:/.test(specifier)) return undefined
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/")
}

/** One shortest way round for each knot of nodes that reach themselves; empty when there is no circle. */
export const cycles = (edges: ReadonlyMap<string, ReadonlySet<string>>): ReadonlyArray<ReadonlyArray<string>> => {
  const found: Array<ReadonlyArray<string>> = []
  const known = new Set<string>()
  for (const start of [...edges.keys()].sort()) {
    if (known.has(start)) continue
    const cycle = shortestCycle(edges, start)
    if (cycle === undefined) continue
    cycle.forEach((node) => known.add(node))
    found.push(cycle)
  }
  return found
}

const shortestCycle = (
  edges: ReadonlyMap<string, ReadonlySet<string>>,
  start: string,
): ReadonlyArray<string> | undefined => {
  const paths: Array<ReadonlyArray<string>> = [[start]]
  const seen = new Set<string>()
  for (const way of paths) {
    for (const next of edges.get(way.at(-1) ?? start) ?? []) {
      if (next === start) return [...way, start]
      if (seen.has(next)) continue
      seen.add(next)
      paths.push([...way, next])
    }
  }
  return undefined
}
