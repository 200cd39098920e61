/**
 * On what the embedded engine computes: which of its variants was found at run time, and what to install where a faster one is missing.
 * Pure.
 *
 * @since 0.1.0
 */

/**
 * What an engine can compute on, beside the processor.
 *
 * @category models
 * @since 0.1.0
 */
export type Gpu = "cuda" | "vulkan" | "metal"

/**
 * What was found. `gpu` is the variant that runs, or false for the processor; `devices` are the names of what it computes on;
 * `layers` how many of the model's `ofLayers` stand there; `usable` what the machine has libraries for.
 *
 * @category models
 * @since 0.1.0
 */
export interface Found {
  readonly gpu: Gpu | false
  readonly devices: ReadonlyArray<string>
  readonly layers: number
  readonly ofLayers: number
  readonly usable: ReadonlyArray<Gpu>
}

/**
 * The machine, in Node's words.
 *
 * @category models
 * @since 0.1.0
 */
export interface Machine {
  readonly platform: string
  readonly architecture: string
}

const TITLES: Readonly<Record<Gpu, string>> = { cuda: "CUDA", vulkan: "Vulkan", metal: "Metal" }
/** What is published, by Node's names of system and processor. */
const PACKAGES: ReadonlyMap<string, string> = new Map([
  ["linux-x64-cuda", "linux-x64-cuda"],
  ["linux-x64-vulkan", "linux-x64-vulkan"],
  ["win32-x64-cuda", "win-x64-cuda"],
  ["win32-x64-vulkan", "win-x64-vulkan"],
  ["darwin-arm64-metal", "mac-arm64-metal"],
])

/**
 * The package with a variant for a machine, or `undefined` where none is published.
 *
 * **Example** (An NVIDIA card under Linux)
 *
 * ```ts
 * import { LlamaVariant } from "@guildhall/agent/backends"
 *
 * LlamaVariant.packageOf("cuda", { platform: "linux", architecture: "x64" }) // => "@node-llama-cpp/linux-x64-cuda"
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const packageOf = (gpu: Gpu, { architecture, platform }: Machine): string | undefined => {
  const name = PACKAGES.get(`${platform}-${architecture}-${gpu}`)
  return name === undefined ? undefined : `@node-llama-cpp/${name}`
}

/**
 * What runs, as a line.
 *
 * @category formatting
 * @since 0.1.0
 */
export const words = ({ devices, gpu, layers, ofLayers }: Found): string => {
  if (gpu === false) return "The engine computes on the processor."
  const names = devices.length === 0 ? "" : ` (${devices.join(", ")})`
  const rest = layers < ofLayers ? `; ${ofLayers - layers} do not fit and stay on the processor` : ""
  return `The engine computes with ${TITLES[gpu]}${names}: ${layers} of ${ofLayers} layers${rest}.`
}

/**
 * What would be faster and is not there, or `undefined`. `version` is the engine's own: its variants must have the same.
 *
 * @category formatting
 * @since 0.1.0
 */
export const advice = ({ gpu, usable }: Found, machine: Machine, version: string): string | undefined => {
  const [best] = usable
  if (gpu !== false || best === undefined) return undefined
  const name = packageOf(best, machine)
  const begin = `This machine can compute with ${TITLES[best]}, and the engine's variant for it is not installed or does not run`
  return name === undefined
    ? `${begin}: none is published for ${machine.platform} on ${machine.architecture}. Let a server (llama.cpp, Ollama, vLLM) serve the model and pass its address with --backend.`
    : `${begin}. Install it: npm install ${name}@${version}`
}
