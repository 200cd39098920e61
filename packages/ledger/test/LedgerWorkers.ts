/** Starts processes with a ledger each, which end with the scope. */
import * as WorkerProcess from "@guildhall/tools/WorkerProcess"
import path from "node:path"

/** Starts one. */
export const start = (task: "spend" | "own", env: Readonly<Record<string, string>>) =>
  WorkerProcess.start(path.join(import.meta.dirname, "LedgerWorker.ts"), [task], env)
