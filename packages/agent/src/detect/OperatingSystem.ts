/**
 * The operating system, by the name that people know it by.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Hardware from "@guildhall/core/Hardware"
import { Host } from "./Host.ts"
import * as Tool from "./Tool.ts"

/**
 * The name in `/etc/os-release`, or `undefined`.
 *
 * @category decoding
 * @since 0.1.0
 */
export const nameIn = (osRelease: string): string | undefined =>
  Hardware.text(/^PRETTY_NAME=(.*)$/m.exec(osRelease)?.[1]?.replace(/^(["'])(.*)\1$/, "$2") ?? "")

const linux = Effect.fnUntraced(function* (release: string) {
  const fs = yield* FileSystem.FileSystem
  const text = yield* Effect.orElseSucceed(fs.readFileString("/etc/os-release"), () => "")
  const name = nameIn(text) ?? `Linux ${release}`
  return /microsoft/i.test(release) ? `${name} (WSL)` : name
})

const mac = Tool.succeed("sw_vers", ["-productVersion"], { timeoutMs: 2_000 }).pipe(
  Effect.map((version) => `macOS ${version.trim()}`),
  Effect.orElseSucceed(() => "macOS"),
)

/**
 * The system that this machine runs.
 *
 * @category getters
 * @since 0.1.0
 */
export const detect = Effect.gen(function* () {
  const { platform, release } = yield* Host
  const of = (known: Hardware.Hardware["system"]["platform"], name: string): Hardware.Hardware["system"] => ({
    platform: known,
    name: Hardware.text(name) ?? known,
  })
  if (platform === "linux") return of("linux", yield* linux(release))
  if (platform === "darwin") return of("darwin", yield* mac)
  return platform === "win32" ? of("win32", `Windows ${release}`) : of("other", `${platform} ${release}`)
})
