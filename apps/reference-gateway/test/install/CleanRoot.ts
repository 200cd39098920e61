/**
 * A root file system with hardly anything in it, made of what this machine has: for programs that install something, and must leave
 * nothing. What runs in it has its own mounts and processes, and the network of this machine, but no name server: it
 * reaches what is on 127.0.0.1, and nothing else.
 */
import { spawn, spawnSync, type ChildProcess } from "node:child_process"
import {
  chmodSync,
  copyFileSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  type Stats,
} from "node:fs"
import { once } from "node:events"
import { createHash } from "node:crypto"
import { tmpdir } from "node:os"
import path from "node:path"
import type { Ended } from "./InstallScript.ts"
import { TOOLS, whereIs } from "./InstallScript.ts"

/** Why there can be no clean root here, or undefined where there can. */
export const impossible = (): string | undefined => {
  if (process.platform !== "linux") return "it needs Linux"
  if (process.getuid?.() !== 0) return "it needs root, to change the root folder"
  if (spawnSync("unshare", ["--mount", "--pid", "--fork", "true"]).status !== 0) return "unshare is not allowed here"
  return undefined
}

/** What lies in a root: of each file its kind, its rights, whose it is, and what tells its content. */
export type Tree = ReadonlyMap<string, string>

export interface CleanRoot {
  readonly folder: string
  /** Puts a program of this machine in, with the libraries that it needs. */
  readonly add: (file: string, as?: string) => void
  readonly write: (file: string, content: string, mode?: number) => void
  readonly read: (file: string) => string
  readonly has: (file: string) => boolean
  /** Runs a command in it, without a terminal. */
  readonly run: (command: ReadonlyArray<string>, options?: RunOptions) => Promise<Ended>
  readonly tree: () => Tree
  readonly [Symbol.dispose]: () => void
}

export interface RunOptions {
  readonly input?: string
  readonly environment?: Readonly<Record<string, string>>
  /** Who runs it: root, where it is left out. */
  readonly user?: number
}

const ACCOUNTS = ["useradd", "userdel", "groupadd", "groupdel", "nologin"]
/** Asked for by name at run time, so that no program lists them. */
const NAME_SERVICES = ["libnss_files.so.2", "libnss_dns.so.2"]

