/** What is asked in the same words through every client, and what must be true of it afterwards. */
import { assert } from "@effect/vitest"
import * as RunningMarket from "../RunningMarket.ts"
import type { Dialect } from "./Asked.ts"
import type { SdkMarket, Wire } from "./SdkMarket.ts"

/** A picture of one pixel, more or less. */
export const IMAGE = "data:image/png;base64,iVBORw0KGgo="

export const HELLO = [{ role: "user" as const, content: "tokens=3" }]

export const PARAMETERS = {
  type: "object" as const,
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
}

export const SCHEMA = {
  type: "object" as const,
  properties: { city: { type: "string" }, degrees: { type: "integer" } },
  required: ["city", "degrees"],
  additionalProperties: false,
}

/** Tokens that an answer may have beyond its words: its end, and the marks of its role. */
const SILENT = 8

interface Chunk {
  readonly choices: ReadonlyArray<{ readonly delta: { readonly content?: string | null | undefined } }>
}

/** Hears a streamed chat up to so many words, or to its end; where it breaks off, `heard` still says how many there were. */
export const hear = async (
  stream: AsyncIterable<Chunk>,
  heard: { words: number },
  most = Number.POSITIVE_INFINITY,
): Promise<void> => {
  for await (const chunk of stream) {
    if ((chunk.choices[0]?.delta.content ?? "") !== "") heard.words += 1
    if (heard.words === most) break
  }
}

/** After an abort: the provider was told, and what was delivered is paid for, once. */
export const aborted = async (market: SdkMarket, dialect: Dialect, wire: Wire, words: number): Promise<void> => {
  const seen = market.providers[dialect].seen.at(-1)
  await RunningMarket.until("the provider to be left", () => (seen?.left === true ? true : undefined))
  const receipt = await market.receipt(wire.id())
  assert.strictEqual(receipt.outcome, "aborted")
  const { cachedInputToken = 0, inputToken = 0, outputToken = 0 } = receipt.usage
  assert.isAbove(inputToken + cachedInputToken, 0)
  assert.isAtLeast(outputToken, words)
  assert.isAtMost(outputToken, (seen?.words ?? 0) + SILENT)
  assert.isBelow(seen?.words ?? 0, 200)
  assert.strictEqual(
    BigInt(receipt.charge),
    BigInt(inputToken + cachedInputToken) * 1_000_000n + BigInt(outputToken) * 2_000_000n,
  )
  assert.lengthOf(wire.answers, 1)
}

/** After a provider broke off: the client has not asked again, and what was delivered is paid for. */
export const truncated = async (market: SdkMarket, wire: Wire, words: number): Promise<void> => {
  assert.isAbove(words, 0)
  const receipt = await market.receipt(wire.id())
  assert.strictEqual(receipt.outcome, "truncated")
  const output = receipt.usage["outputToken"] ?? 0
  assert.isAtLeast(output, words)
  assert.isAtMost(output, words * 3 + SILENT)
  assert.lengthOf(wire.answers, 1)
}

/** Runs something while a stream of the same key is under way, until it is freed. */
export const whileBusy = async (
  market: SdkMarket,
  key: string,
  run: (free: () => Promise<void>) => Promise<void>,
): Promise<void> => {
  const controller = new AbortController()
  const response = await fetch(`${market.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({
      model: market.model("chat/completions"),
      messages: [{ role: "user", content: "tokens=400 gap=20" }],
      max_tokens: 500,
      stream: true,
    }),
    signal: controller.signal,
  })
  assert.strictEqual(response.status, 200)
  const free = async (): Promise<void> => controller.abort()
  await run(free).finally(free)
}

/** Waits until a client was refused for the first time. */
export const refusedOnce = (wire: Wire): Promise<true> =>
  RunningMarket.until("a refusal", () => (wire.answers.length > 0 ? true : undefined))
