/**
 * A page in a real Chromium as a provider: it loads a model, joins, is checked, serves the `openai` client, earns, and goes.
 */
import { afterAll, afterEach, assert, beforeAll, describe, it } from "@effect/vitest"
import { writeFileSync } from "node:fs"
import path from "node:path"
import OpenAI from "openai"
import type { Browser, BrowserContext, Page } from "playwright-core"
import * as DemoModel from "@guildhall/agent/demo/DemoModel"
import * as ConsoleBrowser from "./ConsoleBrowser.ts"
import * as ConsoleMarket from "./ConsoleMarket.ts"
import * as CutNetwork from "./CutNetwork.ts"
import * as RunningMarket from "./RunningMarket.ts"

const MODEL = "guildhall/demo-bigram"
const NANO = "google/gemini-nano"
const isFound = ConsoleBrowser.program !== undefined

let market: RunningMarket.RunningMarket
let key: string
let again: ConsoleMarket.ConsoleMarket["again"]
let browser: Browser
let file: string
let context: BrowserContext

beforeAll(async () => {
  if (!isFound) return
  ;({ again, key, market } = await ConsoleMarket.start())
  file = path.join(market.home, "demo-bigram.gguf")
  writeFileSync(file, DemoModel.build())
  browser = await ConsoleBrowser.launch()
}, 180_000)
afterEach(async () => {
  if (!isFound) return
  // A tab that is closed says goodbye; one whose whole browser goes is found out by its silence.
  for (const page of context.pages()) await page.close()
  await Promise.all([MODEL, NANO].map((model) => RunningMarket.unlisted(market, model, 40_000)))
  await context.close()
}, 60_000)
afterAll(async () => {
  await browser?.close()
  await market?.close()
}, 30_000)

const serving = (page: Page) =>
  page
    .getByRole("status")
    .filter({ hasText: /^Serving$/ })
    .waitFor({ timeout: 60_000 })

const openPage = async (url = market.url) => {
  const opened = await ConsoleBrowser.open(context, `${url}/console/serve`)
  await ConsoleBrowser.signIn(opened.page, key)
  await opened.page.getByRole("button", { name: "Start serving" }).waitFor()
  return opened
}

/** Starts to serve the demo model from its file. */
const serveFile = async () => {
  const { complaints, page } = await openPage()
  await page.getByRole("radio", { name: "A model file of yours" }).check()
  await page.getByLabel("File", { exact: true }).setInputFiles(file)
  await page.getByText("Guildhall demo bigram").waitFor()
  await page.getByLabel("Id on the market").fill(MODEL)
  await ConsoleBrowser.picture(page, "serve-offer")
  await page.getByRole("button", { name: "Start serving" }).click()
  await serving(page)
  return { complaints, page }
}

/** A browser whose own model says its words slowly, one each time. Chrome's needs a download of its maker's. */
const fakeLanguageModel = `
  globalThis.LanguageModel = {
    availability: async () => "available",
    create: async ({ monitor, initialPrompts }) => {
      const target = new EventTarget()
      monitor?.(target)
      target.dispatchEvent(Object.assign(new Event("downloadprogress"), { loaded: 1, total: 1 }))
      let used = 3 * (initialPrompts?.length ?? 0)
      return {
        contextWindow: 2048,
        get contextUsage() { return used },
        measureContextUsage: async (text) => text.split(" ").length,
        promptStreaming: async function* (text, { signal }) {
          used += text.split(" ").length
          for (let at = 0; at < 200; at += 1) {
            await new Promise((resolve) => setTimeout(resolve, 20))
            if (signal.aborted) throw signal.reason
            used += 1
            yield "word" + at + " "
          }
        },
        destroy: () => undefined,
      }
    },
  }
`

const serveFake = async (url?: string) => {
  await context.addInitScript(fakeLanguageModel)
  const { complaints, page } = await openPage(url)
  await page.getByRole("radio", { name: "The browser's own" }).check()
  await page.getByRole("button", { name: "Start serving" }).click()
  await serving(page)
  await RunningMarket.listed(market, NANO, 1)
  return { complaints, page }
}

const ask = (model: string, tokens: number) =>
  market.client().chat.completions.create({
    model,
    messages: [{ role: "user", content: "Tell me something" }],
    max_tokens: tokens,
    stream: true,
    stream_options: { include_usage: true },
  })

const figure = (page: Page, name: string) => page.locator(".figure", { hasText: name }).locator("dd").innerText()

