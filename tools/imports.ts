/**
 * Checks what imports what: the arrows between packages, circles, and that manifests declare what is used.
 *
 * `node tools/imports.ts [--json]`
 */
import { existsSync } from "node:fs"
import path from "node:path"
import type { Arrows } from "./arrows.ts"
import { arrows } from "./arrows.ts"
import type { Import } from "./ImportGraph.ts"
import { cycles, packageOf, read } from "./ImportGraph.ts"
import type { Context } from "./ImportRules.ts"
import { judge, partOf } from "./ImportRules.ts"
import { inManifest, peers, unused, versions } from "./ManifestRules.ts"
import type { Problem } from "./Problem.ts"
import { report } from "./Problem.ts"
import type { Manifest, Workspace } from "./Workspace.ts"
import { files, readJson, root, workspaces } from "./Workspace.ts"

type Graph = ReadonlyMap<string, ReadonlyArray<Import>>

const patterns = ["**/*.ts", "**/*.tsx", "**/*.mjs"]

const missingLines = (all: ReadonlyArray<Workspace>, table: Arrows): ReadonlyArray<Problem> =>
  all
    .filter(({ name }) => table.packages[name.slice(table.scope.length)] === undefined)
    .flatMap(({ directory, name }) => inManifest(directory, [`${name} has no line in tools/arrows.ts. Add one.`]))

const inFiles = (workspace: Workspace, graph: Graph, context: Context): ReadonlyArray<Problem> =>
  [...graph].flatMap(([file, imports]) =>
    imports.flatMap((one) =>
      judge(workspace, file, one, context).map((message) => ({ file, line: one.line, message })),
    ),
  )

const packagesIn = (graph: Graph, accept: (file: string) => boolean): ReadonlySet<string> =>
  new Set(
    [...graph]
      .filter(([file]) => accept(file))
      .flatMap(([, imports]) => imports.flatMap(({ specifier }) => packageOf(specifier) ?? [])),
  )

/** Circles between files. Types are erased and `import()` waits, so neither can meet itself half loaded. */
const fileCycles = (graph: Graph): ReadonlyArray<Problem> => {
  const edges = new Map<string, ReadonlySet<string>>()
  for (const [file, imports] of graph) {
    const loads = imports.filter((one) => !one.isTypeOnly && !one.isLazy && one.specifier.startsWith("."))
    edges.set(file, new Set(loads.map((one) => path.posix.join(path.posix.dirname(file), one.specifier))))
  }
  return cycles(edges).map((cycle) => ({
    file: cycle[0] ?? "",
    message: `imports itself in a circle: ${cycle.join(" → ")}. Move what both need into a file of its own.`,
  }))
}

const packageCycles = (used: ReadonlyMap<string, ReadonlySet<string>>): ReadonlyArray<Problem> =>
  cycles(used).map((cycle) => ({
    file: "package.json",
    message: `Packages import each other in a circle: ${cycle.join(" → ")}.`,
  }))

/** All published packages share one version, so that any two of them fit together. */
const releaseGroup = (base: string, all: ReadonlyArray<Workspace>): ReadonlyArray<Problem> => {
  const file = ".changeset/config.json"
  if (!existsSync(path.join(base, file))) return []
  const { fixed } = readJson<{ readonly fixed: ReadonlyArray<ReadonlyArray<string>> }>(path.join(base, file))
  const published = all.filter(({ manifest }) => manifest.private !== true).map(({ name }) => name)
  const group = fixed[0] ?? []
  const isSame = group.length === published.length && published.every((name) => group.includes(name))
  return isSame
    ? []
    : [{ file, message: `has to list all published packages in one fixed group: ${published.join(", ")}.` }]
}

/** Everything that is wrong with the imports and the manifests of the repository at `base`. */
export const check = (base: string, table: Arrows): ReadonlyArray<Problem> => {
  const all = workspaces(base)
  const rootManifest = readJson<Manifest>(path.join(base, "package.json"))
  const context: Context = { arrows: table, workspaces: all, root: rootManifest }
  const problems: Array<Problem> = [...missingLines(all, table)]
  problems.push(...inManifest("", versions(rootManifest, all, table)), ...releaseGroup(base, all))
  const edges = new Map<string, ReadonlySet<string>>()
  for (const workspace of all) {
    const graph = read(base, files(base, workspace.directory, patterns))
    const program = packagesIn(graph, (file) => partOf(workspace, file) !== "test")
    const anywhere = packagesIn(graph, () => true)
    edges.set(workspace.name, new Set([...program].filter((name) => name !== workspace.name)))
    problems.push(...inFiles(workspace, graph, context), ...fileCycles(graph))
    problems.push(
      ...inManifest(workspace.directory, [
        ...unused(workspace, { program, anywhere }, table),
        ...versions(workspace.manifest, all, table),
        ...peers(workspace),
      ]),
    )
  }
  return [...problems, ...packageCycles(edges)]
}

if (import.meta.main) report(check(root, arrows), process.argv.includes("--json"))
