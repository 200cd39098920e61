import type * as Schema from "effect/Schema"
import { AMOUNT_MAX, ATTACHMENT_BYTES_MAX, CONTEXT_BYTES_MAX, EXPIRE_MAX, LIFE_MS_MAX, SOURCES_MAX } from "../Limits.ts"
import type { HoldRequest } from "../Hold.ts"
import { AccountKind, AccountState, type Terms } from "../Account.ts"
import type { TrialBalance } from "../Entry.ts"
import type { Command, Linkable } from "../LedgerStore.ts"
import { type Attachment, Links, type Posting, PostingKind } from "../Posting.ts"
import * as JsonText from "./JsonText.ts"

const LEGS_MAX = 100
const LINKED_MAX = 100
const LINKS_MAX = 4
const KEY_MAX = 200
const NAME_MAX = 200
const LINK_MAX = 100
const HOLD_ID_MAX = 320
const SEQUENCE_MAX = 2n ** 63n - 1n
/** Nine thousand years: no clock is later. */
const TIME_MS_MAX = 253_402_300_799_999

const ACCOUNT_ID = /^[a-z]{1,20}(:[A-Za-z0-9_.-]{1,80}){1,3}$/
const ASSET = /^[A-Z][A-Z0-9.]{1,15}$/

/** No store can keep a text with the character zero or half a surrogate pair under its own name. */
const isText = (text: string, max: number): boolean =>
  typeof text === "string" && text.length > 0 && text.length <= max && !text.includes("\u0000") && text.isWellFormed()

const isAmount = (amount: bigint): boolean =>
  typeof amount === "bigint" && amount <= AMOUNT_MAX && amount >= -AMOUNT_MAX

const bytesOf = (json: Schema.Json): number => Buffer.byteLength(JsonText.write(json))

const attachments = (attached: ReadonlyArray<Attachment>): string | undefined => {
  let bytes = 0
  for (const { kind, body } of attached) {
    if (!isText(kind, NAME_MAX)) return `the kind of an attachment is a text of 1 to ${NAME_MAX} characters.`
    bytes += bytesOf(kind) + bytesOf(body)
  }
  return bytes > ATTACHMENT_BYTES_MAX
    ? `its attachments are ${bytes} bytes, and ${ATTACHMENT_BYTES_MAX} is the most.`
    : undefined
}

const key = (text: string): string | undefined => {
  if (!isText(text, KEY_MAX)) return `an idempotency key is a text of 1 to ${KEY_MAX} characters.`
  return text.startsWith("ledger:") ? "keys that begin with ledger: are the ledger's own." : undefined
}

const time = (ms: number): string | undefined =>
  Number.isInteger(ms) && ms >= 0 && ms <= TIME_MS_MAX ? undefined : "a time is a whole number of Unix milliseconds."

const accountId = (id: string): string | undefined =>
  typeof id === "string" && ACCOUNT_ID.test(id)
    ? undefined
    : "the id of an account is words joined by colons, such as buyer:mem_1."

const kinds: ReadonlySet<string> = new Set(PostingKind.literals)
const accountKinds: ReadonlySet<string> = new Set(AccountKind.literals)
const states: ReadonlySet<string> = new Set(AccountState.literals)
const linkNames: ReadonlySet<string> = new Set(Object.keys(Links.fields))

const links = (given: Links): string | undefined => {
  const named = Object.entries(given)
  for (const [name] of named) {
    if (!linkNames.has(name)) return `a posting is linked by ${[...linkNames].join(", ")}, and by nothing else.`
  }
  if (named.length > LINKS_MAX) return `a posting has at most ${LINKS_MAX} links.`
  for (const [, id] of named) if (!isText(id, LINK_MAX)) return `a link is a text of 1 to ${LINK_MAX} characters.`
  return undefined
}

const detail = ({ kind, links: given, rate, effectiveAtMs }: Posting): string | undefined => {
  if (!kinds.has(kind)) return `it is of no kind that a posting may have, but ${String(kind).slice(0, 40)}.`
  if (given !== undefined) {
    const wrong = links(given)
    if (wrong !== undefined) return wrong
  }
  if (rate !== undefined) {
    if (!isAmount(rate.numerator) || !isAmount(rate.denominator) || rate.numerator <= 0n || rate.denominator <= 0n)
      return "a rate is one positive amount over another."
    if (!ASSET.test(rate.from) || !ASSET.test(rate.to))
      return "an asset is 2 to 16 capital letters and digits, such as USD."
    if (!isText(rate.source, LINK_MAX)) return `the source of a rate is a text of 1 to ${LINK_MAX} characters.`
  }
  return (
    (rate === undefined ? undefined : time(rate.asOfMs)) ??
    (effectiveAtMs === undefined ? undefined : time(effectiveAtMs))
  )
}

