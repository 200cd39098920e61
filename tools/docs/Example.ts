/**
 * Examples in documentation: the fenced `ts` blocks of JSDoc comments and of Markdown files.
 */
import { readFileSync } from "node:fs"
import path from "node:path"
import { parseAst } from "vitest/node"
import { files, workspaces } from "../Workspace.ts"

/** One fenced block. */
export interface Example {
  /** The file it stands in, relative to the root, and the line of its first line of code. */
  readonly file: string
  readonly line: number
  readonly code: string
  /** Why it is only type-checked; absent for examples that are run. */
  readonly onlyTypes?: string
  /** What is wrong with the fence itself. */
  readonly complaint?: string
}

interface Line {
  readonly text: string
  readonly line: number
}

/** The lines of the JSDoc comments of a source, without their stars; an empty line between two comments. */
const commentLines = (source: string): ReadonlyArray<Line> => {
  const found: Array<Line> = []
  let isInside = false
  source.split("\n").forEach((text, at) => {
    if (/^\s*\/\*\*/.test(text)) isInside = true
    if (isInside) found.push({ text: text.replace(/^\s*(\/\*\*|\*(?!\/)) ?/, ""), line: at + 1 })
    if (isInside && text.includes("*/")) isInside = false
  })
  return found
}

const fenceInfo = (info: string): Pick<Example, "onlyTypes" | "complaint"> => {
  if (info === "ts") return {}
  const reason = /^ts no-run\s+(\S.*)$/.exec(info)?.[1]
  if (reason !== undefined) return { onlyTypes: reason }
  return { complaint: `The fence says "${info}". Write "ts", or "ts no-run" and the reason why it cannot run.` }
}

/** The examples among the lines of a file. */
const examplesIn = (file: string, lines: ReadonlyArray<Line>): ReadonlyArray<Example> => {
  const found: Array<Example> = []
  let open: { readonly info: string; readonly line: number; readonly code: Array<string> } | undefined
  for (const { text, line } of lines) {
    const fence = /^\s*```\s*(.*?)\s*$/.exec(text)?.[1]
    if (fence === undefined) open?.code.push(text)
    else if (open === undefined) open = { info: fence, line: line + 1, code: [] }
    else {
      if (/^(ts|typescript)\b/.test(open.info)) {
        found.push({ file, line: open.line, code: open.code.join("\n"), ...fenceInfo(open.info) })
      }
      open = undefined
    }
  }
  if (open !== undefined) found.push({ file, line: open.line, code: "", complaint: "The fence is never closed." })
  return found
}

/** The examples of one file, by its ending. */
export const read = (base: string, file: string): ReadonlyArray<Example> => {
  const source = readFileSync(path.join(base, file), "utf8")
  const lines = file.endsWith(".md")
    ? source.split("\n").map((text, at) => ({ text, line: at + 1 }))
    : commentLines(source)
  return examplesIn(file, lines)
}

/** Every example of the repository: in the sources of its packages and in its Markdown. */
export const collect = (base: string): ReadonlyArray<Example> => {
  const sources = workspaces(base)
    .filter(({ manifest }) => manifest.private !== true)
    .flatMap(({ directory }) => [...files(base, directory, ["src/**/*.ts", "*.md"])])
  const markdown = [...files(base, ".", ["*.md", "apps/*/*.md", "tools/*.md"]), ...files(base, "docs", ["**/*.md"])]
  return [...new Set([...sources, ...markdown])].flatMap((file) => read(base, file))
}

/** The value after `// =>`, on the line where a statement ends or alone on the next one. */
const promised = (code: string, end: number): string | undefined =>
  /^;?[ \t]*(?:\n[ \t]*)?\/\/ =>[ \t]*(.*)/.exec(code.slice(end))?.[1]

/**
 * The example as a program: a promised value becomes a comparison on the same line, so that lines keep their numbers.
 * `equal` must be in scope.
 */
export const program = (code: string): string => {
  let result = code
  for (const statement of parseAst(code, { lang: "ts" }).body.toReversed()) {
    const value = promised(code, statement.end)
    if (value === undefined) continue
    if (statement.type === "ExpressionStatement") {
      const actual = code.slice(statement.expression.start, statement.expression.end)
      result = `${result.slice(0, statement.start)}equal((${actual}), (${value}))${result.slice(statement.end)}`
    } else if (statement.type === "VariableDeclaration" && statement.declarations[0]?.id.type === "Identifier") {
      const name = statement.declarations[0].id.name
      result = `${result.slice(0, statement.end)}; equal(${name}, (${value}))${result.slice(statement.end)}`
    }
  }
  return result
}
