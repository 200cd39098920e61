/**
 * The rules for a single import: arrows, deep imports, portability, and that what is imported is declared.
 */
import { builtinModules } from "node:module"
import path from "node:path"
import type { Arrows } from "./arrows.ts"
import type { Import } from "./ImportGraph.ts"
import { packageOf } from "./ImportGraph.ts"
import type { Manifest, Workspace } from "./Workspace.ts"

/** What the rules know besides the import itself. */
export interface Context {
  readonly arrows: Arrows
  readonly workspaces: ReadonlyArray<Workspace>
  /** The root's manifest: its development tools may be used by every test. */
  readonly root: Manifest
}

/** Where in its workspace a file lies: what is published, what starts a program, what tests. */
export type Part = "src" | "bin" | "test"

/** The part a file of a workspace belongs to. The tools are programs throughout; how something is built is developers' own. */
export const partOf = (workspace: Workspace, file: string): Part => {
  const within = file.slice(workspace.directory.length + 1)
  if (within.startsWith("test/") || /^[^/]+\.config\.ts$/.test(within)) return "test"
  if (within.startsWith("bin/")) return "bin"
  return "src"
}

type Rule = (workspace: Workspace, file: string, one: Import, context: Context) => string | undefined

const isPublished = (workspace: Workspace, file: string): boolean =>
  workspace.manifest.private !== true && partOf(workspace, file) === "src"

const shortName = (name: string, arrows: Arrows): string => name.slice(arrows.scope.length)

const followsArrows: Rule = (workspace, file, { specifier }, { arrows, workspaces }) => {
  const target = packageOf(specifier)
  if (target === undefined || !target.startsWith(arrows.scope) || target === workspace.name) return undefined
  if (target === arrows.tools && partOf(workspace, file) === "test") return undefined
  const from = shortName(workspace.name, arrows)
  if (workspaces.every(({ name }) => name !== target)) return `imports ${target}, which does not exist.`
  const allowed = arrows.packages[from]?.to ?? []
  if (allowed.includes(shortName(target, arrows))) return undefined
  const list = allowed.length === 0 ? "no package of this repository" : allowed.join(", ")
  return `imports ${target} against the arrows: ${from} may import ${list}. Move the code, or pass what it needs as data; the table is tools/arrows.ts.`
}

const staysInside: Rule = (workspace, file, { specifier }, { arrows, workspaces }) => {
  if (!specifier.startsWith(".")) return undefined
  const target = path.posix.join(path.posix.dirname(file), specifier)
  if (target.startsWith(`${workspace.directory}/`)) return undefined
  const owner = workspaces.find(({ directory }) => target.startsWith(`${directory}/`))
  // A program of ours that runs before anything is installed cannot find the tools by their package name.
  const isLauncher = partOf(workspace, file) === "bin" && owner?.name === arrows.tools
  // The tools use programs of an app, which has no entry points.
  const isProgram =
    workspace.name === arrows.tools &&
    owner?.manifest.private === true &&
    arrows.packages[shortName(workspace.name, arrows)]?.to.includes(shortName(owner.name, arrows)) === true
  return isLauncher || isProgram
    ? undefined
    : `reaches ${specifier} in another workspace. Import it by its package name, or leave it alone if it is not exported.`
}

const isDeep: Rule = (workspace, file, { specifier }, { arrows }) => {
  // The conformance suites are loaded by test runners, where start-up does not count.
  if (!isPublished(workspace, file) || file.includes("/src/testing/")) return undefined
  const isBarrel = /^effect(\/[a-z-]+)?$/.test(specifier) || /^@effect\/[a-z-]+$/.test(specifier)
  const isOwnBarrel = specifier.startsWith(arrows.scope) && specifier.split("/").length === 2
  if (!isBarrel && !isOwnBarrel) return undefined
  return `imports everything of "${specifier}". Import the one module, such as "${specifier}/${specifier === "effect" ? "Effect" : "Name"}": it starts faster.`
}

const isPortable: Rule = (workspace, file, { specifier }, { arrows }) => {
  const arrow = arrows.packages[shortName(workspace.name, arrows)]
  const folder = arrow?.portableFolders
    ?.map((one) => `${workspace.directory}/${one}/`)
    .find((one) => file.startsWith(one))
  if ((arrow?.isPortable !== true && folder === undefined) || !isPublished(workspace, file)) return undefined
  const target = packageOf(specifier)
  const isNear = specifier.startsWith(".") && isInside(folder, path.posix.join(path.posix.dirname(file), specifier))
  const isOther = target?.startsWith(arrows.scope) === true && (folder === undefined || target !== workspace.name)
  const isKnown =
    target === "effect" || target === "@effect/vitest" || (target !== undefined && target in arrows.portable)
  const isFine = isNear || isOther || isKnown
  const who = folder ?? workspace.name
  return isFine
    ? undefined
    : `imports "${specifier}", but ${who} runs anywhere: only effect, its own packages and those of \`portable\` in tools/arrows.ts.`
}

const isInside = (folder: string | undefined, file: string): boolean => folder === undefined || file.startsWith(folder)

const namesBuiltins: Rule = (_workspace, _file, { specifier }) =>
  builtinModules.includes(specifier) && !specifier.startsWith("node:")
    ? `imports "${specifier}"; write "node:${specifier}".`
    : undefined

/** The packages that a file may use: what its manifest declares for that part. */
const declared = (workspace: Workspace, part: Part, root: Manifest): ReadonlySet<string> => {
  const { dependencies, devDependencies, optionalDependencies, peerDependencies } = workspace.manifest
  const always = { ...dependencies, ...peerDependencies, ...optionalDependencies }
  return new Set(Object.keys(part === "test" ? { ...always, ...devDependencies, ...root.devDependencies } : always))
}

const isDeclared: Rule = (workspace, file, { specifier }, { arrows, root }) => {
  const target = packageOf(specifier)
  if (target === undefined || target === workspace.name || builtinModules.includes(specifier)) return undefined
  const isTools = workspace.name === arrows.tools
  // The tools are all for development, so that no image of a market has what they need; the packages are beside them.
  const part = isTools ? "test" : partOf(workspace, file)
  if (part === "test" && target === arrows.tools) return undefined
  if (isTools && target.startsWith(arrows.scope)) return undefined
  if (declared(workspace, part, root).has(target)) return undefined
  const section = part === "test" ? "devDependencies" : "dependencies (or peerDependencies)"
  return `imports ${target}, which ${workspace.directory}/package.json does not declare. Add it to its ${section}.`
}

const rules: ReadonlyArray<Rule> = [followsArrows, staysInside, isDeep, isPortable, namesBuiltins, isDeclared]

/** What is wrong with one import. */
export const judge = (workspace: Workspace, file: string, one: Import, context: Context): ReadonlyArray<string> =>
  rules.flatMap((rule) => rule(workspace, file, one, context) ?? [])
