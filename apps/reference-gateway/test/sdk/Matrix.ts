/**
 * What each client was seen to do, by the dialect of the provider behind the market: the tests run it, and the page
 * docs/clients.md must say the same.
 */
import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import path from "node:path"
import { type Dialect, dialects } from "./Asked.ts"

/** The page about clients. */
const page = readFileSync(path.join(import.meta.dirname, "../../../../docs/clients.md"), "utf8")

/** A client's part of the matrix. */
export interface Matrix {
  /** Tries something with a provider of each dialect. `own` is the dialect that the client speaks in it. */
  readonly each: (what: string, own: Dialect, run: (dialect: Dialect) => Promise<void>) => void
  /** Tries what does not depend on the provider's dialect. */
  readonly once: (what: string, run: () => Promise<void>) => void
  /** Compares with the page. Call it last. */
  readonly compare: () => void
}

/** Begins a client's part. */
export const of = (client: string): Matrix => {
  const rows: Array<readonly [string, ReadonlyMap<Dialect, string>]> = []
  const seen: Array<string> = []
  return {
    each: (what, own, run) => {
      const cells = new Map<Dialect, string>()
      rows.push([what, cells])
      describe(what, () => {
        for (const dialect of dialects) {
          const how = dialect === own ? "as it is" : "translated"
          it(`${dialect}, ${how}`, async () => {
            await run(dialect)
            cells.set(dialect, how)
          })
        }
      })
    },
    once: (what, run) => {
      it(what, async () => {
        await run()
        seen.push(what)
      })
    },
    compare: () =>
      it("is described in docs/clients.md as it was seen", () => {
        const table = [
          `| \`${client}\` with a provider of | ${dialects.map((dialect) => `\`${dialect}\``).join(" | ")} |`,
          "|---|---|---|---|",
          ...rows.map(([what, cells]) => `| ${what} | ${dialects.map((one) => cells.get(one) ?? "").join(" | ")} |`),
          "",
          `Tried besides: ${seen.join("; ")}.`,
          "",
        ].join("\n")
        assert.isTrue(page.includes(table), `docs/clients.md lacks this:\n\n${table}\n`)
      }),
  }
}

/** The first example in the part of the page that has this heading, for a market and a model of the test's. */
export const example = (
  heading: string,
  options: { readonly url: string; readonly key: string; readonly model: string },
): string => {
  const part = page.split(/^## /m).find((part) => part.startsWith(`${heading}\n`))
  const code = /```ts[^\n]*\n(.*?)```/s.exec(part ?? "")?.[1]
  if (code === undefined) throw new Error(`docs/clients.md has no example under "${heading}".`)
  return code
    .replaceAll("http://127.0.0.1:8787", options.url)
    .replaceAll("sk-…", options.key)
    .replaceAll("guildhall/demo-bigram", options.model)
}
