/**
 * The market's PostgreSQL: the server that `DATABASE_URL` names, else the embedded one of the home. Everything after
 * this file only knows a URL.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { PgClient } from "@effect/sql-pg"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import type * as SqlError from "effect/sql/SqlError"
import { existsSync, readFileSync } from "node:fs"
import path from "node:path"
import * as FileProblem from "@guildhall/core/FileProblem"
import * as Folder from "@guildhall/core/Folder"
import * as AppConfig from "./AppConfig.ts"
import type { Settings } from "./AppConfig.ts"
import * as Postgres from "./embedded/Postgres.ts"
import * as HomeLock from "./HomeLock.ts"
import { LaunchError, reasonOf } from "./LaunchError.ts"

const oldestVersion = 15

/** A database URL for messages: the password stays out. */
const describe = (url: Redacted.Redacted): string => {
  const parsed = URL.parse(Redacted.value(url))
  if (parsed === null) return "the database"
  return `${parsed.searchParams.get("host") ?? parsed.host}${parsed.pathname}`
}

const unreachable = (url: Redacted.Redacted, error: SqlError.SqlError) =>
  new LaunchError({
    what: `The database ${describe(url)} cannot be used.`,
    why: reasonOf(error.reason.cause),
    todo: "Start it, or correct DATABASE_URL (postgres://user:password@host:5432/database). Without DATABASE_URL Guildhall starts a PostgreSQL of its own.",
  })

/** Connects once and asks for the version, so that a wrong address is a clear message and not a failing request. */
const check = (url: Redacted.Redacted): Effect.Effect<Redacted.Redacted, LaunchError> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql<{ version: string }>`SELECT current_setting('server_version') AS version`
    const version = rows[0]?.version ?? "0"
    if (Number.parseInt(version, 10) < oldestVersion) {
      return yield* new LaunchError({
        what: `The database ${describe(url)} is PostgreSQL ${version}; Guildhall needs ${oldestVersion} or later.`,
        todo: "Upgrade it, or leave out DATABASE_URL: then Guildhall starts a PostgreSQL of its own.",
      })
    }
    return url
  }).pipe(
    Effect.provide(PgClient.layer({ url, maxConnections: 1, connectTimeout: "5 seconds" })),
    Effect.catchTag("SqlError", (error) => Effect.fail(unreachable(url, error))),
  )

/**
 * The database of a market that starts: its home exists and its lock is held.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (settings: Settings): Effect.Effect<Redacted.Redacted, LaunchError, Scope.Scope> =>
  settings.databaseUrl === undefined ? Postgres.make({ home: settings.home }) : check(settings.databaseUrl)

/**
 * Makes the home, closed to other users, and answers its real path.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeHome = (settings: Settings): Effect.Effect<Settings, LaunchError> =>
  Folder.make(settings.home, { mode: 0o700 }).pipe(
    Effect.andThen(Effect.flatMap(FileSystem.FileSystem, (fs) => fs.realPath(settings.home))),
    Effect.mapBoth({
      onSuccess: (home) => ({ ...settings, home }),
      onFailure: (error) =>
        new LaunchError({
          what: `The home ${settings.home} could not be made.`,
          why: `The system says: ${FileProblem.words(error)}.`,
          todo: "Choose a directory that you may write with GUILDHALL_HOME.",
        }),
    }),
    Effect.provide(NodeServices.layer),
  )

/** The URL that a running market wrote down. */
const liveUrl = (settings: Settings, owner: HomeLock.Owner): Effect.Effect<Redacted.Redacted, LaunchError> =>
  Effect.try({
    try: () => {
      const facts: unknown = JSON.parse(readFileSync(path.join(settings.home, "postgres.json"), "utf8"))
      if (typeof facts !== "object" || facts === null || !("url" in facts)) throw new Error("it names no url")
      return Redacted.make(String(facts.url))
    },
    catch: (cause) =>
      new LaunchError({
        what: `The market in ${settings.home} runs (process ${owner.pid}), but its database is not known.`,
        why: `postgres.json could not be read: ${reasonOf(cause)}`,
        todo: "If the market was started with DATABASE_URL, set the same for this command.",
      }),
  })

/** What the lock of a running market says; any other owner is a command, which ends by itself. */
export const marketPurpose = "guildhall start"

const patience = { times: 50, schedule: Schedule.spaced("200 millis") } as const

/** The market that runs in the home, if any; commands that work on a stopped market take turns. */
const runningMarket = (settings: Settings): Effect.Effect<HomeLock.Owner | undefined> =>
  Effect.repeat(HomeLock.ownerOf(settings.home), {
    ...patience,
    while: (owner) => owner !== undefined && owner.purpose !== marketPurpose,
  })

/**
 * The database for a command, with the market running or stopped: `DATABASE_URL`; else the live database of the market
 * that runs in the home; else the home's own, started for as long as the scope lasts, under the home's lock.
 *
 * @category constructors
 * @since 0.1.0
 */
export const forCommand = (
  settings: Settings,
  purpose: string,
): Effect.Effect<Redacted.Redacted, LaunchError, Scope.Scope> =>
  Effect.gen(function* () {
    if (settings.databaseUrl !== undefined) return yield* check(settings.databaseUrl)
    if (!existsSync(path.join(settings.home, "postgres.json"))) {
      return yield* new LaunchError({
        what: `There is no market in ${settings.home} yet.`,
        todo: "Start one with `npm start`, or name its home with GUILDHALL_HOME or its database with DATABASE_URL.",
      })
    }
    const owner = yield* runningMarket(settings)
    if (owner === undefined) {
      yield* HomeLock.acquire({ directory: settings.home, purpose })
      return yield* Postgres.make({ home: settings.home })
    }
    // A market that is just starting writes its address in a moment; until then the file is the last run's.
    return yield* liveUrl(settings, owner).pipe(Effect.flatMap(check), Effect.retry(patience))
  })

/**
 * A `SqlClient` for a command of `guildhall`, with the market running or stopped, see {@link forCommand}. Give it with
 * `Command.provide(Database.layerForCommand)`: then nothing is started before the command runs.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerForCommand = Layer.unwrap(
  Effect.gen(function* () {
    const settings = yield* AppConfig.load
    const url = yield* forCommand(settings, "a command of guildhall")
    return PgClient.layer({ url, maxConnections: 4 })
  }),
)
