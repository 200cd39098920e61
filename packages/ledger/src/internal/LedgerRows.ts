import * as Schema from "effect/Schema"
import { Amount } from "@guildhall/core/Money"
import { Account } from "../Account.ts"
import { Hold } from "../Hold.ts"

/** Rows come from the database as JSON or as columns; numbers of any size are text either way. */
const AccountRow = Schema.Struct({ ...Account.fields })

/** A hold's row. Its context travels as text: nothing reads it on the way. */
export const StoredHoldRow = Schema.Struct({
  id: Hold.fields.id,
  account: Hold.fields.account,
  amount: Amount,
  owner: Schema.String,
  lifeMs: Schema.Int,
  definitionDigest: Schema.String,
  context: Schema.fromJsonString(Schema.Json),
  state: Hold.fields.state,
  claimed: Schema.Boolean,
  expiresAtMs: Schema.Int,
  takenAs: Schema.String,
  endedAs: Schema.NullOr(Schema.String),
})

export const KeyRow = Schema.Struct({ key: Schema.String, fingerprint: Schema.String, sequence: Amount })

export const decodeAccounts = Schema.decodeUnknownEffect(Schema.Array(AccountRow))
export const decodeHolds = Schema.decodeUnknownEffect(Schema.Array(StoredHoldRow))

/** The columns of an account, as {@link decodeAccounts} wants them. */
export const accountColumns = (a: string): string =>
  `${a}.id, ${a}.kind, ${a}.asset, ${a}.floor::text AS floor, ${a}.state, ${a}.balance::text AS balance, ${a}.held::text AS held`

/** The columns of a hold `h` and its owner's lease `o`: it lives until the later of both. */
export const holdColumns = (h: string, o: string): string =>
  `${h}.id, ${h}.account, ${h}.amount::text AS amount, ${h}.owner, ${h}.life_ms AS "lifeMs",
   ${h}.definition_digest AS "definitionDigest", ${h}.context::text AS context, ${h}.state, ${h}.claimed,
   GREATEST(${h}.expires_at_ms, COALESCE(${o}.until_ms, 0))::float8 AS "expiresAtMs",
   ${h}.taken_as AS "takenAs", ${h}.ended_as AS "endedAs"`

/** Names as the text of a PostgreSQL array, so that a statement's text does not depend on how many there are. */
export const list = (names: Iterable<string>): string =>
  `{${[...names].map((name) => `"${name.replace(/["\\]/g, "\\$&")}"`).join(",")}}`

/** Reads what this store wrote. */
export const parseJson = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Json))