const posting = (posted: Posting): string | undefined => {
  const { attachments: attached, idempotencyKey, kind, legs } = posted
  const problem = key(idempotencyKey)
  if (problem !== undefined) return problem
  if (kind === "reversal") return "a reversal is made by reversing a posting."
  if (legs.length < 2 || legs.length > LEGS_MAX)
    return `a posting has 2 to ${LEGS_MAX} legs, and this has ${legs.length}.`
  for (const { account, amount } of legs) {
    const wrongId = accountId(account)
    if (wrongId !== undefined) return wrongId
    if (amount === 0n) return `its leg on ${account} moves nothing. Leave it out.`
    if (!isAmount(amount)) return `its leg on ${account} is no amount of at most 78 digits.`
  }
  return detail(posted) ?? attachments(attached)
}

/** Only a payout's own hold is posted by a payout. */
const noPayout = ({ kind }: Posting): string | undefined =>
  kind === "payout" ? "a payout is posted by settling its hold. Begin it first." : undefined

/** The accounts that a hold is taken of. */
const sources = (ids: ReadonlyArray<string>): string | undefined => {
  if (ids.length === 0 || ids.length > SOURCES_MAX) return `a hold is of 1 to ${SOURCES_MAX} accounts.`
  for (const id of ids) {
    const wrongId = accountId(id)
    if (wrongId !== undefined) return wrongId
  }
  return new Set(ids).size === ids.length ? undefined : "an account stands twice among those that a hold is taken of."
}

const growth = ({ amount, hold, sources: ids }: Extract<Command, { readonly _tag: "Grow" }>): string | undefined => {
  const wrongId = holdId(hold)
  if (wrongId !== undefined) return wrongId
  if (hold.startsWith("payout:")) return "a payout's hold does not grow. What is earned later is in the next payout."
  if (!isAmount(amount) || amount < 0n) return "a hold grows to an amount of zero or more."
  return ids === undefined ? undefined : sources(ids)
}

const hold = (request: HoldRequest): string | undefined => {
  const { id, account, further, amount, owner, lifeMs, definitionDigest, context } = request
  const wrongId = holdId(id) ?? (further === undefined ? accountId(account) : sources([account, ...further]))
  if (wrongId !== undefined) return wrongId
  if (id.startsWith("payout:")) return "holds that begin with payout: are those of payouts. Begin a payout."
  if (!isText(owner, NAME_MAX)) return `the owner of a hold is a text of 1 to ${NAME_MAX} characters.`
  if (definitionDigest !== "" && !isText(definitionDigest, NAME_MAX))
    return `a definition's digest has at most ${NAME_MAX} characters.`
  if (!isAmount(amount) || amount < 0n) return "a hold is of an amount of zero or more."
  const bytes = bytesOf(context)
  if (bytes > CONTEXT_BYTES_MAX) return `its context is ${bytes} bytes, and ${CONTEXT_BYTES_MAX} is the most.`
  return lifeMs === null ? undefined : life(lifeMs)
}

const life = (lifeMs: number): string | undefined =>
  Number.isInteger(lifeMs) && lifeMs > 0 && lifeMs <= LIFE_MS_MAX
    ? undefined
    : `a life is a whole number of milliseconds from 1 to ${LIFE_MS_MAX}.`

const holdId = (id: string): string | undefined =>
  isText(id, HOLD_ID_MAX) ? undefined : `the id of a hold is a text of 1 to ${HOLD_ID_MAX} characters.`

const terms = ({ floor, ceiling, state }: Terms): string | undefined => {
  if (!states.has(state)) return "an account is open, frozen or closed."
  if (floor !== null && !isAmount(floor)) return "a floor is an amount of at most 78 digits, or none."
  if (ceiling !== null && !isAmount(ceiling)) return "a ceiling is an amount of at most 78 digits, or none."
  return floor !== null && ceiling !== null && floor > ceiling ? "a floor is not above the ceiling." : undefined
}

