/**
 * Stops a running process at a line of its source, over Node's own debugger: what is then killed or frozen stands exactly
 * there, and the product needs no switch for it.
 */
import { readFileSync } from "node:fs"
import path from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { pathToFileURL } from "node:url"
import * as TestProgram from "@guildhall/tools/TestProgram"

const root = path.resolve(import.meta.dirname, "../../..")

/** Optimized code has been seen to run past breakpoints that were set later. */
const plain = `import{setFlagsFromString}from'node:v8';['opt','maglev','sparkplug'].map(flag=>setFlagsFromString('--no-'+flag))`

/** What a process is started with so that it can be stopped: its debugger listens on a free port of this machine. */
export const environment = { NODE_OPTIONS: `--inspect=127.0.0.1:0 --import=data:text/javascript,${plain}` } as const

/** A place in the sources: the first character of a text that stands in a file once. */
export interface Place {
  readonly file: string
  readonly text: string
}

/** A breakpoint that is set. `reached` comes when the process stands there; `lift` takes it away and lets it go on. */
export interface Breakpoint {
  readonly reached: Promise<void>
  readonly lift: () => Promise<void>
}

interface Message {
  readonly id?: number
  readonly method?: string
  readonly result?: { readonly breakpointId?: string; readonly locations?: ReadonlyArray<unknown> }
  readonly error?: { readonly message: string }
}

const positionOf = ({ file, text }: Place): TestProgram.Position => {
  const source = path.join(root, file)
  const [before, ...after] = readFileSync(source, "utf8").split(text)
  if (before === undefined || after.length !== 1) throw new Error(`"${text}" must stand in ${file} once.`)
  const lines = before.split("\n")
  return TestProgram.inMarket({ file: source, line: lines.length - 1, column: lines.at(-1)?.length ?? 0 })
}

const addressIn = (output: string): string => {
  const address = /Debugger listening on (ws:\S+)/.exec(output)?.[1]
  if (address === undefined) throw new Error("The process was not started with Breakpoint.environment.")
  return address
}

/** A process's debugger, as far as it is needed: calls by name, and who hears of the next pause. */
const attach = async (address: string) => {
  const socket = new WebSocket(address)
  const calls = new Map<number, (message: Message) => void>()
  let onPause = (): void => undefined
  let next = 0
  socket.addEventListener("message", ({ data }) => {
    const message: Message = JSON.parse(String(data))
    if (message.method === "Debugger.paused") onPause()
    if (message.id !== undefined) calls.get(message.id)?.(message)
  })
  await new Promise<void>((resolve, reject) => {
    socket.addEventListener("open", () => resolve())
    socket.addEventListener("error", () => reject(new Error(`No debugger answers at ${address}.`)))
  })
  const call = (method: string, params: object = {}): Promise<NonNullable<Message["result"]>> =>
    new Promise((resolve, reject) => {
      const id = ++next
      calls.set(id, ({ error, result }) => {
        calls.delete(id)
        if (error === undefined) resolve(result ?? {})
        else reject(new Error(`${method}: ${error.message}`))
      })
      socket.send(JSON.stringify({ id, method, params }))
    })
  await call("Debugger.enable")
  return { call, heardPause: () => new Promise<void>((resolve) => (onPause = resolve)) }
}

const PATIENCE_MS = 20_000

/** Waits for something, but not for ever. */
export const within = async <A>(promise: Promise<A>, otherwise: string): Promise<A> => {
  const timer = new AbortController()
  const late = pause(PATIENCE_MS, undefined, { signal: timer.signal }).then(
    () => Promise.reject(new Error(otherwise)),
    () => promise,
  )
  return Promise.race([promise, late]).finally(() => timer.abort())
}

// One session for a process, which ends with it: one that ended before would take the next one's breakpoint with it.
const sessions = new Map<string, ReturnType<typeof attach>>()

/** Sets a breakpoint in the process that printed this output. */
export const set = async (output: string, place: Place): Promise<Breakpoint> => {
  const address = addressIn(output)
  const session = sessions.get(address) ?? attach(address)
  sessions.set(address, session)
  const debug = await session
  const reached = debug.heardPause()
  const { column, file, line } = positionOf(place)
  const { breakpointId, locations = [] } = await debug.call("Debugger.setBreakpointByUrl", {
    url: pathToFileURL(file).href,
    lineNumber: line,
    columnNumber: column,
  })
  if (locations.length !== 1) throw new Error(`${place.file} has ${locations.length} places at "${place.text}".`)
  return {
    reached: within(reached, `The process did not come to "${place.text}".`),
    lift: async () => {
      await debug.call("Debugger.removeBreakpoint", { breakpointId })
      await debug.call("Debugger.resume").catch(() => undefined)
    },
  }
}
