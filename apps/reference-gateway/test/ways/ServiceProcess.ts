/** Runs a service that speaks OpenAI's API, and asks for a token where it has one, with what `ScriptedEngine` answers. */
import * as ScriptedEngine from "../ScriptedEngine.ts"

const engine = await ScriptedEngine.start(process.env["SERVICE_MODEL"], "counts", {}, process.env["SERVICE_TOKEN"])
process.stdout.write(`listens on ${new URL(engine.url).port}\n`)
let said = 0
// Those who started this process count what it was asked.
setInterval(() => {
  for (; said < engine.counts.seen; said += 1) process.stdout.write(`asked ${said + 1}\n`)
}, 10)
