import type * as SqlClient from "effect/sql/SqlClient"

/** Numbers as the text of a PostgreSQL array. */
export const ofNumbers = (items: Iterable<bigint | number>): string => `{${[...items].join(",")}}`

const quoted = (text: string | null): string => {
  if (text === null) return "NULL"
  return text.includes('"') || text.includes("\\") ? `"${text.replace(/["\\]/g, "\\$&")}"` : `"${text}"`
}

/** Texts as the text of a PostgreSQL array, so that a statement's text does not depend on how many there are. */
export const ofTexts = (items: Iterable<string | null>): string => {
  let text = ""
  for (const item of items) text += text === "" ? quoted(item) : `,${quoted(item)}`
  return `{${text}}`
}

/**
 * JSON texts as one text, which `splitJson` takes apart in a statement: quoting them would cost more than to write them. JSON
 * has no control character as it is, and none that is not there is `NULL`.
 */
export const ofJson = (items: ReadonlyArray<string | null>): string =>
  items.map((item) => item ?? "NULL").join("\u001f")

/** The statement's part that makes an array of such a text again; of an empty one, an empty array. */
export const splitJson = (sql: SqlClient.SqlClient, text: string) =>
  sql`string_to_array(${text}::text, chr(31), 'NULL')`

/** Bytes as the text of a PostgreSQL array. */
export const ofBytes = (items: ReadonlyArray<Uint8Array>): string =>
  `{${items.map((bytes) => `"\\\\x${Buffer.from(bytes).toString("hex")}"`).join(",")}}`

/** The items of an array of numbers that PostgreSQL wrote. */
export const numbersIn = (text: string): ReadonlyArray<string> => (text === "{}" ? [] : text.slice(1, -1).split(","))
