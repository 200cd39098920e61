/**
 * Whether the endpoint's certificate is trusted, for its host, and valid.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type { Verdict } from "@guildhall/core/EntryVerification"
import * as PublicAddress from "@guildhall/core/PublicAddress"
import { type Check, doesNotApply, failed, notChecked, passed } from "../Check.ts"
import { type Certificate, EndpointProbe, type Route } from "../EndpointProbe.ts"

const DAY_MS = 86_400_000
/** Below so many days somebody should have renewed it. */
const SOON_DAYS = 14

const day = (ms: number): string => DateTime.formatIsoDateUtc(DateTime.makeUnsafe(ms))

const certificate = (found: Certificate, host: string, nowMs: number): Verdict => {
  const { identity, isSelfSigned, names, subject, trust, validFromMs, validToMs } = found
  if (nowMs >= validToMs) {
    return failed(
      "entry_certificate_expired",
      `The certificate of ${host} expired on ${day(validToMs)}.`,
      "Renew it, and let it be renewed by itself from now on, as Caddy and certbot do.",
    )
  }
  if (nowMs < validFromMs) {
    return failed(
      "entry_certificate_expired",
      `The certificate of ${host} is not valid before ${day(validFromMs)}.`,
      "Set the clock of the machine that made it, and make it anew.",
    )
  }
  if (identity !== undefined) {
    const holder = names === "" ? subject : names
    return failed(
      "entry_certificate_wrong_host",
      `The certificate is for ${holder === "" ? "no host" : holder}, and not for ${host}.`,
      `Get one for ${host}, or register the URL with a host that it is for.`,
    )
  }
  if (trust !== undefined && isSelfSigned) {
    return failed(
      "entry_certificate_self_signed",
      `The certificate of ${host} is signed by nobody but itself.`,
      "Get one from an authority, such as Let's Encrypt, or join over a tunnel, which needs none.",
    )
  }
  if (trust !== undefined) {
    return failed(
      "entry_certificate_untrusted",
      `The certificate of ${host} is not trusted (${trust}).`,
      "Get one from an authority that systems know, and let the server send the certificates between it and that authority too.",
    )
  }
  const days = Math.floor((validToMs - nowMs) / DAY_MS)
  const detail = `The certificate of ${host} is trusted, and valid for ${days} more ${days === 1 ? "day" : "days"}.`
  return days < SOON_DAYS ? passed(detail, "Renew it soon.") : passed(detail)
}

/**
 * The verdict at a time in milliseconds since 1970.
 *
 * @category rules
 * @since 0.1.0
 */
export const judge = (route: Route, nowMs: number): Verdict => {
  if (route._tag === "None") return doesNotApply(route.why)
  if (route._tag === "Unknown") {
    return notChecked(`"${route.host}" cannot be resolved: ${route.detail}.`, "Mend that first.")
  }
  const { addresses, host, isPrivateAllowed, tls } = route
  if (tls === undefined) {
    if (isPrivateAllowed && !addresses.some(PublicAddress.isPublic)) {
      return doesNotApply(`${host} is an address of this market's own network.`)
    }
    return failed(
      "entry_no_tls",
      `${host} is called by http:, which anybody on the way can read and change.`,
      "Put a server with a certificate in front of the agent and register its https: URL, or join over a tunnel.",
    )
  }
  switch (tls._tag) {
    case "NotAsked":
      return notChecked(`${host} leads to an address that is not public.`, "Mend that first.")
    case "Failed":
      return failed(
        "entry_no_handshake",
        `The handshake with ${host} failed: ${tls.detail}`,
        "See that the port of the URL speaks TLS 1.2 or newer, and not plain HTTP.",
      )
    case "Presented":
      return certificate(tls.certificate, host, nowMs)
  }
}

/**
 * The check.
 *
 * @category checks
 * @since 0.1.0
 */
export const check: Check = {
  name: "tls",
  run: Effect.fn("Tls.check")(function* ({ instance }) {
    const probe = yield* EndpointProbe
    return judge(yield* probe.look(instance), yield* Clock.currentTimeMillis)
  }),
}