const opening = ({
  id,
  kind,
  asset,
  floor,
  ceiling,
}: Extract<Command, { readonly _tag: "Open" }>): string | undefined => {
  const problem = accountId(id) ?? terms({ floor, ceiling, state: "open" })
  if (problem !== undefined) return problem
  if (!accountKinds.has(kind)) return `it is of no kind that an account may have, but ${String(kind).slice(0, 40)}.`
  if (!ASSET.test(asset.code)) return "an asset is 2 to 16 capital letters and digits, such as USD."
  if (!Number.isInteger(asset.scale) || asset.scale < 0 || asset.scale > 36) return "an asset has 0 to 36 decimals."
  if (floor !== null && floor > 0n) return "a floor is zero or below: a new account is empty."
  return ceiling !== null && ceiling < 0n ? "a ceiling is zero or above: a new account is empty." : undefined
}

const seal = ({ accounts, root, totals }: TrialBalance): string | undefined => {
  if (!/^[A-Za-z0-9_-]{43}$/.test(root)) return "the root of a trial balance is a hash in base64url."
  if (!Number.isSafeInteger(accounts) || accounts < 0) return "a trial balance says of how many accounts it is."
  const isRight = (total: TrialBalance["totals"][number]) =>
    ASSET.test(total.asset) && isAmount(total.debits) && total.debits >= 0n && total.debits === total.credits
  return totals.every(isRight) ? undefined : "all debits in an asset are as much as all credits."
}

const payout = ({ account, rail, unit, minimum }: Extract<Command, { readonly _tag: "BeginPayout" }>) => {
  if (!isText(rail, NAME_MAX)) return `the name of a rail is a text of 1 to ${NAME_MAX} characters.`
  if (!isAmount(unit) || unit <= 0n) return "the unit of a payout is a positive amount."
  return isAmount(minimum) ? accountId(account) : "the least that is paid out is an amount."
}

const linkable: ReadonlySet<string> = new Set<Linkable["_tag"]>([
  "Open",
  "SetTerms",
  "Post",
  "Hold",
  "Grow",
  "Draw",
  "Settle",
  "Void",
  "Claim",
  "Reverse",
])

const linked = (commands: ReadonlyArray<Linkable>): string | undefined => {
  if (commands.length === 0 || commands.length > LINKED_MAX) return `1 to ${LINKED_MAX} commands are linked at once.`
  for (const [index, command] of commands.entries()) {
    const wrong = linkable.has(command._tag)
      ? problem(command)
      : "only what concerns accounts, postings and holds is linked."
    if (wrong !== undefined) return `in command ${index} of the linked ones, ${wrong}`
  }
  return undefined
}

/**
 * What is wrong with a command's form, whatever the books say; undefined where nothing is. A store must refuse such a
 * command before it reads or writes anything: one text that a database cannot keep would take its whole batch down.
 */
export const problem = (command: Command): string | undefined => {
  switch (command._tag) {
    case "Open":
      return opening(command)
    case "SetTerms":
      return key(command.idempotencyKey) ?? accountId(command.account) ?? terms(command.terms)
    case "Post":
      return noPayout(command.posting) ?? posting(command.posting)
    case "Hold":
      return hold(command.hold)
    case "Grow":
      return growth(command)
    case "Settle":
      return holdId(command.hold) ?? posting(command.posting)
    case "Draw":
    case "Claim":
      return holdId(command.hold) ?? noPayout(command.posting) ?? posting(command.posting)
    case "Reverse":
      return typeof command.sequence === "bigint" && command.sequence > 0n && command.sequence <= SEQUENCE_MAX
        ? attachments(command.attachments)
        : "a sequence is a whole number from 1 up."
    case "Link":
      return linked(command.commands)
    case "ClosePeriod":
      return time(command.endMs)
    case "SealPeriod":
      return time(command.endMs) ?? seal(command.trialBalance)
    case "BeginPayout":
      return payout(command)
    case "Preview": {
      const { _tag: tag } = command.command
      return linkable.has(tag) || tag === "Link"
        ? problem(command.command)
        : "only what can be linked can be previewed."
    }
    default:
      return "there is no such command."
    case "Void":
      return holdId(command.hold) ?? attachments(command.attachments)
    case "Renew":
      return isText(command.owner, NAME_MAX)
        ? life(command.lifeMs)
        : `the owner of a hold is a text of 1 to ${NAME_MAX} characters.`
    case "Expire":
      return Number.isInteger(command.limit) && command.limit > 0 && command.limit <= EXPIRE_MAX
        ? undefined
        : `at most ${EXPIRE_MAX} holds expire at once, and at least one.`
  }
}
