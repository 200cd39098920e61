/**
 * What `install.sh` puts on a machine: the agent and the packages of this repository that it needs, as JavaScript, and the part of
 * `package-lock.json` that says what npm adds to them, each with its digest. It is made from the sources, so it fits the market
 * that serves it, and no build comes first.
 */
import { glob, readFile } from "node:fs/promises"
import { stripTypeScriptTypes } from "node:module"
import path from "node:path"
import { promisify } from "node:util"
import { gzip } from "node:zlib"
import type { LockEntries, LockEntry } from "./LockSubset.ts"
import * as LockSubset from "./LockSubset.ts"
import type { TarFile } from "./Tar.ts"
import * as Tar from "./Tar.ts"

/** The folders under `packages` that make up an agent. */
const PACKAGES = ["agent", "core", "protocol", "verification"] as const

const root = path.resolve(import.meta.dirname, "../../../..")

/** The script as it is written, with places for what a market fills in. */
export const SCRIPT = path.resolve(import.meta.dirname, "../../install/install.sh")

/** The agent's version, as `guildhall-agent --version` says it. */
export const VERSION = "0.0.0"

type Exports = Readonly<Record<string, null | string | Readonly<Record<string, string>>>>
interface Manifest extends LockEntry {
  readonly name: string
  readonly version: string
  readonly bin?: Readonly<Record<string, string>>
  readonly exports?: Exports
}

const readJson = async <A>(file: string): Promise<A> =>
  // The repository's own files, which its checks keep in this shape.
  JSON.parse(await readFile(path.join(root, file), "utf8")) as A

/** What a machine needs to know of a package. Peers become dependencies, for nobody else there installs them. */
const installed = (manifest: Manifest) => {
  const { bin, dependencies = {}, name, optionalDependencies, peerDependencies = {}, peerDependenciesMeta } = manifest
  const peers = Object.entries(peerDependencies).filter(([peer]) => peerDependenciesMeta?.[peer]?.optional !== true)
  const exports = Object.entries(manifest.exports ?? {})
    .filter(([key]) => key !== "./testing")
    .map(([key, target]) => [key, target === null || typeof target === "string" ? target : target["default"]])
  return {
    name,
    version: manifest.version,
    license: manifest["license"],
    type: "module",
    ...(bin === undefined ? {} : { bin }),
    exports: Object.fromEntries(exports),
    dependencies: { ...dependencies, ...Object.fromEntries(peers) },
    ...(optionalDependencies === undefined ? {} : { optionalDependencies }),
  }
}

/** A neighbour is imported by the name that it has once it is JavaScript. */
const NEIGHBOUR = /((?:from|import)\s*\(?\s*)"(\.{1,2}\/[^"\n]+)\.ts"/g

const toJavaScript = (source: string): string => stripTypeScriptTypes(source).replace(NEIGHBOUR, '$1"$2.js"')

const text = (file: string, content: string): TarFile => ({
  path: file,
  bytes: Buffer.from(content),
  isExecutable: file.endsWith(".mjs"),
})

const json = (file: string, content: object): TarFile => text(file, `${JSON.stringify(content, undefined, 2)}\n`)

/** The files of one package. Each is awaited, so a gateway that makes the archive serves requests in between. */
const filesOf = async (folder: string, manifest: Manifest): Promise<ReadonlyArray<TarFile>> => {
  const files: Array<TarFile> = [json(`${folder}/package.json`, installed(manifest))]
  for (const file of Object.values(manifest.bin ?? {})) {
    const place = path.posix.join(folder, file)
    files.push(text(place, await readFile(path.join(root, place), "utf8")))
  }
  for await (const found of glob("**/*.ts", { cwd: path.join(root, folder, "src") })) {
    const file = found.replaceAll(path.sep, "/")
    if (file.startsWith("testing/")) continue
    const source = await readFile(path.join(root, folder, "src", file), "utf8")
    files.push(text(`${folder}/dist/${file.replace(/\.ts$/, ".js")}`, toJavaScript(source)))
  }
  return files
}

const manifestsOf = (folders: ReadonlyArray<string>): Promise<ReadonlyArray<readonly [string, Manifest]>> =>
  Promise.all(folders.map(async (folder) => [folder, await readJson<Manifest>(`${folder}/package.json`)] as const))

/** Makes the archive: the same bytes from the same sources. Fails where this is no checkout of the repository. */
export const make = async (): Promise<Uint8Array> => {
  const folders = PACKAGES.map((name) => `packages/${name}`)
  const manifests = await manifestsOf(folders)
  const lock = await readJson<{ readonly packages: LockEntries }>("package-lock.json")
  const about = { name: "guildhall-agent", version: VERSION, private: true, license: "Apache-2.0", workspaces: folders }
  const packages = {
    "": about,
    ...LockSubset.of(lock.packages, folders),
    ...Object.fromEntries(manifests.map(([folder, manifest]) => [folder, installed(manifest)])),
  }
  const files = [
    json("package.json", about),
    json("package-lock.json", { name: about.name, version: VERSION, lockfileVersion: 3, requires: true, packages }),
    text("LICENSE", await readFile(path.join(root, "LICENSE"), "utf8")),
    text("install.sh", await readFile(SCRIPT, "utf8")),
  ]
  for (const [folder, manifest] of manifests) files.push(...(await filesOf(folder, manifest)))
  const bytes = await promisify(gzip)(Tar.of(files), { level: 9 })
  // The archive's tenth byte names the system that packed it, which would change the digest from one to another.
  bytes[9] = 255
  return bytes
}
