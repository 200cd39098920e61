/**
 * A tiny process that outlives us and stops a server of ours: so a killed gateway leaves none behind, even without a next
 * start.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Child from "../Child.ts"
import type { LaunchError } from "../LaunchError.ts"

/**
 * Which server is kept, and by which signal it stops.
 *
 * @category models
 * @since 0.1.0
 */
export interface KeeperOptions {
  readonly name: string
  readonly pid: number
  readonly signal: "INT" | "TERM"
  readonly env: NodeJS.ProcessEnv
  readonly user?: { readonly uid: number; readonly gid: number } | undefined
}

/**
 * Starts the keeper in the scope. It waits for the end of its input, which comes when this process dies in any way, and then
 * stops the server. Make it after the server, so that it is released before: it must not see the server's pid taken by
 * somebody else.
 *
 * @category constructors
 * @since 0.1.0
 */
export const start = (options: KeeperOptions): Effect.Effect<void, LaunchError, Scope.Scope> =>
  process.platform === "win32"
    ? Effect.void
    : Effect.asVoid(
        Child.start({
          name: options.name,
          command: "/bin/sh",
          args: ["-c", `while read -r _; do :; done; kill -${options.signal} ${options.pid} 2>/dev/null`],
          env: options.env,
          user: options.user,
          cwd: "/",
          output: { onLine: () => undefined },
          stop: [],
          force: "SIGKILL",
        }),
      )
