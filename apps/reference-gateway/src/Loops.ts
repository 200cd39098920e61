/**
 * The loops that keep a market honest: those of the market as a whole, which one process runs, and those of every process.
 */
import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type { MarketDefinition } from "@guildhall/core/MarketDefinition"
import * as ProbeTickets from "@guildhall/gateway/ProbeTickets"
import * as AnswerSweep from "@guildhall/steward/AnswerSweep"
import * as DirectoryFeed from "@guildhall/steward/DirectoryFeed"
import * as Entry from "@guildhall/steward/Entry"
import * as HealthExchange from "@guildhall/steward/HealthExchange"
import * as HoldExpiry from "@guildhall/steward/HoldExpiry"
import * as InFlightExchange from "@guildhall/steward/InFlightExchange"
import * as Liveness from "@guildhall/steward/Liveness"
import * as Outbox from "@guildhall/steward/Outbox"
import * as OutboxSql from "@guildhall/steward/OutboxSql"
import * as Silence from "@guildhall/steward/Silence"
import * as WarningDelivery from "@guildhall/steward/WarningDelivery"
import * as SmtpMail from "@guildhall/steward/SmtpMail"
import * as TransportProbe from "@guildhall/verification/endpoint/TransportProbe"
import type { Settings } from "./AppConfig.ts"
import * as ChainStand from "./ChainStand.ts"
import type { Facts } from "./Launch.ts"

/** What every process on the port knows by itself: the instances, and then what is known of them. */
const knowledge = () =>
  Layer.merge(HealthExchange.layer().pipe(Layer.provideMerge(DirectoryFeed.layer())), InFlightExchange.layer())

/** The most that a probe's ticket promises beyond the prompt of the check of the context. */
const PROBE_TOKENS = { input: 256, output: 32 }

/** The checks of who enters, where the definition asks for some. */
const entry = ({ point }: Settings, { endpoints, entry: settings }: MarketDefinition) => {
  if (settings === undefined) return Layer.empty
  const probe = Layer.unwrap(
    Effect.map(
      ProbeTickets.make({
        inputTokens: settings.promptTokensMax + PROBE_TOKENS.input,
        outputTokens: PROBE_TOKENS.output,
      }),
      (headers) => TransportProbe.layer({ allowPrivate: endpoints.allowPrivate, headers }),
    ),
  )
  return Entry.layer({ settings, owner: `gateway-${randomUUID()}`, seed: randomUUID(), point }).pipe(
    Layer.provide(probe),
  )
}

/** Warnings by webhook and, where there is a mail service, by e-mail. */
const warnings = ({ mailFrom, smtpUrl }: Settings, { endpoints, name }: MarketDefinition) => {
  const delivery = WarningDelivery.layer({ allowPrivate: endpoints.allowPrivate, market: name })
  if (smtpUrl === undefined) return delivery
  const from = mailFrom ?? `guildhall@${new URL(Redacted.value(smtpUrl)).hostname}`
  return Layer.provide(delivery, SmtpMail.layer({ url: smtpUrl, from }))
}

/**
 * What the only process of a market does by itself, or the first of several on a port.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (facts: Facts, definition: MarketDefinition) =>
  Layer.mergeAll(
    knowledge(),
    entry(facts.settings, definition),
    Liveness.layer({ heartbeat: definition.heartbeat }),
    Silence.layer({ heartbeat: definition.heartbeat }),
    HoldExpiry.layer({ everyMs: Math.ceil(definition.hold.renewMs / 2) }),
    Outbox.layerWith({ definition, copy: OutboxSql.copy() }),
    AnswerSweep.layer(),
    warnings(facts.settings, definition),
    ChainStand.layer(facts, definition),
  )

/**
 * What every further process on the port does by itself: it knows the instances, and seals what it leaves behind.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFurther = (facts: Facts, definition: MarketDefinition) =>
  Layer.mergeAll(
    knowledge(),
    Outbox.layerAtEnd({ definition, copy: OutboxSql.copy() }),
    ChainStand.layerFurther(facts, definition),
  )
