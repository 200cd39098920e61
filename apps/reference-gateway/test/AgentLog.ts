/** An agent's usage log, as it lies on the disk, with what the agent has forgotten of it since a test first looked. */
import { existsSync, readFileSync } from "node:fs"
import path from "node:path"
import * as Schema from "effect/Schema"
import { UsageLine } from "@guildhall/protocol/provider/UsageLog"

/** All lines that were seen so far, and how many of them the market has acknowledged. */
export interface AgentLog {
  readonly lines: ReadonlyArray<UsageLine>
  readonly acknowledged: number
}

const Row = Schema.fromJsonString(
  Schema.Union([
    Schema.Struct({ line: UsageLine }),
    Schema.Struct({ acknowledged: Schema.Int }),
    Schema.Struct({ base: Schema.Struct({ number: Schema.Int }) }),
  ]),
)
const decodeRow = Schema.decodeUnknownSync(Row)

/** Reads a usage log as it lies on the disk; its last row may be half written. */
const read = (home: string): AgentLog => {
  if (!existsSync(path.join(home, "usage.log"))) return { lines: [], acknowledged: 0 }
  const rows = readFileSync(path.join(home, "usage.log"), "utf8").split("\n").slice(0, -1)
  const lines: Array<UsageLine> = []
  let acknowledged = 0
  for (const row of rows.map((text) => decodeRow(text))) {
    if ("line" in row) lines.push(row.line)
    else acknowledged = "acknowledged" in row ? row.acknowledged : row.base.number
  }
  return { lines, acknowledged }
}

/** Answers what reads the log in a home. The agent forgets what was acknowledged; a test looks at it later. */
export const at = (home: string): (() => AgentLog) => {
  const known = new Map<number, UsageLine>()
  return () => {
    const { acknowledged, lines } = read(home)
    for (const line of lines) known.set(line.number, line)
    return { acknowledged, lines: [...known.values()] }
  }
}

/** What a provider without an agent has: none. */
export const none = (): AgentLog => ({ lines: [], acknowledged: 0 })
