/**
 * Whether the container runtime is what the market asks for.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Container } from "@guildhall/core/Hardware"
import * as DeviceClass from "@guildhall/core/rules/DeviceClass"
import type { Check, Subject, Verdict } from "./Check.ts"

const SOURCES = new Set(["docker", "podman"])
const INSTALL = "Install Docker: see docs.docker.com/engine/install."
const TOOLKIT =
  "Install the NVIDIA Container Toolkit, then run: sudo nvidia-ctk runtime configure && sudo systemctl restart docker."

const nameOf = ({ runtime, version }: Container): string => {
  const product = runtime === "docker" ? "Docker" : "Podman"
  return version === undefined ? product : `${product} ${version}`
}

/** The class that the machine would have with the best runtime, where that is another than it has. */
const wouldBe = ({ classes, classification, detected }: Subject): string | undefined => {
  const container = { runtime: "docker", nvidiaToolkit: true } as const
  const better = DeviceClass.classify({ ...detected.hardware, container }, classes).class
  return better?.name === classification.class?.name ? undefined : better?.name
}

const verdict = (subject: Subject): Verdict => {
  const { classification, detected } = subject
  const { container, gpus } = detected.hardware
  if (container?.nvidiaToolkit === true)
    return { state: "passed", detail: `${nameOf(container)} with the NVIDIA toolkit.` }
  const problem = detected.findings.find(({ source }) => SOURCES.has(source))
  const what =
    container === undefined
      ? (problem?.detail ?? "There is no container runtime.")
      : `${nameOf(container)} cannot hand NVIDIA GPUs to containers.`
  const better = wouldBe(subject)
  if (better === undefined) {
    const hasCards = gpus.some(({ vendor }) => vendor === "nvidia")
    if (container !== undefined && !hasCards) return { state: "passed", detail: `${nameOf(container)}.` }
    return { state: "skipped", detail: `${what} It would not change this machine's class.` }
  }
  return {
    state: classification.class === undefined ? "failed" : "warned",
    detail: `${what} With it this machine would be ${better}.`,
    fix: container === undefined ? (problem?.fix ?? INSTALL) : TOOLKIT,
  }
}

/**
 * The check.
 *
 * @category checks
 * @since 0.1.0
 */
export const check: Check = { name: "Containers", run: (subject) => Effect.succeed(verdict(subject)) }
