/**
 * The digest of weights that stand somewhere on this machine. It is made once and remembered as long as the files stay as they are.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import { AgentHome } from "../AgentHome.ts"
import * as CanonicalId from "./CanonicalId.ts"
import * as Download from "./Download.ts"
import * as FileDigest from "./FileDigest.ts"
import { tell } from "./PullEvent.ts"

const Known = Schema.Struct({ path: Schema.String, size: Schema.Int, modifiedMs: Schema.Finite, sha256: Schema.String })
const KnownText = Schema.fromJsonString(Schema.Array(Known))

const FILE = "digests.json"
const MOST_KNOWN = 200
const SPLIT = /-(\d{5})-of-(\d{5})\.gguf$/i
const MOST_PARTS = 1_000

/** All files of a model whose first is named. */
const partsOf = (first: string): ReadonlyArray<string> => {
  const [, , total = "1"] = SPLIT.exec(first) ?? []
  const count = Math.min(Number(total), MOST_PARTS)
  if (count <= 1) return [first]
  return Array.from({ length: count }, (_, at) =>
    first.replace(SPLIT, `-${String(at + 1).padStart(5, "0")}-of-${total}.gguf`),
  )
}

/**
 * What the weights are known by: `CanonicalId.weights` of the file, or of all parts where the first of a split model is named. Fails
 * with `CacheUnusable` where a file cannot be read.
 *
 * @category getters
 * @since 0.1.0
 */
export const of = Effect.fn("KnownDigest.of")(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const home = yield* AgentHome
  const text = Option.map(yield* home.read(FILE), (bytes) => new TextDecoder().decode(bytes))
  const known = Option.getOrElse(Option.flatMap(text, Schema.decodeUnknownOption(KnownText)), () => [])
  const made: Array<typeof Known.Type> = []
  const digests: Array<string> = []
  for (const part of partsOf(path.resolve(file))) {
    const info = yield* fs.stat(part).pipe(Effect.mapError(Download.unusable(part)))
    const size = Number(info.size)
    const modifiedMs = Option.match(info.mtime, { onNone: () => -1, onSome: (time) => time.getTime() })
    const before = known.find((one) => one.path === part && one.size === size && one.modifiedMs === modifiedMs)
    if (before === undefined) yield* tell({ _tag: "Checking", file: path.basename(part), bytes: size })
    const sha256 = before?.sha256 ?? (yield* FileDigest.ofFile(part).pipe(Effect.mapError(Download.unusable(part))))
    digests.push(sha256)
    if (before === undefined) made.push({ path: part, size, modifiedMs, sha256 })
  }
  if (made.length > 0) {
    const kept = known.filter((one) => made.every((other) => other.path !== one.path))
    const all = [...made, ...kept].slice(0, MOST_KNOWN)
    yield* home.write(FILE, new TextEncoder().encode(Schema.encodeSync(KnownText)(all)))
  }
  return CanonicalId.weights(digests)
})
