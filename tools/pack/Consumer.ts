/**
 * Somebody else's project: empty but for the tarballs and their peers.
 */
import { existsSync, mkdirSync, writeFileSync } from "node:fs"
import path from "node:path"
import { arrows } from "../arrows.ts"
import type { Manifest } from "../Workspace.ts"
import { readJson, root } from "../Workspace.ts"
import { runNode, runNpm } from "./Process.ts"
import type { Tarball } from "./Tarball.ts"

const versionHere = (name: string): string =>
  readJson<Manifest>(path.join(root, "node_modules", name, "package.json")).version ?? "latest"

/**
 * Installs the tarballs with the peers that this repository is pinned to. Optional dependencies stay out: the packages
 * must load and type-check without them.
 */
export const install = async (folder: string, tarballs: ReadonlyArray<Tarball>): Promise<true> => {
  mkdirSync(folder, { recursive: true })
  const peers = new Set(tarballs.flatMap(({ manifest }) => Object.keys(manifest.peerDependencies ?? {})))
  const dependencies = {
    ...Object.fromEntries(tarballs.map(({ file, name }) => [name, `file:${file}`])),
    ...Object.fromEntries([...peers].map((name) => [name, arrows.pinned[name] ?? versionHere(name)])),
    "@types/node": versionHere("@types/node"),
    vitest: versionHere("vitest"),
  }
  // Versions that are not published yet come from the tarballs wherever they are asked for.
  const overrides = Object.fromEntries(tarballs.map(({ name }) => [name, `$${name}`]))
  const manifest = { name: "consumer", private: true, type: "module", dependencies, overrides }
  writeFileSync(path.join(folder, "package.json"), JSON.stringify(manifest, undefined, 2))
  const flags = [
    "--prefer-offline",
    "--ignore-scripts",
    "--omit=optional",
    "--no-audit",
    "--no-fund",
    "--loglevel=error",
  ]
  await runNpm(folder, ["install", ...flags])
  for (const { name } of tarballs) {
    if (existsSync(path.join(folder, "node_modules", name, "node_modules/effect"))) {
      throw new Error(`${name} brought a second copy of effect. It must be a peer dependency.`)
    }
  }
  return true
}

const source = (points: ReadonlyArray<string>): string =>
  [
    ...points.map((point, at) => `import * as M${at} from "${point}"`),
    `export const all: ReadonlyArray<object> = [${points.map((_, at) => `M${at}`).join(", ")}]`,
    "",
  ].join("\n")

/**
 * Type-checks a file that imports every entry point, as a bundler resolves them and as Node does. Declarations are
 * checked too; complaints about those of other people's packages are left to them.
 */
export const typeProgram = async (folder: string, points: ReadonlyArray<string>): Promise<void> => {
  writeFileSync(path.join(folder, "index.ts"), source(points))
  const tsc = path.join(root, "node_modules/typescript/bin/tsc")
  const check = async (module: string, moduleResolution: string): Promise<string> => {
    const config = `tsconfig.${moduleResolution}.json`
    const compilerOptions = {
      module,
      moduleResolution,
      target: "es2024",
      lib: ["es2024", "dom", "esnext.disposable"],
      types: ["node"],
      strict: true,
      exactOptionalPropertyTypes: true,
      noEmit: true,
      skipLibCheck: false,
    }
    writeFileSync(path.join(folder, config), JSON.stringify({ compilerOptions, files: ["index.ts"] }))
    try {
      await runNode(folder, [tsc, "-p", config, "--pretty", "false"])
      return ""
    } catch (error) {
      return ours(error instanceof Error ? error.message : String(error))
    }
  }
  const found = (await Promise.all([check("esnext", "bundler"), check("nodenext", "nodenext")])).join("\n").trim()
  if (found !== "") throw new Error(found)
}

/** The complaints that are about this repository's packages or the importing file, with their indented details. */
const ours = (output: string): string => {
  let isOurs = true
  const kept: Array<string> = []
  for (const line of output.split("\n")) {
    const isAboutUs = line.startsWith("index.ts") || line.startsWith(`node_modules/${arrows.scope}`)
    if (!line.startsWith(" ")) isOurs = isAboutUs || !/^[\w@./-]+\(\d/.test(line)
    if (isOurs) kept.push(line)
  }
  return kept.some((line) => line.includes("error TS")) || !output.includes("error TS") ? kept.join("\n") : ""
}

/** Programs run when they are imported; they are started by their commands instead. */
const isProgram = (point: string): boolean => point.endsWith("/main")

/** Imports every entry point in Node, one after the other, so that each failure has its name. */
export const runProgram = async (folder: string, points: ReadonlyArray<string>): Promise<void> => {
  const modules = points.filter((point) => !isProgram(point))
  const program = [
    `const failed = []`,
    `for (const name of ${JSON.stringify(modules)}) {`,
    `  await import(name).catch((error) => failed.push(name + ": " + (error.stack ?? error)))`,
    `}`,
    `if (failed.length > 0) { console.error(failed.join("\\n")); process.exit(1) }`,
    "",
  ].join("\n")
  writeFileSync(path.join(folder, "run.mjs"), program)
  await runNode(folder, ["run.mjs"])
}

/** Asks every command of the tarballs for its help. */
export const runCommands = async (folder: string, tarballs: ReadonlyArray<Tarball>): Promise<void> => {
  for (const { manifest, name } of tarballs) {
    for (const file of Object.values(manifest.bin ?? {})) {
      await runNode(folder, [path.join("node_modules", name, file), "--help"])
    }
  }
}
