/**
 * The page that pairs machines, in a real Chromium against a running market, with the real agent on the other side.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import { once } from "node:events"
import path from "node:path"
import type { Browser } from "playwright-core"
import * as ConsoleBrowser from "./ConsoleBrowser.ts"
import * as ConsoleMarket from "./ConsoleMarket.ts"
import * as TestProgram from "@guildhall/tools/TestProgram"
import * as RunningMarket from "./RunningMarket.ts"

const isFound = ConsoleBrowser.program !== undefined

let market: RunningMarket.RunningMarket
let key: string
let browser: Browser
const kills: Array<() => unknown> = []

beforeAll(async () => {
  if (!isFound) return
  ;({ key, market } = await ConsoleMarket.start())
  browser = await ConsoleBrowser.launch()
}, 180_000)
afterAll(async () => {
  for (const kill of kills) kill()
  await browser?.close()
  await market?.close()
}, 30_000)

/** Runs the command that the page shows, as its person would. */
const runShown = (command: string, home: string) => {
  const [program, ...words] = command.split(" ")
  assert.strictEqual(program, "guildhall-agent")
  const args = [
    "--conditions=@guildhall/source",
    TestProgram.of(TestProgram.agent),
    ...words,
    "--home",
    path.join(market.home, home),
    "--json",
  ]
  if (!words.includes("--market")) args.push("--market", market.url)
  const child = spawn(process.execPath, args, { env: { PATH: process.env["PATH"] }, stdio: ["ignore", "pipe", "pipe"] })
  kills.push(() => child.kill("SIGKILL"))
  let output = ""
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()))
  return { ended: once(child, "exit").then(([code]) => code as number | null), output: () => output }
}

const title = `S1 · pairing by a page in a real Chromium${isFound ? "" : ` (not run: ${ConsoleBrowser.why})`}`

describe.skipIf(!isFound)(title, () => {
  it("refuses a key of another role, makes a code, shows what asks, approves and refuses it, and names and revokes what is paired", async () => {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 } })
    const { complaints, page } = await ConsoleBrowser.open(context, `${market.url}/console/`)
    assert.deepStrictEqual(await ConsoleBrowser.violations(page), [])
    await ConsoleBrowser.signIn(page, market.buyerKey)
    await page.getByRole("alert").filter({ hasText: "This key is of another role" }).waitFor()
    await ConsoleBrowser.picture(page, "sign-in-letter")
    await ConsoleBrowser.signIn(page, key)
    await page.getByText("You have no devices yet.").waitFor()
    assert.deepStrictEqual(await ConsoleBrowser.violations(page), [])
    await ConsoleBrowser.picture(page, "devices-empty")
    // Nowhere but in this tab.
    assert.strictEqual(await page.evaluate("localStorage.length"), 0)
    assert.strictEqual(await page.evaluate("document.cookie"), "")

    await page.getByRole("button", { name: "Make a code" }).click()
    assert.match((await page.locator(".digits").innerText()).replace(/\D/g, ""), /^\d{6}$/)
    assert.match(await page.getByText("Good once, for").innerText(), /(10:00|9:5\d)/)
    const shown = page.getByLabel("Command to run on the machine")
    const [, longCode = "no code"] = /pair (\S+)/.exec(await shown.innerText()) ?? []
    assert.strictEqual(
      await page.getByLabel("Command to install the agent").innerText(),
      `curl -fsSL ${market.url}/install.sh | sh -s -- cpu --code ${longCode}`,
    )
    const pairing = runShown(await shown.innerText(), "approved")
    const request = page.getByRole("article")
    await request.waitFor()
    const fingerprint = await request.locator(".fingerprint").innerText()
    await RunningMarket.until("the agent's word", () => (pairing.output().includes(fingerprint) ? true : undefined))
    for (const word of ["Processor", "Memory", "System", "127.0.0.1"]) assert.include(await request.innerText(), word)
    assert.deepStrictEqual(await ConsoleBrowser.violations(page), [])
    await ConsoleBrowser.picture(page, "devices-request")
    await request.getByRole("button", { name: "Approve" }).click()
    assert.strictEqual(await pairing.ended, 0, pairing.output())

    const device = page.locator(".device", { hasText: fingerprint })
    await device.getByText("Name, key and more").click()
    await device.getByLabel("Name").fill("desk in the study")
    await device.getByRole("button", { name: "Save" }).click()
    await page.getByRole("heading", { name: "desk in the study" }).waitFor()
    await device.getByText("guildhall-agent rotate-key").waitFor()
    assert.deepStrictEqual(await ConsoleBrowser.violations(page), [])
    await ConsoleBrowser.picture(page, "devices-mine")

    // A code is good once: another machine needs another.
    await page.reload()
    await page.getByRole("button", { name: "Make a code" }).click()
    const refused = runShown(await shown.innerText(), "refused")
    await request.getByRole("button", { name: "Refuse" }).click()
    assert.strictEqual(await refused.ended, 4, refused.output())
    await request.waitFor({ state: "detached" })

    await device.getByText("Name, key and more").click()
    await device.getByRole("button", { name: "Revoke…" }).click()
    await page.getByRole("dialog").getByText("Revoke desk in the study?").waitFor()
    assert.deepStrictEqual(await ConsoleBrowser.violations(page), [])
    await ConsoleBrowser.picture(page, "devices-revoke")
    await page.getByRole("button", { name: "Revoke it" }).click()
    await device.getByText("Revoked").waitFor()
    await page.getByRole("button", { name: "Sign out" }).click()
    await page.getByLabel("API key").waitFor()
    assert.strictEqual(await page.evaluate("sessionStorage.length"), 0)
    assert.deepStrictEqual(
      complaints.filter((one) => !/status of 40[13]/.test(one)),
      [],
    )
    await context.close()
  }, 120_000)

  it("fits a phone and the dark, by keyboard too", async () => {
    const context = await browser.newContext({
      viewport: { width: 360, height: 740 },
      colorScheme: "dark",
      hasTouch: true,
      isMobile: true,
    })
    const { page } = await ConsoleBrowser.open(context, `${market.url}/console/`)
    await page.getByLabel("API key").focus()
    await page.keyboard.type(key)
    await page.keyboard.press("Enter")
    await page.getByRole("button", { name: "Make a code" }).focus()
    await page.keyboard.press("Enter")
    await page.locator(".digits").waitFor()
    assert.isAtMost(Number(await page.evaluate("document.documentElement.scrollWidth")), 360)
    assert.deepStrictEqual(await ConsoleBrowser.violations(page), [])
    await ConsoleBrowser.picture(page, "phone-devices-dark")
    await page.getByRole("link", { name: "Serve from this browser" }).first().click()
    await page.getByRole("button", { name: "Start serving" }).waitFor()
    await page.getByText("Suggested:").waitFor()
    assert.isAtMost(Number(await page.evaluate("document.documentElement.scrollWidth")), 360)
    assert.deepStrictEqual(await ConsoleBrowser.violations(page), [])
    await ConsoleBrowser.picture(page, "phone-serve-dark")
    await context.close()
  }, 60_000)
})
