/**
 * The rules for manifests: declared is used, Effect is pinned in the repository and a peer when published, and the
 * packages of this repository name each other's true version.
 */
import type { Arrows } from "./arrows.ts"
import type { Problem } from "./Problem.ts"
import type { Manifest, Workspace } from "./Workspace.ts"

/** The packages that a workspace's files import, by part. */
export interface Used {
  /** In what is published or started. */
  readonly program: ReadonlySet<string>
  /** In tests as well. */
  readonly anywhere: ReadonlySet<string>
}

/** Declared packages that nothing imports. */
export const unused = (workspace: Workspace, used: Used, arrows: Arrows): ReadonlyArray<string> => {
  const { dependencies, devDependencies, optionalDependencies, peerDependencies } = workspace.manifest
  const isFound = (name: string, where: ReadonlySet<string>): boolean =>
    where.has(name) || arrows.foundOtherwise[name] !== undefined
  const program = Object.keys({ ...dependencies, ...peerDependencies, ...optionalDependencies })
    // Everything here is written on effect: it is asked of the embedder even where a package only has data.
    .filter((name) => name !== "effect" && !isFound(name, used.program))
    .map((name) => `declares ${name}, which its sources never import. Remove it.`)
  const development = Object.keys(devDependencies ?? {})
    .filter((name) => peerDependencies?.[name] === undefined && !isFound(name, used.anywhere))
    .map((name) => `declares ${name} for development, which nothing in it imports. Remove it.`)
  return [...program, ...development]
}

/** What is wrong with the versions that a manifest names. */
export const versions = (manifest: Manifest, workspaces: ReadonlyArray<Workspace>, arrows: Arrows) => {
  const problems: Array<string> = []
  const { dependencies, devDependencies, optionalDependencies, peerDependencies } = manifest
  for (const [name, range] of Object.entries({ ...optionalDependencies, ...devDependencies, ...dependencies })) {
    const own = workspaces.find((one) => one.name === name)
    if (own !== undefined && range !== own.manifest.version) {
      problems.push(`names ${name} ${range}, but its version here is ${own.manifest.version ?? "missing"}.`)
    }
    if (!isEffect(name)) continue
    const pin = arrows.pinned[name]
    if (pin === undefined) problems.push(`uses ${name}, which has no pin. Add its exact version to tools/arrows.ts.`)
    else if (range !== pin) problems.push(`names ${name} ${range}. This repository pins it to ${pin} everywhere.`)
  }
  for (const [name, range] of Object.entries(peerDependencies ?? {})) {
    const wanted = arrows.peers[name]
    if (isEffect(name) && range !== wanted) {
      problems.push(`has the peer ${name} ${range}; every package asks for ${wanted ?? "a range in tools/arrows.ts"}.`)
    }
  }
  return problems
}

/** A published package shares its embedder's copy of Effect, or services would not find each other. */
export const peers = (workspace: Workspace): ReadonlyArray<string> => {
  const { dependencies, optionalDependencies, peerDependencies } = workspace.manifest
  if (workspace.manifest.private === true) return []
  const problems = Object.keys({ ...dependencies, ...optionalDependencies })
    .filter(isEffect)
    .map((name) => `depends on ${name}; a published package has it as a peer, or an embedder gets two copies.`)
  if (peerDependencies?.["effect"] === undefined) problems.push("does not have effect as a peer.")
  return problems
}

const isEffect = (name: string): boolean => name === "effect" || name.startsWith("@effect/")

/** The messages as problems of a manifest. */
export const inManifest = (directory: string, messages: ReadonlyArray<string>): ReadonlyArray<Problem> =>
  messages.map((message) => ({ file: directory === "" ? "package.json" : `${directory}/package.json`, message }))
