/** The pages at `/console/`: built in the background where they are not there, and served once they are. */
import { spawn } from "node:child_process"
import { existsSync, readdirSync } from "node:fs"
import path from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PageRoutes from "@guildhall/gateway/http/PageRoutes"
import type { Settings } from "./AppConfig.ts"

const home = path.resolve(import.meta.dirname, "../../console")
const program = path.join(home, "build.ts")
const dist = path.join(home, "dist")
const LETTER_CHARS_MAX = 2_000

/** Pages that were built where there is nothing to build them with, such as in an image. */
const built = (): PageRoutes.Pages => {
  const names = existsSync(dist) ? readdirSync(dist).filter((name) => /^[0-9a-f]{16}$/.test(name)) : []
  const [name] = names
  return name === undefined
    ? { _tag: "Missing", letter: "This market was installed without its pages. Build them with npm run build." }
    : { _tag: "Ready", folder: path.join(dist, name) }
}

/** Runs the build as a process of its own, with what is left of the machine, and answers where the pages are. */
const build = Effect.callback<PageRoutes.Pages>((resume) => {
  const child = spawn(process.execPath, ["--conditions=@guildhall/source", program], {
    stdio: ["ignore", "pipe", "pipe"],
  })
  let [said, letter] = ["", ""]
  child.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()))
  child.stderr.on("data", (chunk: Buffer) => (letter = `${letter}${chunk.toString()}`.slice(0, LETTER_CHARS_MAX)))
  child.on("error", (error) => (letter = error.message))
  child.on("close", (code) =>
    resume(
      Effect.succeed(
        code === 0
          ? { _tag: "Ready", folder: said.trim() }
          : { _tag: "Missing", letter: letter.trim() || "They could not be built." },
      ),
    ),
  )
  return Effect.sync(() => child.kill("SIGKILL"))
})

const prepare = Effect.suspend(() => (existsSync(program) ? build : Effect.sync(built)))

/**
 * The routes. The market is ready without them: who asks before they are built is told so.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = ({ console }: Settings) =>
  console === "off"
    ? Layer.empty
    : Layer.unwrap(
        Effect.gen(function* () {
          let pages: PageRoutes.Pages = { _tag: "Building" }
          const look = Effect.gen(function* () {
            pages = yield* prepare
            if (pages._tag === "Missing") yield* Effect.logWarning(`There are no pages at /console/: ${pages.letter}`)
          })
          yield* Effect.forkScoped(look)
          return PageRoutes.layer({ prefix: "/console", views: ["", "serve"], pages: () => pages })
        }),
      )
