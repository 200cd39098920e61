/**
 * Mail by SMTP, through a service that the operator names. The connection is encrypted, unless the service is on this machine
 * or in a private network.
 *
 * @since 0.1.0
 */
import { createTransport } from "nodemailer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { isLocalHost } from "@guildhall/core/PublicAddress"
import { Mail, MailError } from "./Mail.ts"

/**
 * `url` is such as `smtps://user:password@mail.example:465`, or `smtp://…:587` where encryption begins after the greeting; `from` the
 * sender, such as `Market <market@mail.example>`. `limitMs` (10,000) bounds each wait for the service.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly url: Redacted.Redacted
  readonly from: string
  readonly limitMs?: number | undefined
}

/** What `nodemailer` calls a refusal of the address or of the message. All else, such as a missing certificate, may pass. */
const REFUSALS: ReadonlyArray<unknown> = ["EENVELOPE", "EMESSAGE"]

/** What the service answered, where it answered: 5xx will be the same the next time. */
const toError = (caught: unknown): MailError => {
  const read = (name: string): unknown => (caught instanceof Error ? Reflect.get(caught, name) : undefined)
  const [code, responseCode] = [read("code"), read("responseCode")]
  const isRefused = REFUSALS.includes(code) && typeof responseCode === "number" && responseCode >= 500
  // What it says may name the address, and the address is the member's own; the codes tell enough.
  const codes = [code, responseCode].filter((one) => one !== undefined)
  return new MailError({
    reason: isRefused ? "Refused" : "Unavailable",
    detail: codes.length === 0 ? "" : `It ended with ${codes.join(" ")}.`,
  })
}

/**
 * Sends one message at a time over a connection that is kept for a while.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = ({ from, limitMs = 10_000, url }: Options): Layer.Layer<Mail> =>
  Layer.effect(
    Mail,
    Effect.gen(function* () {
      const { hostname } = new URL(Redacted.value(url))
      const transport = yield* Effect.acquireRelease(
        Effect.sync(() =>
          createTransport({
            url: Redacted.value(url),
            pool: true,
            maxConnections: 1,
            requireTLS: !isLocalHost(hostname),
            dnsTimeout: limitMs,
            connectionTimeout: limitMs,
            greetingTimeout: limitMs,
            socketTimeout: limitMs,
            // A message is the text that it is given, and nothing from a file or an address in it.
            disableFileAccess: true,
            disableUrlAccess: true,
          }),
        ),
        (made) => Effect.sync(() => made.close()),
      )
      return {
        send: ({ id, subject, text, to }) =>
          Effect.asVoid(
            Effect.tryPromise({
              try: () =>
                transport.sendMail({
                  from,
                  // An address, and no list of them, whatever it holds.
                  to: { name: "", address: to },
                  subject,
                  text,
                  messageId: `<${id}@${hostname}>`,
                  headers: { "Auto-Submitted": "auto-generated" },
                }),
              catch: toError,
            }),
          ).pipe(Effect.withSpan("SmtpMail.send")),
      }
    }),
  )