/** What is read of a stream until it ends or breaks; `at` is called once so many pieces have come. */
const read = async (
  stream: Awaited<ReturnType<typeof ask>>,
  at = Infinity,
  then: () => Promise<unknown> = async () => undefined,
) => {
  let [text, pieces] = ["", 0]
  let usage: OpenAI.CompletionUsage | undefined
  let error: unknown
  try {
    for await (const chunk of stream) {
      const piece = chunk.choices[0]?.delta.content ?? ""
      text += piece
      usage = chunk.usage ?? usage
      if (piece !== "") pieces += 1
      if (piece !== "" && pieces === at) await then()
    }
  } catch (caught) {
    error = caught
  }
  return { error, text, usage }
}

const out = async (model: string): Promise<number> => {
  const begunAt = performance.now()
  await RunningMarket.unlisted(market, model)
  return performance.now() - begunAt
}

const title = `V10 · a page in a real Chromium serves${isFound ? "" : ` (not run: ${ConsoleBrowser.why})`}`

describe.skipIf(!isFound)(title, () => {
  it("a GGUF file by wllama: a stream for the openai client, a charge, earnings on the page, and off the market with the tab", async () => {
    context = await browser.newContext({ viewport: { width: 1280, height: 900 } })
    const { complaints, page } = await serveFile()
    await RunningMarket.listed(market, MODEL, 1)
    assert.isTrue(await page.evaluate("crossOriginIsolated"))
    const before = await RunningMarket.balance(market, market.buyerKey)
    const { error, text, usage } = await read(await ask(MODEL, 24))
    assert.isUndefined(error)
    assert.isAbove(text.length, 5)
    assert.isAbove(usage?.prompt_tokens ?? 0, 0)
    assert.isAbove(usage?.completion_tokens ?? 0, 1)
    assert.isAtMost(usage?.completion_tokens ?? 0, 24)

    // What was charged is what the tokens cost at 100 and 200 cents a million, in 10^-12 dollars; nine tenths are the page's.
    const cost = BigInt(usage?.prompt_tokens ?? 0) * 1_000_000n + BigInt(usage?.completion_tokens ?? 0) * 2_000_000n
    await RunningMarket.until("the charge", async () =>
      before - (await RunningMarket.balance(market, market.buyerKey)) === cost ? true : undefined,
    )
    await page.locator(".figure", { hasText: "Requests" }).locator("dd", { hasText: /^1$/ }).waitFor()
    assert.strictEqual(await figure(page, "Tokens written"), String(usage?.completion_tokens))
    const micro = Number(cost) / 1e6
    assert.strictEqual(
      await figure(page, "Earned"),
      `$${((micro * 0.9) / 1e6 - 0.0000005 < 0 ? 0 : Math.floor(micro * 0.9) / 1e6).toFixed(6)}`,
    )

    const whole = await market.client().chat.completions.create({
      model: MODEL,
      messages: [{ role: "user", content: "Tell me something" }],
      max_tokens: 3,
      stop: ["zzzz"],
    })
    assert.strictEqual(whole.choices[0]?.finish_reason, "length")
    assert.strictEqual(whole.usage?.completion_tokens, 3)
    // Two requests of a thousand tokens: the context is the file's 2,048.
    const long = await market
      .client()
      .chat.completions.create({ model: MODEL, messages: [{ role: "user", content: "x ".repeat(3_000) }] })
      .catch((caught: unknown) => caught)
    assert.instanceOf(long, OpenAI.APIError)

    assert.deepStrictEqual(await ConsoleBrowser.violations(page), [])
    await ConsoleBrowser.picture(page, "serve-serving")
    assert.deepStrictEqual(complaints, [])

    await page.close({ runBeforeUnload: false })
    assert.isBelow(await out(MODEL), 2_000)
    const states = await RunningMarket.instanceStates(market)
    assert.include(states, "draining")
  }, 120_000)

  it("again after the tab was closed, as the same device with the lines that it kept, and stops by its button", async () => {
    context = await browser.newContext()
    const first = await serveFile()
    await RunningMarket.listed(market, MODEL, 1)
    await read(await ask(MODEL, 8))
    const fingerprint = await first.page.getByText(/^[0-9a-f]{4}( [0-9a-f]{4}){3}$/).innerText()
    await first.page.close()
    await RunningMarket.unlisted(market, MODEL)
    const { complaints, page } = await serveFile()
    assert.strictEqual(await page.getByText(/^[0-9a-f]{4}( [0-9a-f]{4}){3}$/).innerText(), fingerprint)
    await RunningMarket.listed(market, MODEL, 1)
    assert.isUndefined((await read(await ask(MODEL, 8))).error)
    // The key is in the browser, and nothing can take it out.
    const exported = await page.evaluate(`new Promise((resolve, reject) => {
      const request = indexedDB.open("guildhall")
      request.onerror = reject
      request.onsuccess = () => {
        const get = request.result.transaction("device").objectStore("device").get("key")
        get.onsuccess = () => crypto.subtle.exportKey("pkcs8", get.result.privateKey).then(() => resolve("exported"), () => resolve("refused"))
      }
    })`)
    assert.strictEqual(exported, "refused")
    const second = await ConsoleBrowser.open(context, `${market.url}/console/serve`)
    await ConsoleBrowser.signIn(second.page, key)
    await second.page.getByRole("radio", { name: "A model file of yours" }).check()
    await second.page.getByLabel("File", { exact: true }).setInputFiles(file)
    await second.page.getByText("Suggested:").waitFor()
    await second.page.getByRole("button", { name: "Start serving" }).click()
    await second.page.getByText("Another tab of this browser serves already.").waitFor()
    await page.getByRole("button", { name: "Stop serving" }).click()
    await page
      .getByRole("status")
      .filter({ hasText: /^Stopped$/ })
      .waitFor()
    assert.isBelow(await out(MODEL), 2_000)
    assert.deepStrictEqual(complaints, [])
  }, 120_000)

  it("by the browser's prompt API, for which a fake LanguageModel stands in: a stream, stops, buyers who leave, limits", async () => {
    context = await browser.newContext()
    const { complaints, page } = await serveFake()
    const { error, text, usage } = await read(await ask(NANO, 5))
    assert.isUndefined(error)
    assert.strictEqual(text, "word0 word1 word2 word3 word4 ")
    assert.deepInclude(usage, { prompt_tokens: 3, completion_tokens: 5 })
    const stopped = await market.client().chat.completions.create({
      model: NANO,
      messages: [{ role: "user", content: "Tell me something" }],
      stop: ["d3 wo"],
    })
    assert.strictEqual(stopped.choices[0]?.message.content, "word0 word1 word2 wor")
    assert.strictEqual(stopped.choices[0]?.finish_reason, "stop")
    const left = await ask(NANO, 150)
    await read(left, 3, async () => left.controller.abort())
    await page.locator("dl", { hasText: "Under way" }).locator("dd", { hasText: /^0$/ }).waitFor()
    assert.isUndefined((await read(await ask(NANO, 2))).error)
    assert.deepStrictEqual(complaints, [])
  }, 90_000)

  it("until its tab is closed, or crashes, in the middle of a stream (of a fake LanguageModel): the stream ends with an error in it", async () => {
    context = await browser.newContext()
    const closing = await serveFake()
    const closed = await read(await ask(NANO, 200), 5, () => closing.page.close({ runBeforeUnload: false }))
    assert.instanceOf(closed.error, OpenAI.APIError)
    assert.include(closed.text, "word4")
    assert.isBelow(await out(NANO), 2_000)

    await context.close()
    context = await browser.newContext()
    const crashing = await serveFake()
    const debuggerOf = await context.newCDPSession(crashing.page)
    const begunAt = performance.now()
    const crashed = await read(
      await ask(NANO, 200),
      5,
      async () => void debuggerOf.send("Page.crash").catch(() => undefined),
    )
    assert.instanceOf(crashed.error, OpenAI.APIError)
    assert.strictEqual(
      crashed.error instanceof OpenAI.APIError ? crashed.error.code : undefined,
      "provider_closed_early",
    )
    assert.isBelow(performance.now() - begunAt, 15_000)
  }, 120_000)

  it("over a network that breaks in the middle of a stream: it goes on where it was (a fake LanguageModel)", async () => {
    context = await browser.newContext()
    const network = await CutNetwork.start(Number(new URL(market.url).port))
    try {
      await serveFake(network.url)
      const { error, text } = await read(await ask(NANO, 60), 5, async () => network.drop())
      assert.isUndefined(error)
      assert.strictEqual(text, Array.from({ length: 60 }, (_, at) => `word${at} `).join(""))
    } finally {
      // The page says goodbye by the same way.
      await context.close()
      context = await browser.newContext()
      await network.close()
    }
  }, 90_000)

  it("through the end of a gateway that is killed in the middle of a stream: it finds the next one, and serves (a fake LanguageModel)", async () => {
    context = await browser.newContext()
    await serveFake()
    const broken = await read(await ask(NANO, 200), 5, () => market.kill("SIGKILL"))
    assert.isDefined(broken.error)
    market = await again()
    const text = await RunningMarket.until(
      "the page to serve",
      async () => {
        const answer = await ask(NANO, 3)
          .then(read)
          .catch(() => undefined)
        return answer === undefined || answer.error !== undefined ? undefined : answer.text
      },
      60_000,
    )
    assert.strictEqual(text, "word0 word1 word2 ")
  }, 120_000)
})
