/**
 * Builds the pages into `dist/<hash of what they are made of>`, where that is not there yet, and prints the folder. A folder
 * appears whole or not at all, so whoever finds one may serve it.
 *
 * `node build.ts`
 */
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, globSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import path from "node:path"
import { setTimeout as pause } from "node:timers/promises"

const here = import.meta.dirname
const root = path.resolve(here, "../..")
const dist = path.join(here, "dist")
const vite = path.join(root, "node_modules/vite/bin/vite.js")

/** What the pages are made of. */
const SOURCES = [
  "apps/console/{index.html,package.json,build.ts,vite.config.ts}",
  "apps/console/src/**/*.*",
  "packages/{core,protocol}/src/**/*.ts",
  "packages/agent/src/serving/*.ts",
  "package-lock.json",
]
/** Another process that builds the same is waited for so long. */
const WAIT_MS = 120_000

const hashOf = (): string => {
  const hash = createHash("sha256")
  for (const file of globSync(SOURCES, { cwd: root }).sort()) {
    hash.update(`${file.replaceAll("\\", "/")}\n`).update(readFileSync(path.join(root, file)))
  }
  return hash.digest("hex").slice(0, 16)
}

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** Takes the right to build, or answers false where another process has it. */
const lock = (file: string): boolean => {
  try {
    writeFileSync(file, String(process.pid), { flag: "wx" })
    return true
  } catch {
    const pid = existsSync(file) ? Number(readFileSync(file, "utf8")) : 0
    if (pid > 0 && isAlive(pid)) return false
    // Its holder was killed.
    rmSync(file, { force: true })
    return lock(file)
  }
}

const build = (folder: string): void => {
  if (!existsSync(vite)) {
    throw new Error(
      "vite is not installed, so the pages cannot be built. Run npm install with the development dependencies.",
    )
  }
  const draft = `${folder}.${process.pid}.draft`
  const { status, stderr, stdout } = spawnSync(
    process.execPath,
    [vite, "build", "--outDir", draft, "--emptyOutDir", "--logLevel", "warn"],
    { cwd: here, encoding: "utf8", env: { ...process.env, NODE_ENV: "production" } },
  )
  if (status !== 0) {
    rmSync(draft, { recursive: true, force: true })
    throw new Error(`The pages could not be built:\n${stdout}${stderr}`)
  }
  renameSync(draft, folder)
  for (const name of readdirSync(dist)) {
    if (name !== path.basename(folder) && !name.startsWith("."))
      rmSync(path.join(dist, name), { recursive: true, force: true })
  }
}

const main = async (): Promise<void> => {
  mkdirSync(dist, { recursive: true })
  const folder = path.join(dist, hashOf())
  const mine = path.join(dist, `.${path.basename(folder)}.lock`)
  const end = Date.now() + WAIT_MS
  while (!existsSync(folder)) {
    if (lock(mine)) {
      try {
        if (!existsSync(folder)) build(folder)
      } finally {
        rmSync(mine, { force: true })
      }
    } else if (Date.now() > end) {
      throw new Error(`Another process has been building the pages for ${WAIT_MS / 1000} s. End it, or remove ${mine}.`)
    } else {
      await pause(200)
    }
  }
  process.stdout.write(`${folder}\n`)
}

await main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
})
