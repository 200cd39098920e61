/**
 * Runs tasks side by side, as many as the machine has processors, in their order.
 */
import { availableParallelism } from "node:os"

/** Waits for all of them; a task that fails ends it at once. */
export const all = async (tasks: ReadonlyArray<() => Promise<unknown>>): Promise<void> => {
  const waiting = [...tasks]
  const worker = async (): Promise<void> => {
    for (let task = waiting.shift(); task !== undefined; task = waiting.shift()) await task()
  }
  await Promise.all(Array.from({ length: Math.max(2, availableParallelism()) }, worker))
}
