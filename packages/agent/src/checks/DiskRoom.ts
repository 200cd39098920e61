/**
 * Whether there is room for a model.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Check, Subject, Verdict } from "./Check.ts"

/** A model of eight thousand million parameters, at four bits, and the log of what was used. */
const WANTED_GIB = 10

const verdict = ({ detected, home }: Subject): Verdict => {
  const { findings, hardware } = detected
  const problem = findings.find(({ source }) => source === "disk")
  if (problem !== undefined) return { state: "warned", detail: problem.detail, fix: problem.fix }
  const freeGib = Math.floor(hardware.diskFreeMib / 1024)
  return freeGib >= WANTED_GIB
    ? { state: "passed", detail: `${freeGib} GiB are free.` }
    : {
        state: "warned",
        detail: `${freeGib} GiB are free, and a model of common size takes 5 to ${WANTED_GIB}.`,
        fix: `Free some space where ${home} is, or choose a folder on another disk with --home.`,
      }
}

/**
 * The check.
 *
 * @category checks
 * @since 0.1.0
 */
export const check: Check = { name: "Disk", run: (subject) => Effect.succeed(verdict(subject)) }
