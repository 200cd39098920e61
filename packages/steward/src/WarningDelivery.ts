/**
 * Sends warnings by webhook and e-mail: again after ever longer pauses until one was taken, for a day. The heartbeat carries them
 * meanwhile, which is the gateway's part.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import { Notifier, type Outgoing, type SentWay } from "@guildhall/registry/Notifier"
import * as Loop from "./Loop.ts"
import { Mail } from "./Mail.ts"
import * as Webhook from "./Webhook.ts"

/** Longer than a call may take, so nobody else takes one that is under way. */
const LEASE_MS = 60_000
const AT_ONCE = 8
const MOST = 32
/** A server that takes longer for what it is sent at a time is sent the rest later. */
const SLOW_MS = 5_000
const FIRST_MS = 5_000
const PAUSE_MAX_MS = 7_200_000
/** With pauses of 5 s, 10 s, … and two hours at most, the last try is a day after the first. */
const TRIES_MAX = 22

const deliveries = Metric.counter("guildhall_warnings_sent", {
  description: "Warnings sent to providers, by way and how that ended.",
})

/**
 * How long to wait after so many tries; undefined for giving up.
 *
 * **Example** (Longer and longer)
 *
 * ```ts
 * import { WarningDelivery } from "@guildhall/steward"
 *
 * WarningDelivery.pauseMs(0) // => 5000
 * WarningDelivery.pauseMs(3) // => 40000
 * WarningDelivery.pauseMs(22) // => undefined
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const pauseMs = (tries: number): number | undefined =>
  tries >= TRIES_MAX ? undefined : Math.min(FIRST_MS * 2 ** tries, PAUSE_MAX_MS)

/**
 * The body of a webhook: what the warning says, as JSON.
 *
 * @category encoding
 * @since 0.1.0
 */
export const bodyOf = ({ warning }: Pick<Outgoing, "warning">): string => {
  const { atMs, code, deadlineMs, detail, id, subject, topic } = warning
  return JSON.stringify({
    id,
    topic,
    code,
    subject,
    detail,
    at_ms: atMs,
    ...(deadlineMs === undefined ? {} : { deadline_ms: deadlineMs }),
  })
}

/**
 * Makes a round: sends what is due, on each way that there is something to send it with. One that is slow holds up no other: a few
 * go out at a time, and each within its limit.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: Webhook.Options & { readonly market: string }) {
  const notifier = yield* Notifier
  const post = yield* Webhook.make(options)
  const mail = Option.getOrUndefined(yield* Effect.serviceOption(Mail))

  const byWebhook = (out: Outgoing) => post(out.address, out.warning.id, bodyOf(out))
  const byMail = (sender: Mail["Service"]) => (out: Outgoing) =>
    sender.send({
      to: out.address,
      id: out.warning.id,
      subject: `${options.market}: ${out.warning.subject} (${out.warning.code})`,
      text: `${out.warning.detail}\n\nThis is about ${out.warning.subject} on the market ${options.market}. Set where warnings go by PATCH /v1/settings/provider/warnings.\n`,
    })

  const sendAll = Effect.fnUntraced(function* <E extends { readonly isRetryable: boolean; readonly message: string }>(
    way: SentWay,
    send: (out: Outgoing) => Effect.Effect<void, E>,
  ) {
    const due = yield* notifier.outgoing.take({ way, leaseMs: LEASE_MS, most: MOST })
    const one = Effect.fnUntraced(function* (out: Outgoing) {
      const failed = yield* send(out).pipe(
        Effect.as(undefined),
        Effect.catch((error) => Effect.succeed(error)),
      )
      const outcome = failed === undefined ? "sent" : "failed"
      yield* Metric.update(Metric.withAttributes(deliveries, { way, outcome }), 1)
      if (failed === undefined) {
        yield* notifier.outgoing.sent(out.warning.id, way)
        return true
      }
      const nextMs = failed.isRetryable ? pauseMs(out.tries) : undefined
      // The address is the member's own, and may hold a secret.
      yield* Effect.logDebug(`${out.warning.id} was not sent by ${way}. ${failed.message}`)
      yield* notifier.outgoing.failed(out.warning.id, way, nextMs)
      return false
    })
    /** One after another, while the member's server keeps up: what is left waits for its lease to end, and nobody else for it. */
    const ofMember = Effect.fnUntraced(function* (own: ReadonlyArray<Outgoing>) {
      const startedMs = yield* Clock.currentTimeMillis
      for (const out of own) {
        const isSent = yield* one(out)
        if (!isSent || (yield* Clock.currentTimeMillis) - startedMs > SLOW_MS) return
      }
    })
    const byMember = Map.groupBy(due, ({ warning }) => warning.memberId)
    yield* Effect.forEach(byMember.values(), ofMember, { concurrency: AT_ONCE, discard: true })
  })

  return Effect.gen(function* () {
    yield* sendAll("webhook", byWebhook)
    if (mail !== undefined) yield* sendAll("email", byMail(mail))
  }).pipe(Effect.withSpan("WarningDelivery.round"))
})

const EVERY_MS = 1_000

/**
 * Runs a round every second, or after `everyMs`, for as long as the layer lives.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Webhook.Options & { readonly market: string; readonly everyMs?: number | undefined }) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const round = yield* make(options)
      yield* Loop.run("WarningDelivery", options.everyMs ?? EVERY_MS, round)
    }),
  )
