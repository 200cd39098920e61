/**
 * The part of a `package-lock.json` that some packages of the workspace need at run time. Versions and digests stay what they are
 * in the whole lock, so what is installed elsewhere is what was tested here. Pure.
 */

/** What a lock says of one package. */
export interface LockEntry {
  readonly version?: string
  readonly resolved?: string
  readonly integrity?: string
  readonly link?: boolean
  readonly optional?: boolean
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>
  readonly [member: string]: unknown
}

/** A lock of npm 7 or later: packages by where they lie. */
export type LockEntries = Readonly<Record<string, LockEntry>>

/** Where a package finds another one: in its own `node_modules`, else in those of the folders around it. */
const find = (entries: LockEntries, from: string, name: string): string | undefined => {
  const tried = (folder: string) => (folder === "" ? `node_modules/${name}` : `${folder}/node_modules/${name}`)
  for (let folder = from; ; folder = folder.slice(0, Math.max(folder.lastIndexOf("/"), 0))) {
    const place = tried(folder)
    if (!folder.endsWith("node_modules") && entries[place] !== undefined) return place
    if (folder === "") return undefined
  }
}

const hard = ({ dependencies = {}, peerDependencies = {}, peerDependenciesMeta = {} }: LockEntry): Array<string> => [
  ...Object.keys(dependencies),
  ...Object.keys(peerDependencies).filter((name) => peerDependenciesMeta[name]?.optional !== true),
]

const soft = ({ optionalDependencies = {} }: LockEntry): Array<string> => Object.keys(optionalDependencies)

/** Adds to `found` what is reached from `start` by the dependencies that `names` gives. */
const reach = (
  entries: LockEntries,
  start: Iterable<string>,
  found: Set<string>,
  names: (entry: LockEntry) => ReadonlyArray<string>,
): void => {
  const open = [...start]
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    const entry = entries[at]
    if (found.has(at) || entry === undefined) continue
    found.add(at)
    if (entry.link === true) open.push(entry.resolved ?? "")
    else open.push(...names(entry).flatMap((name) => find(entries, at, name) ?? []))
  }
}

/** A package that only stands in for another one has no digest, and is left out. */
const isPublished = ({ integrity }: LockEntry): boolean => integrity !== undefined

const withoutFlags = ({ dev: _dev, devOptional: _devOptional, optional: _optional, ...entry }: LockEntry): LockEntry =>
  entry

/**
 * The entries that the packages in the folders `roots` need, without those folders themselves. What is needed only by an optional
 * dependency is marked so, as npm marks it.
 */
export const of = (entries: LockEntries, roots: ReadonlyArray<string>): LockEntries => {
  const required = new Set<string>()
  const all = new Set<string>()
  const starts = Object.keys(entries).filter((place) => roots.includes(entries[place]?.resolved ?? ""))
  reach(entries, starts, required, hard)
  reach(entries, starts, all, (entry) => [...hard(entry), ...soft(entry)])
  return Object.fromEntries(
    [...all].sort().flatMap((place) => {
      const entry = entries[place]
      if (entry === undefined || roots.includes(place)) return []
      if (entry.link === true && roots.includes(entry.resolved ?? "")) return [[place, entry] as const]
      if (!isPublished(entry)) return []
      const kept = withoutFlags(entry)
      return [[place, required.has(place) ? kept : { ...kept, optional: true }] as const]
    }),
  )
}
