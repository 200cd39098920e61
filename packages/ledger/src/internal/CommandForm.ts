import type * as Schema from "effect/Schema"
import { AMOUNT_MAX, ATTACHMENT_BYTES_MAX, CONTEXT_BYTES_MAX, EXPIRE_MAX, LIFE_MS_MAX } from "../Limits.ts"
import type { HoldRequest } from "../Hold.ts"
import type { Command } from "../LedgerStore.ts"
import type { Attachment, Posting } from "../Posting.ts"

const LEGS_MAX = 100
const KEY_MAX = 200
const NAME_MAX = 200

const ACCOUNT_ID = /^[a-z]+(:[A-Za-z0-9_.-]{1,80}){1,3}$/
const ASSET = /^[A-Z][A-Z0-9.]{1,15}$/

/** No store can keep a text with the character zero or half a surrogate pair under its own name. */
const isText = (text: string, max: number): boolean =>
  text.length > 0 && text.length <= max && !text.includes("\u0000") && text.isWellFormed()

const isAmount = (amount: bigint): boolean =>
  typeof amount === "bigint" && amount <= AMOUNT_MAX && amount >= -AMOUNT_MAX

const bytesOf = (json: Schema.Json): number => Buffer.byteLength(JSON.stringify(json))

const attachments = (attached: ReadonlyArray<Attachment>): string | undefined => {
  let bytes = 0
  for (const { kind, body } of attached) {
    if (!isText(kind, NAME_MAX)) return `the kind of an attachment is a text of 1 to ${NAME_MAX} characters.`
    bytes += bytesOf(body)
  }
  return bytes > ATTACHMENT_BYTES_MAX
    ? `its attachments are ${bytes} bytes, and ${ATTACHMENT_BYTES_MAX} is the most.`
    : undefined
}

const posting = ({ idempotencyKey, legs, attachments: attached }: Posting): string | undefined => {
  if (!isText(idempotencyKey, KEY_MAX)) return `an idempotency key is a text of 1 to ${KEY_MAX} characters.`
  if (legs.length < 2 || legs.length > LEGS_MAX)
    return `a posting has 2 to ${LEGS_MAX} legs, and this has ${legs.length}.`
  for (const { account, amount } of legs) {
    if (!ACCOUNT_ID.test(account)) return "the id of an account is words joined by colons, such as buyer:mem_1."
    if (amount === 0n) return `its leg on ${account} moves nothing. Leave it out.`
    if (!isAmount(amount)) return `its leg on ${account} is no amount of at most 78 digits.`
  }
  return attachments(attached)
}

const hold = ({ id, account, amount, owner, lifeMs, definitionDigest, context }: HoldRequest): string | undefined => {
  if (!isText(id, 100)) return "the id of a hold is a text of 1 to 100 characters."
  if (!ACCOUNT_ID.test(account)) return "the id of an account is words joined by colons, such as buyer:mem_1."
  if (!isText(owner, NAME_MAX)) return `the owner of a hold is a text of 1 to ${NAME_MAX} characters.`
  if (definitionDigest !== "" && !isText(definitionDigest, NAME_MAX))
    return `a definition's digest has at most ${NAME_MAX} characters.`
  if (!isAmount(amount) || amount < 0n) return "a hold is of an amount of zero or more."
  const bytes = bytesOf(context)
  if (bytes > CONTEXT_BYTES_MAX) return `its context is ${bytes} bytes, and ${CONTEXT_BYTES_MAX} is the most.`
  return life(lifeMs)
}

const life = (lifeMs: number): string | undefined =>
  Number.isInteger(lifeMs) && lifeMs > 0 && lifeMs <= LIFE_MS_MAX
    ? undefined
    : `a life is a whole number of milliseconds from 1 to ${LIFE_MS_MAX}.`

const holdId = (id: string): string | undefined =>
  isText(id, 100) ? undefined : "the id of a hold is a text of 1 to 100 characters."

/**
 * What is wrong with a command's form, whatever the books say; undefined where nothing is. A store must refuse such a
 * command before it reads or writes anything: one text that a database cannot keep would take its whole batch down.
 */
export const problem = (command: Command): string | undefined => {
  switch (command._tag) {
    case "Open": {
      const { id, asset, floor } = command
      if (!ACCOUNT_ID.test(id)) return "the id of an account is words joined by colons, such as buyer:mem_1."
      if (!ASSET.test(asset)) return "an asset is 2 to 16 capital letters and digits, such as USD."
      if (floor !== null && (!isAmount(floor) || floor > 0n)) return "a floor is zero or below: a new account is empty."
      return undefined
    }
    case "Post":
      return posting(command.posting)
    case "Hold":
      return hold(command.hold)
    case "Settle":
    case "Claim":
      return holdId(command.hold) ?? posting(command.posting)
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