const librariesOf = (file: string): ReadonlyArray<string> =>
  spawnSync("ldd", [file], { encoding: "utf8" })
    .stdout.split("\n")
    .flatMap((line) => /(?:=> )?(\/\S+) \(0x/.exec(line)?.[1] ?? [])

/** The programs that change accounts keep the files of before, and a lock. */
const isCopy = (file: string): boolean => /^etc\/((passwd|group|shadow|gshadow|subuid|subgid)-|\.pwd\.lock)$/.test(file)

/** A large file that was written again has another time. */
const contentOf = (file: string, { mtimeMs, size }: Stats): string =>
  size > 65_536 ? `${size} ${mtimeMs}` : createHash("sha256").update(readFileSync(file)).digest("hex")

const treeOf = (root: string): Tree => {
  const found = new Map<string, string>()
  const look = (folder: string): void => {
    for (const name of readdirSync(path.join(root, folder)).sort()) {
      const file = path.join(folder, name)
      if (["proc", "dev"].includes(file) || isCopy(file)) continue
      const full = path.join(root, file)
      const stat = lstatSync(full)
      const about = `${stat.mode.toString(8)} ${stat.uid}:${stat.gid}`
      if (stat.isSymbolicLink()) found.set(file, `${about} -> ${readlinkSync(full)}`)
      else if (stat.isFile()) found.set(file, `${about} ${contentOf(full, stat)}`)
      else if (stat.isDirectory()) {
        found.set(file, about)
        look(file)
      }
    }
  }
  look("")
  return found
}

/** What one tree has and the other has not, or has otherwise. */
export const difference = (before: Tree, after: Tree): ReadonlyArray<string> => [
  ...[...after].flatMap(([file, about]) =>
    before.get(file) === about ? [] : [before.has(file) ? `changed ${file}` : `added ${file}`],
  ),
  ...[...before.keys()].flatMap((file) => (after.has(file) ? [] : [`removed ${file}`])),
]

/** Makes one. `tools` are the programs in it, by name. */
export const make = (tools: ReadonlyArray<string> = [...TOOLS, ...ACCOUNTS]): CleanRoot => {
  const folder = mkdtempSync(path.join(tmpdir(), "guildhall-root-"))
  chmodSync(folder, 0o755)
  const at = (file: string): string => path.join(folder, file)
  for (const made of [
    "usr/bin",
    "usr/sbin",
    "usr/lib",
    "usr/lib64",
    "usr/local/bin",
    "etc",
    "opt",
    "root",
    "home/ada",
    "var/lib",
    "proc",
    "dev",
    "run",
  ]) {
    mkdirSync(at(made), { recursive: true })
  }
  for (const link of ["bin", "sbin", "lib", "lib64"]) symlinkSync(`usr/${link}`, at(link))
  mkdirSync(at("tmp"), { mode: 0o1777 })
  chmodSync(at("tmp"), 0o1777)

  const put = (from: string, to: string): void => {
    if (existsSync(at(to))) return
    mkdirSync(path.dirname(at(to)), { recursive: true })
    const source = realpathSync(from)
    try {
      linkSync(source, at(to))
    } catch {
      copyFileSync(source, at(to))
    }
  }
  const add = (file: string, as = file): void => {
    put(file, as)
    for (const library of librariesOf(realpathSync(file))) put(library, library)
  }
  for (const name of tools) {
    const file = whereIs(name)
    if (file !== undefined) add(file, path.join(/sbin/.test(file) ? "usr/sbin" : "usr/bin", name))
  }
  // What Node needs of a system, and every usual one has.
  for (const library of librariesOf(process.execPath)) put(library, library)
  const [anyLibrary = ""] = librariesOf(whereIs("ls") ?? "").filter((file) => file.includes("libc.so"))
  for (const name of NAME_SERVICES) {
    const file = path.join(path.dirname(anyLibrary), name)
    if (existsSync(file)) put(file, file)
  }
  const write = (file: string, content: string, mode = 0o644): void => {
    mkdirSync(path.dirname(at(file)), { recursive: true })
    writeFileSync(at(file), content, { mode })
    chmodSync(at(file), mode)
  }
  write("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nada:x:1000:1000:Ada:/home/ada:/bin/sh\n")
  write("etc/group", "root:x:0:\nada:x:1000:\n")
  write("etc/shadow", "root:*:19000:0:99999:7:::\nada:*:19000:0:99999:7:::\n", 0o640)
  write("etc/gshadow", "root:*::\nada:!::\n", 0o640)
  write("etc/nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files\n")
  write("etc/hosts", "127.0.0.1 localhost\n")
  write("etc/os-release", 'PRETTY_NAME="Clean root"\nID=clean\n')
  spawnSync("chown", ["1000:1000", at("home/ada")])
  for (const [name, major, minor] of [
    ["null", 1, 3],
    ["zero", 1, 5],
    ["random", 1, 8],
    ["urandom", 1, 9],
    ["tty", 5, 0],
  ] as const) {
    spawnSync("mknod", ["-m", "666", at(`dev/${name}`), "c", String(major), String(minor)])
  }

  const running = new Set<ChildProcess>()
  const run = async (
    command: ReadonlyArray<string>,
    { environment, input = "", user }: RunOptions = {},
  ): Promise<Ended> => {
    const drop = user === undefined ? "" : `setpriv --reuid=${user} --regid=${user} --clear-groups `
    const enter = `mount -t proc proc "$0/proc" && exec chroot "$0" /bin/sh -c 'cd / && exec ${drop}"$@"' sh "$@"`
    const child = spawn(
      "unshare",
      ["--mount", "--pid", "--fork", "--kill-child", "sh", "-c", enter, folder, ...command],
      {
        env: {
          PATH: "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
          HOME: user === undefined ? "/root" : "/home/ada",
          ...environment,
        },
        stdio: ["pipe", "pipe", "pipe"],
        detached: true,
      },
    )
    running.add(child)
    let output = ""
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()))
    child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()))
    child.stdin.on("error", () => undefined)
    child.stdin.end(input)
    const [code] = (await once(child, "close")) as [number | null]
    running.delete(child)
    return { code, output }
  }

  return {
    folder,
    add,
    write,
    read: (file) => readFileSync(at(file), "utf8"),
    has: (file) => existsSync(at(file)),
    run,
    tree: () => treeOf(folder),
    [Symbol.dispose]: () => {
      // With the first process of its own processes all of them end.
      for (const child of running) child.kill("SIGKILL")
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
