/**
 * Everything of a market that keeps something: the database, the stores over it, and the keys.
 */
import path from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { PgClient } from "@effect/sql-pg"
import * as SettlementRecordSql from "@guildhall/chain/SettlementRecordSql"
import * as KeyRingFile from "@guildhall/core/KeyRingFile"
import type { MarketDefinition } from "@guildhall/core/MarketDefinition"
import * as ProviderRails from "@guildhall/core/ProviderRails"
import * as AnswerSeal from "@guildhall/gateway/AnswerSeal"
import * as LimitStoreSql from "@guildhall/gateway/LimitStoreSql"
import { SentWays } from "@guildhall/gateway/SentWays"
import * as NodeSignature from "@guildhall/gateway/NodeSignature"
import * as AnswerStoreSql from "@guildhall/journal/AnswerStoreSql"
import * as JournalSql from "@guildhall/journal/JournalSql"
import * as Ledger from "@guildhall/ledger/Ledger"
import * as LedgerStoreSql from "@guildhall/ledger/LedgerStoreSql"
import * as AttestationsSql from "@guildhall/registry/AttestationsSql"
import * as CloudAccounts from "@guildhall/registry/CloudAccounts"
import * as CloudStoreSql from "@guildhall/registry/CloudStoreSql"
import * as DeviceWalletsSql from "@guildhall/registry/DeviceWalletsSql"
import * as DevicesSql from "@guildhall/registry/DevicesSql"
import * as EntryRecordSql from "@guildhall/registry/EntryRecordSql"
import * as GpusSql from "@guildhall/registry/GpusSql"
import * as HealthRecordSql from "@guildhall/registry/HealthRecordSql"
import * as InFlightSql from "@guildhall/registry/InFlightSql"
import * as MembersSql from "@guildhall/registry/MembersSql"
import * as PgChanges from "@guildhall/registry/changes/Pg"
import * as NotifierSql from "@guildhall/registry/NotifierSql"
import * as PairingSql from "@guildhall/registry/PairingSql"
import * as SealKeys from "@guildhall/registry/SealKeys"
import type { Settings } from "./AppConfig.ts"
import type { Facts } from "./Launch.ts"

/** Members' accounts in a cloud: what opens their tokens comes from the settings alone. */
const cloudAccounts = ({ sealKeys }: Settings, { endpoints }: MarketDefinition) =>
  CloudAccounts.layer({ allowPrivate: endpoints.allowPrivate }).pipe(
    Layer.provide([CloudStoreSql.layer, SealKeys.layer(sealKeys)]),
  )

/**
 * The stores of a market over one database, and its keys from the home.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (facts: Facts, definition: MarketDefinition) => {
  const database = PgClient.layer({ url: facts.databaseUrl, maxConnections: 12 })
  return Layer.mergeAll(
    Ledger.layer.pipe(Layer.provideMerge(LedgerStoreSql.layer({ renewMs: definition.hold.renewMs }))),
    definition.chain === undefined ? Layer.empty : SettlementRecordSql.layer(),
    JournalSql.layer,
    AnswerStoreSql.layer(),
    MembersSql.layer,
    LimitStoreSql.layer,
    DevicesSql.layer({
      allowPrivate: definition.endpoints.allowPrivate,
      devices: definition.devices,
      asksEntry: definition.entry !== undefined,
      rails: ProviderRails.ofDefinition(definition),
    }),
    cloudAccounts(facts.settings, definition),
    EntryRecordSql.layer,
    AttestationsSql.layer,
    DeviceWalletsSql.layer,
    GpusSql.layer(),
    NotifierSql.layer,
    Layer.succeed(SentWays, facts.settings.smtpUrl === undefined ? ["webhook"] : ["webhook", "email"]),
    InFlightSql.layer(),
    HealthRecordSql.layer({ days: definition.health.window?.days }),
    PgChanges.layer,
  ).pipe(
    Layer.provideMerge(database),
    Layer.provideMerge(
      KeyRingFile.layer({ directory: path.join(facts.settings.home, "keys") }).pipe(Layer.provide(NodeSignature.layer)),
    ),
  )
}

/**
 * What answers are sealed with while they are kept: from the settings, else from the home, which then makes its own.
 *
 * @category layers
 * @since 0.1.0
 */
export const answerSeal = ({ answerSecrets, home }: Settings) => {
  if (answerSecrets === undefined) return AnswerSeal.layerFile({ file: path.join(home, "keys", "answer-secrets") })
  const [first = "", ...later] = Redacted.value(answerSecrets).split(",")
  return AnswerSeal.layer([Redacted.make(first), ...later.map((secret) => Redacted.make(secret))])
}

/**
 * Codes by which machines are paired. They are hashed with a secret of the market, for a code is found by trying.
 *
 * @category layers
 * @since 0.1.0
 */
export const pairing = (settings: Settings) =>
  Layer.unwrap(
    Effect.map(AnswerSeal.AnswerSeal, ({ mac }) => PairingSql.layer({ mac: (code) => mac("pairing", code) })),
  ).pipe(Layer.provide(answerSeal(settings)))
