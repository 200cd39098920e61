/**
 * Several processes on one port, one for each core: the same gateway in each, over one database, with the kernel handing out
 * connections. Limits are leased from the database and the ledger orders every batch there, so what a market promises does not
 * depend on how many there are.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import path from "node:path"
import * as Child from "./Child.ts"
import type { Facts, Running } from "./Launch.ts"
import { LaunchError } from "./LaunchError.ts"
import * as WorkerWire from "./WorkerWire.ts"

/**
 * The most processes: one for each core is most that helps.
 *
 * @category constants
 * @since 0.1.0
 */
export const COUNT_MAX = 64

/**
 * Whether there can be so many processes.
 *
 * @category guards
 * @since 0.1.0
 */
export const isCount = (count: number): boolean => Number.isInteger(count) && count >= 1 && count <= COUNT_MAX

const program = path.join(import.meta.dirname, "workerMain.ts")

/** Workers stop side by side; what a drain may take, and a little for the rest. */
const STOP_MS = 4_200

const noSharedPorts = new LaunchError({
  what: "Several processes cannot share a port on this system.",
  why: "That needs SO_REUSEPORT with balancing, which Linux and FreeBSD have.",
  todo: "Start without --workers, or start several gateways on ports of their own behind a proxy, with the same DATABASE_URL.",
})

const canShare = process.platform === "linux" || process.platform === "freebsd"

/** A worker that listens: its process, and what it told. */
interface Worker {
  readonly child: Child.Child
  readonly listening: WorkerWire.Listening
  readonly ready: Effect.Effect<string>
}

const endedEarly = (name: string): LaunchError =>
  new LaunchError({
    what: `${name} ended before it listened.`,
    why: "It says why in its lines above.",
    todo: "Correct that, or start without --workers to see it alone.",
  })

/** A worker's own words. That it stops, whoever stopped it has said already. */
const repeat = (name: string, line: string): void => {
  if (line !== "" && line !== "Stopping …") process.stderr.write(`${name} | ${line}\n`)
}

/** Starts one and waits until it listens. */
const start = Effect.fnUntraced(function* (number: number, facts: Facts) {
  const name = `worker ${number}`
  const listening = yield* Deferred.make<WorkerWire.Listening>()
  const ready = yield* Deferred.make<string>()
  const child = yield* Child.start({
    name,
    command: process.execPath,
    args: [...process.execArgv, program],
    input: WorkerWire.encodeFacts({ ...facts, worker: number }),
    output: {
      onLine: (line) => {
        const message = WorkerWire.decodeMessage(line)
        if (message === undefined) repeat(name, line)
        else if (message._tag === "Listening") Deferred.doneUnsafe(listening, Effect.succeed(message))
        else Deferred.doneUnsafe(ready, Effect.succeed(message.model))
      },
    },
    stop: [{ signal: "SIGTERM", waitMs: STOP_MS }],
    force: "SIGKILL",
  })
  const told = yield* Effect.raceFirst(
    Deferred.await(listening),
    Effect.andThen(child.exit, Effect.fail(endedEarly(name))),
  )
  return { child, listening: told, ready: Deferred.await(ready) } satisfies Worker
})

/**
 * Starts so many workers in the scope. One that dies is replaced, on the same port. The first comes alone, since it makes what
 * they share: tables, keys, and the port where any free one will do.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make =
  (count: number) =>
  (facts: Facts): Effect.Effect<Running, LaunchError, Scope.Scope> =>
    Effect.gen(function* () {
      if (!canShare) return yield* noSharedPorts
      const together = yield* Effect.acquireRelease(Scope.make("parallel"), (scope) => Scope.close(scope, Exit.void))
      const latest = new Map<number, Worker>()
      let shared = facts
      const supervised = (number: number) =>
        Scope.provide(
          Child.supervise({
            name: `Worker ${number}`,
            start: Effect.map(
              Effect.tap(
                Effect.suspend(() => start(number, shared)),
                (worker) => Effect.sync(() => latest.set(number, worker)),
              ),
              ({ child }) => child,
            ),
            maxPauseMs: 5_000,
          }),
          together,
        )
      yield* supervised(1)
      const first = latest.get(1)
      if (first === undefined) return yield* endedEarly("worker 1")
      const { agent, buyerKey, operatorKey, port, providerKey } = first.listening
      const keys = {
        buyerKey: Redacted.make(buyerKey),
        providerKey: Redacted.make(providerKey),
        operatorKey: Redacted.make(operatorKey),
      }
      shared = { ...facts, settings: { ...facts.settings, port }, lastKeys: keys }
      const others = Array.from({ length: count - 1 }, (_, at) => supervised(at + 2))
      yield* Effect.all(others, { concurrency: "unbounded" })
      // The first may have been replaced by then: whoever is the first now says when it is ready.
      const model = Effect.suspend(() => latest.get(1)?.ready ?? first.ready)
      return { port, keys, agent: agent ?? undefined, ready: Effect.asVoid(model), model }
    })
