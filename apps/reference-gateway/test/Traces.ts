/**
 * Looks for a text in everything that a market has written: tables and files.
 */
import { PgClient } from "@effect/sql-pg"
import * as Effect from "effect/Effect"
import { readdirSync, readFileSync } from "node:fs"
import path from "node:path"

/** How a text may lie in bytes: as it is, in hexadecimal, or in base64 at any of its three alignments. */
const disguises = (text: string): ReadonlyArray<string> => {
  const base64 = [0, 1, 2].map((shift) => {
    const encoded = Buffer.from("\0".repeat(shift) + text).toString("base64url")
    // The characters at both ends also hold bits of the neighbours.
    return encoded.slice(shift === 0 ? 0 : 4, -4)
  })
  return [text, Buffer.from(text).toString("hex"), ...base64]
}

/** Whether a text is in bytes, however it may be written there. */
export const isIn = (haystack: string | Buffer, text: string): boolean =>
  disguises(text).some((one) => haystack.includes(one))

/** Where a text is in the tables of the market's database. */
export const tablesWith = (texts: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const sql = yield* PgClient.PgClient
    const tables = yield* sql<{ schema: string; name: string }>`
      SELECT table_schema AS schema, table_name AS name FROM information_schema.tables
      WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')`
    const found = new Map<string, Array<string>>(texts.map((text) => [text, []]))
    for (const { schema, name } of tables) {
      const rows = yield* sql<{ row: string }>`SELECT t::text AS row FROM ${sql(schema)}.${sql(name)} t`
      const all = rows.map(({ row }) => row).join("\n")
      for (const text of texts) if (isIn(all, text)) found.get(text)?.push(name)
    }
    // So that the files hold what the tables do.
    yield* sql`CHECKPOINT`
    return { tables: tables.map(({ name }) => name), found }
  })

/** All files under a directory. */
export const filesUnder = (directory: string): ReadonlyArray<string> =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))

/** Those of the files that hold a text. */
export const filesWith = (files: ReadonlyArray<string>, text: string): ReadonlyArray<string> =>
  files.filter((file) => isIn(readFileSync(file), text))
