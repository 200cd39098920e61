/**
 * Places that Markdown files name: relative links, and paths of this repository in code spans.
 */
import { existsSync, readFileSync } from "node:fs"
import path from "node:path"
import type { Problem } from "../Problem.ts"
import { files, workspaces } from "../Workspace.ts"

const link = /\[[^\]]*\]\(([^)\s#]+)(?:#[^)]*)?\)/g
const span = /`((?:packages|apps|tools|docs|\.ci|\.github)\/[\w./-]+)`/g

/** The Markdown of the repository at `base`. */
const markdown = (base: string): ReadonlyArray<string> => [
  ...files(base, ".", ["*.md"]),
  ...files(base, "docs", ["**/*.md"]),
  ...workspaces(base).flatMap(({ directory }) => files(base, directory, ["*.md"])),
]

/** The places that are named but do not exist. */
export const broken = (base: string): ReadonlyArray<Problem> =>
  markdown(base).flatMap((file) =>
    readFileSync(path.join(base, file), "utf8")
      .split("\n")
      .flatMap((text, at) => {
        const links = [...text.matchAll(link)]
          .map(([, target = ""]) => target)
          .filter((target) => !/^[a-z]+:/.test(target))
          .map((target) => path.posix.join(path.posix.dirname(file), target))
        const spans = [...text.matchAll(span)].map(([, target = ""]) => target)
        return [...links, ...spans]
          .filter((target) => !existsSync(path.join(base, target)))
          .map((target) => ({ file, line: at + 1, message: `names ${target}, which does not exist.` }))
      }),
  )
