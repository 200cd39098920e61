/** Runs a text worker of AI Horde that answers as `ScriptedEngine` does; SIGTERM lets it finish what it has. */
import { setTimeout as pause } from "node:timers/promises"
import * as HordeWorker from "../HordeWorker.ts"
import { words } from "../UncalledAgent.ts"

const setting = (name: string): string => process.env[name] ?? ""

const number = (script: string, name: string, otherwise: number): number =>
  Number(new RegExp(`${name}=(\\d+)`).exec(script)?.[1] ?? otherwise)

const worker = await HordeWorker.text(
  {
    url: setting("HORDE_URL"),
    apikey: setting("HORDE_KEY"),
    name: setting("HORDE_NAME"),
    model: setting("HORDE_MODEL"),
  },
  async ({ id, payload: { prompt } }) => {
    process.stdout.write(`job ${id}\n`)
    const tokens = number(prompt, "tokens", 5)
    await pause(tokens * number(prompt, "gap", 0))
    return words(tokens)
  },
)
process.once("SIGTERM", () => void worker.stop().then(() => process.exit(0)))
