/**
 * A PostgreSQL for a benchmark: the embedded programs on data of their own, with the settings that PostgreSQL comes
 * with, so that a commit waits for the disk. Thrown away at the end.
 */
import { PgConnection } from "@effect/sql-pg"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { chownSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import * as Binaries from "../../apps/reference-gateway/src/embedded/Binaries.ts"
import * as Cluster from "../../apps/reference-gateway/src/embedded/Cluster.ts"
import * as Place from "../../apps/reference-gateway/src/embedded/Place.ts"
import * as Postmaster from "../../apps/reference-gateway/src/embedded/Postmaster.ts"

/** The running server. */
export interface Server {
  /** PostgreSQL's own, such as `18.4`. */
  readonly version: string
  /** Makes an empty database and answers its URL. */
  readonly database: (name: string) => Promise<string>
  readonly stop: () => Promise<void>
}

const maxConnections = 200

/** Executes a statement on a connection of its own. */
export const execute = (url: string, statement: string): Promise<PgConnection.Result> =>
  Effect.gen(function* () {
    const connection = yield* PgConnection.make({ url: Redacted.make(url) })
    return yield* connection.query(statement, [], false)
  }).pipe(Effect.scoped, Effect.runPromise)

const awaitReady = async (url: string, hasEnded: () => boolean): Promise<void> => {
  for (let tries = 0; tries < 100; tries++) {
    if (hasEnded()) throw new Error("The benchmark's PostgreSQL ended before it took connections.")
    const isReady = await execute(url, "SELECT 1").then(
      () => true,
      () => false,
    )
    if (isReady) return
    await pause(100)
  }
  throw new Error("The benchmark's PostgreSQL did not take connections within 10 s.")
}

/** Starts the server. */
export const start = async (): Promise<Server> => {
  const home = mkdtempSync(path.join(tmpdir(), "guildhall-bench-"))
  const quietly = <A, E>(effect: Effect.Effect<A, E>): Promise<A> =>
    Effect.runPromise(Effect.provideService(effect, References.MinimumLogLevel, "Warn"))
  const place = await quietly(Place.resolve(home))
  const secret = await quietly(Cluster.ensure(place, { maxConnections, isDurable: true }))
  const sockets = mkdtempSync(path.join(tmpdir(), "ghb-"))
  if (place.user !== undefined) chownSync(sockets, place.user.uid, place.user.gid)
  const { cwd, env, user } = Postmaster.spawnOptions(place)
  const settings = [
    ...["listen_addresses=", `unix_socket_directories=${sockets}`, `max_connections=${maxConnections}`],
    // Nothing is written for the reader, so that the log costs nothing. Speed and safety stay as they come.
    ...["log_checkpoints=off", "log_min_messages=fatal", "log_min_error_statement=panic"],
  ].flatMap((setting) => ["-c", setting])
  const child = spawn(
    Binaries.program(place.binaries, "postgres"),
    ["-D", path.join(place.root, "data"), ...settings],
    { cwd, env, stdio: "ignore", ...user },
  )
  const ended = once(child, "exit")
  const onExit = (): void => void child.kill("SIGQUIT")
  process.once("exit", onExit)
  const stop = async (): Promise<void> => {
    child.kill("SIGINT")
    await ended
    process.off("exit", onExit)
    for (const directory of [sockets, place.root, home]) rmSync(directory, { recursive: true, force: true })
  }
  const urlOf = (name: string): string =>
    `postgres://${Cluster.userName}:${Redacted.value(secret)}@localhost/${name}?host=${encodeURIComponent(sockets)}`
  await awaitReady(urlOf("postgres"), () => child.exitCode !== null).catch(async (error: unknown) => {
    await stop()
    throw error
  })
  return {
    version: place.binaries.version,
    database: async (name) => {
      await execute(urlOf("postgres"), `CREATE DATABASE ${name}`)
      return urlOf(name)
    },
    stop,
  }
}
