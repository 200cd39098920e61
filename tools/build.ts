/**
 * Builds the package in the current folder into `dist`: `tsup` makes the JavaScript, one file for each module so that
 * deep imports work; `tsc` the declarations (tsup cannot, with TypeScript 7); the licence is copied beside them.
 *
 * `npm run build` in a package. Its dependencies in this repository must be built before; turbo sees to that.
 */
import { spawnSync } from "node:child_process"
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import type { Options } from "tsup"
import { build } from "tsup"
import type { Manifest } from "./Workspace.ts"
import { files, readJson, root } from "./Workspace.ts"

/** esbuild's own view of a build, through tsup's types. */
type PluginBuild = Parameters<NonNullable<Options["esbuildPlugins"]>[number]["setup"]>[0]

const directory = process.cwd()
const manifest = readJson<Manifest>(path.join(directory, "package.json"))

/** Leaves an import of a neighbour as it is, but for its ending: each module becomes one file of its own. */
const neighbours = {
  name: "neighbours",
  setup: (esbuild: PluginBuild): void => {
    esbuild.onResolve({ filter: /^\.{1,2}\// }, ({ kind, path: specifier }) =>
      kind === "entry-point" ? undefined : { path: specifier.replace(/\.ts$/, ".js"), external: true },
    )
  },
}

const javascript = (): Promise<void> =>
  build({
    entry: [...files(directory, "src", ["**/*.ts"])],
    outDir: "dist",
    format: "esm",
    target: "es2024",
    platform: "node",
    splitting: false,
    treeshake: false,
    sourcemap: true,
    clean: true,
    silent: true,
    config: false,
    dts: false,
    external: Object.keys({ ...manifest.peerDependencies, ...manifest.optionalDependencies }),
    esbuildPlugins: [neighbours],
  })

/** Declarations see the other packages as an embedder does: through their `dist`, not their sources. */
const declarations = (): void => {
  const temporary = mkdtempSync(path.join(tmpdir(), "guildhall-build-"))
  const config = path.join(temporary, "tsconfig.json")
  const options = {
    extends: path.join(root, "tsconfig.base.json"),
    compilerOptions: {
      customConditions: [],
      typeRoots: [path.join(root, "node_modules/@types")],
      rootDir: path.join(directory, "src"),
      outDir: path.join(directory, "dist"),
      noEmit: false,
      declaration: true,
      declarationMap: true,
      emitDeclarationOnly: true,
      stripInternal: true,
    },
    include: [path.join(directory, "src")],
  }
  try {
    writeFileSync(config, JSON.stringify(options))
    const tsc = path.join(root, "node_modules/typescript/bin/tsc")
    const { status } = spawnSync(process.execPath, [tsc, "-p", config], { cwd: directory, stdio: "inherit" })
    if (status !== 0) throw new Error(`The declarations of ${manifest.name} could not be made; tsc says why above.`)
  } finally {
    rmSync(temporary, { recursive: true, force: true })
  }
}

await javascript()
declarations()
copyFileSync(path.join(root, "LICENSE"), path.join(directory, "LICENSE"))
