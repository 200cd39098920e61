/**
 * The pages in docs/ that tell what was measured: figures stand between two marks, and are written anew after each run.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { cpus } from "node:os"
import path from "node:path"
import { root } from "../Workspace.ts"

const marks = ["<!-- figures: begin -->", "<!-- figures: end -->"] as const

/** The processor of this machine, in words. */
export const processor = (): string => `${cpus().length} cores (${cpus()[0]?.model.trim() ?? "unknown"})`

/** A table as the formatter writes it: the first column to the left, numbers to the right. */
export const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = head.map((title, at) => Math.max(title.length, ...rows.map((row) => row[at]?.length ?? 0)))
  const lineOf = (cells: ReadonlyArray<string>): string =>
    `| ${widths.map((width, at) => (at === 0 ? (cells[at] ?? "").padEnd(width) : (cells[at] ?? "").padStart(width))).join(" | ")} |`
  const rule = widths.map((width, at) => (at === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`))
  return [lineOf(head), `| ${rule.join(" | ")} |`, ...rows.map(lineOf)].join("\n")
}

/** Writes paragraphs and tables between the marks of a page. */
export const write = (page: string, figures: ReadonlyArray<string>): void => {
  const file = path.join(root, page)
  const text = readFileSync(file, "utf8")
  const [begin, end] = marks
  if (!text.includes(begin) || !text.includes(end)) throw new Error(`${page} lacks the marks ${marks.join(" and ")}.`)
  const before = text.slice(0, text.indexOf(begin))
  const after = text.slice(text.indexOf(end) + end.length)
  writeFileSync(file, `${before}${[begin, ...figures, end].join("\n\n")}${after}`)
}
