/** Runs commands of the agent as processes, and pairs a device with a member as both would do it. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync } from "node:fs"
import path from "node:path"
import * as TestProgram from "@guildhall/tools/TestProgram"
import * as RunningMarket from "./RunningMarket.ts"

/** A command that runs; its lines are JSON. */
export interface AgentCommand {
  readonly ended: Promise<number | null>
  readonly output: () => string
  readonly lines: () => ReadonlyArray<Readonly<Record<string, unknown>>>
  readonly kill: () => void
}

/** Runs a command of the agent against a market. */
export const start = (
  market: Pick<RunningMarket.RunningMarket, "url">,
  home: string,
  ...words: ReadonlyArray<string>
): AgentCommand => {
  const args = [
    "--conditions=@guildhall/source",
    TestProgram.of(TestProgram.agent),
    ...words,
    "--home",
    home,
    "--market",
    market.url,
    "--json",
  ]
  const child = spawn(process.execPath, args, { env: { PATH: process.env["PATH"] }, stdio: ["ignore", "pipe", "pipe"] })
  let output = ""
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()))
  return {
    ended: once(child, "exit").then(([exitCode]) => exitCode as number | null),
    output: () => output,
    lines: () =>
      output
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line)),
    kill: () => void child.kill("SIGKILL"),
  }
}

/** A device as its member sees it. */
export interface Shown {
  readonly id: string
  readonly state: string
  readonly fingerprint: string
  readonly instances: ReadonlyArray<unknown>
}

/** The devices of the member whose key this is. */
export const devices = async (market: RunningMarket.RunningMarket, key: string): Promise<ReadonlyArray<Shown>> => {
  const { body } = await market.call("/api/devices", { key })
  return (body as { data: ReadonlyArray<Shown> }).data
}

/** Waits until a device waits for its member. */
export const waiting = (market: RunningMarket.RunningMarket, key: string): Promise<Shown> =>
  RunningMarket.until(
    "the device to wait",
    async () => (await devices(market, key)).find(({ state }) => state === "waiting"),
    60_000,
  )

/** Makes a code. */
export const makeCode = async (
  market: RunningMarket.RunningMarket,
  key: string,
): Promise<{ readonly code: string; readonly longCode: string }> => {
  const { body } = await market.call("/api/devices/pair-code", { key, method: "POST" })
  return body as { code: string; longCode: string }
}

/** Pairs a new home in the market's: makes the code, runs the command with it, approves what waits. */
export const pair = async (
  market: RunningMarket.RunningMarket,
  key: string,
): Promise<{ readonly home: string; readonly device: Shown }> => {
  const home = mkdtempSync(path.join(market.home, "paired-"))
  const { longCode } = await makeCode(market, key)
  const command = start(market, home, "pair", longCode)
  const device = await waiting(market, key).catch((error: unknown) => {
    command.kill()
    throw new Error(`${String(error)}\n${command.output()}`)
  })
  const { status } = await market.call(`/api/devices/${device.id}/approve`, { key, method: "POST" })
  const code = await command.ended
  if (status !== 200 || code !== 0)
    throw new Error(`Approved with ${status}, paired with ${code}:\n${command.output()}`)
  return { home, device }
}
