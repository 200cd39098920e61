/**
 * Whether somebody answers at the endpoint, and says that it is well.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { Verdict } from "@guildhall/core/EntryVerification"
import * as HealthPath from "@guildhall/protocol/HealthPath"
import { type Check, failed, passed } from "../Check.ts"
import { type Answer, EndpointProbe } from "../EndpointProbe.ts"

const LIMIT_MS = 5_000
const BYTES_MAX = 64 * 1024
const TEXT_MAX = 200

/**
 * The verdict about an exchange that broke off.
 *
 * @category rules
 * @since 0.1.0
 */
export const broken = (answer: Extract<Answer, { readonly _tag: "Broken" }>, what: string): Verdict => {
  switch (answer.reason) {
    case "TooLarge":
      return failed("entry_too_large", `${what}: ${answer.detail}`, "Serve what the market asks for, and nothing else.")
    case "TooSlow":
    case "HeadersTimeout":
      return failed(
        "entry_too_slow",
        `${what}: ${answer.detail}`,
        "See whether the machine is busy, and whether something between it and the market holds answers back.",
      )
    default:
      return failed(
        "entry_unreachable",
        `${what}: ${answer.detail}`,
        "See that the agent runs, that its port is open in the firewall and forwarded by the router, and that the URL is right.",
      )
  }
}

/**
 * The verdict.
 *
 * @category rules
 * @since 0.1.0
 */
export const judge = (answer: Answer, path: ReturnType<typeof HealthPath.of> = "/healthz"): Verdict => {
  if (answer._tag === "Broken") return broken(answer, `GET ${path}`)
  const { body, headers, status, tookMs } = answer
  if (status >= 300 && status < 400) {
    const to = (headers["location"] ?? "an address that it does not name").slice(0, TEXT_MAX)
    return failed(
      "entry_redirects",
      `It answers GET ${path} with status ${status} and sends the market to ${to}. The market follows nobody.`,
      "Register the URL at which the agent itself answers.",
    )
  }
  if (status === 200) return passed(`It answers in ${Math.ceil(tookMs)} ms.`)
  const said = new TextDecoder().decode(body.subarray(0, TEXT_MAX)).replace(/\s+/g, " ").trim()
  return failed(
    "entry_unhealthy",
    `It answers GET ${path} with status ${status}${said === "" ? "" : `: ${said}`}`,
    path === "/healthz"
      ? "Look at the agent's log. If another server stands in front of it, let that pass GET /healthz on."
      : "Look at the server's log. Register the URL under which it lists its models, and let it answer without a key.",
  )
}

/** Who registers opens its tunnel, or asks for its first job, right after: a look that comes before would find nobody. */
const untilThere = {
  while: (answer: Answer) => answer._tag === "Broken" && answer.reason === "Unreachable",
  schedule: Schedule.spaced("200 millis"),
  times: 20,
}

/**
 * The check.
 *
 * @category checks
 * @since 0.1.0
 */
export const check: Check = {
  name: "reach",
  run: ({ instance }) =>
    Effect.flatMap(EndpointProbe, (probe) => {
      const path = HealthPath.of(instance)
      const asked = { instance, method: "GET", path, limitMs: LIMIT_MS, bytesMax: BYTES_MAX } as const
      const isComing = instance.reach._tag === "Tunnel" || instance.reach._tag === "Pull"
      const answered = isComing ? Effect.repeat(probe.ask(asked), untilThere) : probe.ask(asked)
      return Effect.map(answered, (answer) => judge(answer, path))
    }),
}
