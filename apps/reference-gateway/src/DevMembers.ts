/**
 * The members that a market on one's own machine starts with: a buyer with some money, an operator, and the provider
 * of this machine. Their keys are made once; the database knows only hashes, `dev.json` remembers the secrets.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { type Role, MemberId } from "@guildhall/core/Member"
import * as Account from "@guildhall/ledger/Account"
import { Ledger } from "@guildhall/ledger/Ledger"
import * as Opening from "@guildhall/ledger/Opening"
import * as TopUp from "@guildhall/ledger/templates/TopUp"
import { chargeAssetOf, type MarketDefinition } from "@guildhall/core/MarketDefinition"
import { Members } from "@guildhall/registry/Members"
import { createHash } from "node:crypto"
import type { Keys } from "./DevFile.ts"

/** What the development buyer starts with: 100 US dollars. */
const START_BALANCE = 100_000_000_000_000n

const member = Effect.fnUntraced(function* (role: Role, secret: Redacted.Redacted | undefined) {
  const members = yield* Members
  const id = MemberId.make(`mem_${role}`)
  if ((yield* members.find(id)) === undefined) yield* members.create({ id, name: `the ${role} of this machine` })
  if (secret !== undefined && (yield* members.authenticate(secret)) !== undefined) return secret
  const issue = (given: Redacted.Redacted | undefined) =>
    members.issueKey({ memberId: id, name: "development", role, dataCollection: "deny", secret: given })
  // A secret that was revoked cannot be issued again: then there is a new one.
  const made = yield* secret === undefined ? issue(undefined) : Effect.catch(issue(secret), () => issue(undefined))
  return made.secret
})

/** The provider's key follows from the operator's, so that it needs no place of its own. */
const providerSecret = (operatorKey: Redacted.Redacted): Redacted.Redacted =>
  Redacted.make(
    `sk-${createHash("sha256")
      .update(`guildhall provider of this machine\n${Redacted.value(operatorKey)}`)
      .digest("base64url")}`,
  )

/**
 * Makes sure that the members, their keys, their accounts and the buyer's first money are there.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (definition: MarketDefinition, lastKeys: Keys | undefined) {
  const ledger = yield* Ledger
  const buyerKey = yield* member("buyer", lastKeys?.buyerKey)
  const operatorKey = yield* member("operator", lastKeys?.operatorKey)
  const providerKey = yield* member("provider", providerSecret(operatorKey))
  const asset = chargeAssetOf(definition)
  const [first] = definition.funding
  const source = definition.funding.includes("development") ? "development" : first
  const start = yield* Effect.fromResult(
    TopUp.posting({
      rail: "development",
      key: "start-balance",
      fundingSource: "development",
      to: Account.ids.funds(source, MemberId.make("mem_buyer")),
      amount: START_BALANCE,
    }),
  )
  for (const { account } of start.legs) yield* ledger.open(Opening.of(account, asset))
  // No rail was asked for it, so its key is its own: no top-up can ever have the same.
  yield* ledger.post({ ...start, idempotencyKey: "development:start-balance" })
  return { buyerKey, operatorKey, providerKey }
})
