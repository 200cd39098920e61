/** A real Chromium, for tests of the pages. Without one they are skipped, and say so. */
import { accessSync, constants, mkdirSync, readFileSync } from "node:fs"
import { createRequire } from "node:module"
import path from "node:path"
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core"

const PLACES = [
  process.env["CHROMIUM_PATH"],
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/usr/bin/google-chrome-stable",
  "/usr/bin/microsoft-edge",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
]

const isProgram = (file: string | undefined): file is string => {
  if (file === undefined || file === "") return false
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** The browser that was found. */
export const program: string | undefined = PLACES.find(isProgram)

/** Why the tests are skipped, where they are. */
export const why = "no Chromium was found: set CHROMIUM_PATH to one"

/** Starts the browser. Tests run as root in containers, where Chromium's sandbox does not. */
export const launch = (): Promise<Browser> =>
  chromium.launch({
    ...(program === undefined ? {} : { executablePath: program }),
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
  })

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8")

interface AxeResult {
  readonly violations: ReadonlyArray<{
    readonly id: string
    readonly help: string
    readonly nodes: ReadonlyArray<{ readonly html: string; readonly failureSummary?: string }>
  }>
}

/** What axe-core finds wrong with what is shown, in words. Script is put in by the debugger, past the page's policy. */
export const violations = async (page: Page): Promise<ReadonlyArray<string>> => {
  await page.evaluate(axe)
  const found: AxeResult = await page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
  return found.violations.flatMap(({ help, id, nodes }) =>
    nodes.map(({ failureSummary, html }) => `${id}: ${help}: ${html} ${failureSummary ?? ""}`),
  )
}

const pictures = process.env["CONSOLE_PICTURES"]

/** Keeps a picture of the page for a person to look at, where a folder is named in CONSOLE_PICTURES. */
export const picture = async (page: Page, name: string): Promise<void> => {
  if (pictures === undefined) return
  mkdirSync(pictures, { recursive: true })
  await page.screenshot({ path: path.join(pictures, `${name}.png`), fullPage: true })
}

/** A page that keeps what the browser complains of: a refused script or style is a mistake of ours. */
export const open = async (
  context: BrowserContext,
  url: string,
): Promise<{ readonly page: Page; readonly complaints: ReadonlyArray<string> }> => {
  const page = await context.newPage()
  const complaints: Array<string> = []
  page.on("console", (message) => {
    if (message.type() === "error" || /Content.Security.Policy/i.test(message.text())) complaints.push(message.text())
  })
  page.on("pageerror", (error) => complaints.push(error.message))
  await page.goto(url)
  return { page, complaints }
}

/** Gives the page a key. */
export const signIn = async (page: Page, key: string): Promise<void> => {
  await page.getByLabel("API key").fill(key)
  await page.getByRole("button", { name: "Continue" }).click()
}
