/**
 * The workspaces of a repository as they lie on disk: names, folders, manifests and source files.
 */
import { existsSync, globSync, readFileSync } from "node:fs"
import path from "node:path"
import { fileURLToPath } from "node:url"

/** The root of this repository. */
export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..")

/** What the tools read of a `package.json`. */
export interface Manifest {
  readonly name: string
  readonly version?: string
  readonly private?: boolean
  readonly workspaces?: ReadonlyArray<string>
  readonly exports?: Readonly<Record<string, string | null | Readonly<Record<string, string>>>>
  readonly files?: ReadonlyArray<string>
  readonly bin?: Readonly<Record<string, string>>
  readonly scripts?: Readonly<Record<string, string>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly allowScripts?: Readonly<Record<string, boolean>>
}

/** One workspace. `directory` is relative to the root and uses `/`. */
export interface Workspace {
  readonly name: string
  readonly directory: string
  readonly manifest: Manifest
}

/** Reads a JSON file. The caller names the shape it expects; a wrong one shows at its first use. */
export const readJson = <A>(file: string): A => JSON.parse(readFileSync(file, "utf8")) as A

/** A path with `/` between its parts, as it is written in imports and messages. */
export const slashes = (file: string): string => file.split(path.sep).join("/")

/** The workspaces that the root manifest lists, by folder. */
export const workspaces = (base: string): ReadonlyArray<Workspace> => {
  const patterns = readJson<Manifest>(path.join(base, "package.json")).workspaces ?? []
  return globSync([...patterns], { cwd: base })
    .map(slashes)
    .filter((directory) => existsSync(path.join(base, directory, "package.json")))
    .sort()
    .map((directory) => {
      const manifest = readJson<Manifest>(path.join(base, directory, "package.json"))
      return { name: manifest.name, directory, manifest }
    })
}

/** The workspaces that are published: those that are not private. */
export const publishable = (base: string): ReadonlyArray<Workspace> =>
  workspaces(base).filter(({ manifest }) => manifest.private !== true)

/** Files below `directory` that fit the patterns, relative to `base`, without installed or built files. */
export const files = (base: string, directory: string, patterns: ReadonlyArray<string>): ReadonlyArray<string> =>
  globSync([...patterns], {
    cwd: path.join(base, directory),
    exclude: (name) => ["node_modules", "dist", ".turbo", ".guildhall"].includes(path.basename(name)),
  })
    .map((file) => slashes(path.join(directory, file)))
    .sort()
