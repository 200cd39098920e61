import * as Schema from "effect/Schema"
import { Amount } from "@guildhall/core/Money"
import { Account } from "../Account.ts"
import { Hold } from "../Hold.ts"
import { Posting } from "../Posting.ts"

/** A hold's row. Its context is JSON as text, or null where it was not asked for. */
const HoldRow = Schema.Struct({ ...Hold.fields, context: Schema.NullOr(Schema.String) })

export const KeyRow = Schema.Struct({ key: Schema.String, fingerprint: Schema.String, sequence: Amount })

const PostingRow = Schema.Struct({
  sequence: Amount,
  key: Posting.fields.idempotencyKey,
  kind: Posting.fields.kind,
  hold: Schema.NullOr(Hold.fields.id),
  postedAtMs: Schema.Int,
  legs: Schema.Array(Schema.Struct({ account: Account.fields.id, amount: Amount, balance: Amount })),
})

const AttachmentRow = Schema.Struct({
  sequence: Amount,
  kind: Schema.String,
  body: Schema.String,
  attachedAtMs: Schema.Int,
})

export const decodeAccounts = Schema.decodeUnknownEffect(Schema.Array(Account))
export const decodeHolds = Schema.decodeUnknownEffect(Schema.Array(HoldRow))
export const decodePostings = Schema.decodeUnknownEffect(Schema.Array(PostingRow))
export const decodeAttachments = Schema.decodeUnknownEffect(Schema.Array(AttachmentRow))

/** The columns of an account, as {@link decodeAccounts} wants them: numbers of any size are text. */
export const accountColumns =
  "a.id, a.kind, a.asset, a.floor::text AS floor, a.state, a.balance::text AS balance, a.held::text AS held"

/** The columns of a hold `h` and its owner's lease `o` but for its context: it lives until the later of both. */
export const holdColumns = `h.id, h.account, h.amount::text AS amount, h.owner, h.life_ms AS "lifeMs",
  h.definition_digest AS "definitionDigest", h.state, h.claimed,
  GREATEST(h.expires_at_ms, COALESCE(o.until_ms, 0))::float8 AS "expiresAtMs"`

/** A hold as the rules know it. */
export const holdOf = ({ context, ...hold }: typeof HoldRow.Type): Hold => ({
  ...hold,
  context: context === null ? null : parseJson(context),
})

/** Reads what this store wrote; its tables take nothing but JSON. */
export const parseJson = (text: string): Schema.Json => JSON.parse(text)

/** Names as the text of a PostgreSQL array, so that a statement's text does not depend on how many there are. */
export const list = (names: Iterable<string>): string =>
  `{${[...names].map((name) => `"${name.replace(/["\\]/g, "\\$&")}"`).join(",")}}`
