/**
 * Whether the container runtime is what the market asks for.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Check, Subject, Verdict } from "./Check.ts"

const SOURCES = new Set(["docker", "podman"])
const INSTALL = "Install Docker: see docs.docker.com/engine/install."
const TOOLKIT =
  "Install the NVIDIA Container Toolkit, then run: sudo nvidia-ctk runtime configure && sudo systemctl restart docker."

const verdict = ({ classes, detected }: Subject): Verdict => {
  const { findings, hardware } = detected
  const { container } = hardware
  const asked = classes.map(({ requires }) => requires?.container)
  const isAsked = asked.some((needed) => needed !== undefined)
  const problem = findings.find(({ source }) => SOURCES.has(source))
  if (container === undefined) {
    const nothing = problem?.detail ?? "There is no container runtime."
    return isAsked
      ? { state: "failed", detail: `${nothing} A class of this market asks for one.`, fix: problem?.fix ?? INSTALL }
      : { state: "skipped", detail: `${nothing} No class asks for one.` }
  }
  const product = container.runtime === "docker" ? "Docker" : "Podman"
  const name = container.version === undefined ? product : `${product} ${container.version}`
  const hasCards = hardware.gpus.some(({ vendor }) => vendor === "nvidia")
  if (container.nvidiaToolkit) return { state: "passed", detail: `${name} with the NVIDIA toolkit.` }
  if (!hasCards) return { state: "passed", detail: `${name}.` }
  const state = asked.includes("nvidia") ? "failed" : "warned"
  return { state, detail: `${name} cannot hand NVIDIA GPUs to containers.`, fix: TOOLKIT }
}

/**
 * The check.
 *
 * @category checks
 * @since 0.1.0
 */
export const check: Check = { name: "Containers", run: (subject) => Effect.succeed(verdict(subject)) }
