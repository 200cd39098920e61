/**
 * The catalogue of tokenizers in a folder: which model has which, and the files themselves, named by their digests.
 * Nothing is fetched: an operator adds the file of each model that is to be counted.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Digest from "effect/crypto/Digest"
import * as Catalogue from "@guildhall/core/Catalogue"
import * as FileProblem from "@guildhall/core/FileProblem"
import * as Folder from "@guildhall/core/Folder"
import * as Gguf from "@guildhall/core/Gguf"
import type { ModelId } from "@guildhall/core/Model"
import * as Tokenizer from "@guildhall/core/Tokenizer"
import * as Json from "./internal/Json.ts"
import * as Files from "./tokens/Files.ts"

/**
 * Why a catalogue cannot be read or a file not added.
 *
 * @category errors
 * @since 0.1.0
 */
export class TokenCatalogueError extends Schema.TaggedError<TokenCatalogueError>()("TokenCatalogueError", {
  file: Schema.String,
  detail: Schema.String,
}) {
  override get message(): string {
    return `${this.file} cannot be used for the catalogue: ${this.detail}`
  }
}

/**
 * The service.
 *
 * @category services
 * @since 0.1.0
 */
export class TokenCatalogue extends Context.Service<
  TokenCatalogue,
  {
    /** The entry of a model, as it was last read. A plain function, for the request path. */
    readonly find: (model: ModelId) => Catalogue.Entry | undefined
    /** The catalogue as the folder has it now. */
    readonly list: Effect.Effect<Catalogue.Catalogue, TokenCatalogueError>
    /**
     * Adds a model's tokenizer and template from a GGUF file, or from a `tokenizer.json` and what lies beside it.
     * `template` is the path of a template to take instead. What the model had before is replaced.
     */
    readonly add: (
      model: ModelId,
      file: string,
      template?: string | undefined,
    ) => Effect.Effect<Catalogue.Entry, TokenCatalogueError>
  }
>()("@guildhall/gateway/TokenCatalogue") {}

/** The metadata of a model with a large vocabulary takes about 20 MB. */
const HEAD_BYTES = 8 * 1024 * 1024
const HEAD_BYTES_MAX = 256 * 1024 * 1024
/** How often a running market looks for models that were added. */
const REFRESH = "30 seconds"

const decodeList = Schema.decodeUnknownEffect(Schema.toCodecJson(Catalogue.Catalogue))
const encodeList = Schema.encodeSync(Schema.toCodecJson(Catalogue.Catalogue))

const refuse = (file: string) => (error: { readonly message: string }) =>
  new TokenCatalogueError({ file, detail: FileProblem.words(error) })

const unusable = (file: string) => (error: PlatformError) =>
  new TokenCatalogueError({
    file,
    detail: `${FileProblem.words(error)}. Give its folder room and rights, or choose another folder.`,
  })

const unreadable = (file: string) => (error: PlatformError) =>
  new TokenCatalogueError({
    file,
    detail: `${FileProblem.words(error)}. Give the path of a .gguf file, or of a tokenizer.json with its tokenizer_config.json beside it.`,
  })

const unreadableTemplate = (file: string) => (error: PlatformError) =>
  new TokenCatalogueError({ file, detail: `${FileProblem.words(error)}. Give the path of a chat template.` })

/** Reads as much of a GGUF file as its metadata takes. */
const readGguf = Effect.fnUntraced(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  const head = Effect.fnUntraced(function* (size: number) {
    const handle = yield* fs.open(file, { flag: "r" })
    const bytes = new Uint8Array(size)
    let length = 0
    for (;;) {
      const read = Number(yield* handle.read(bytes.subarray(length), { position: BigInt(length) }))
      length += read
      if (read === 0 || length === size) return bytes.subarray(0, length)
    }
  })
  for (let size = HEAD_BYTES; ; size *= 2) {
    const bytes = yield* Effect.mapError(Effect.scoped(head(size)), unreadable(file))
    const read = Gguf.read(bytes)
    const isShort = Result.isFailure(read) && read.failure.reason === "Incomplete" && bytes.length === size
    if (isShort && size < HEAD_BYTES_MAX) continue
    const described = Result.flatMap(read, Tokenizer.fromGguf)
    return yield* Effect.mapError(Effect.fromResult(described), refuse(file))
  }
})

/** Reads a `tokenizer.json`, and the config and the template that usually lie beside it. */
const readJson = Effect.fnUntraced(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const beside = (name: string) =>
    Effect.orElseSucceed(fs.readFileString(path.join(path.dirname(file), name)), () => undefined)
  // What JSON gives is JSON; the type of `JSON.parse` does not say so.
  const parse = (text: string | undefined) => (Json.parse(text ?? "") ?? null) as Schema.Json
  const text = yield* Effect.mapError(fs.readFileString(file), unreadable(file))
  const described = yield* Effect.mapError(
    Effect.fromResult(Tokenizer.fromJson(parse(text), parse(yield* beside("tokenizer_config.json")))),
    refuse(file),
  )
  const template = yield* beside("chat_template.jinja")
  return { ...described, template: template ?? described.template }
})

/** Written beside and then put in place, so that a reader finds the old or the new and nothing between. */
const write = Effect.fnUntraced(function* (file: string, bytes: Uint8Array) {
  const fs = yield* FileSystem.FileSystem
  yield* fs.writeFile(`${file}.draft`, bytes)
  yield* fs.rename(`${file}.draft`, file)
})

const make = Effect.fnUntraced(function* (options: { readonly folder: string }) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const services = yield* Effect.context<FileSystem.FileSystem | Path.Path | Digest.Digest>()
  const inside = (name: string): string => path.join(options.folder, name)
  const file = inside(Files.LIST)
  let byModel: ReadonlyMap<string, Catalogue.Entry> = new Map()

  const list = Effect.gen(function* () {
    if (!(yield* fs.exists(file))) return Catalogue.empty
    return yield* decodeList(Json.parse(yield* fs.readFileString(file)))
  }).pipe(Effect.mapError(refuse(file)))

  const refresh = Effect.map(list, ({ models }) => {
    byModel = new Map(models.map((entry) => [entry.model, entry]))
  })

  const add = Effect.fnUntraced(function* (model: ModelId, from: string, templateFile: string | undefined) {
    const described = yield* from.endsWith(".json") ? readJson(from) : readGguf(from)
    const template =
      templateFile === undefined
        ? described.template
        : yield* Effect.mapError(fs.readFileString(templateFile), unreadableTemplate(templateFile))
    const bytes = yield* Effect.try({
      try: () => Tokenizer.bytes(described.tokenizer),
      catch: (cause) => new TokenCatalogueError({ file: from, detail: String(cause) }),
    })
    const digest = yield* Digest.Digest
    const sha256 = (bytes: Uint8Array) => Effect.mapError(digest.digestHex(Digest.sha256, bytes), refuse(from))
    const written = new TextEncoder().encode(template ?? "")
    const entry: Catalogue.Entry = {
      model,
      tokenizer: yield* sha256(bytes),
      ...(template === undefined ? {} : { template: yield* sha256(written) }),
      from: path.basename(from),
    }
    const before = yield* list
    yield* Effect.gen(function* () {
      yield* Folder.make(options.folder)
      yield* write(inside(Files.tokenizer(entry.tokenizer)), bytes)
      if (entry.template !== undefined) yield* write(inside(Files.template(entry.template)), written)
      const json = JSON.stringify(encodeList(Catalogue.add(before, entry)), null, 2)
      yield* write(file, new TextEncoder().encode(`${json}\n`))
    }).pipe(Effect.mapError(unusable(file)))
    yield* refresh
    return entry
  })

  const catalogue = TokenCatalogue.of({
    find: (model) => byModel.get(model),
    list,
    add: Effect.fn("TokenCatalogue.add")(function* (model, from, template) {
      return yield* Effect.provideContext(add(model, from, template), services)
    }),
  })
  return { catalogue, refresh }
})

/**
 * The catalogue of a folder, which need not be there yet. Models that another process adds are seen within half a
 * minute.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: {
  readonly folder: string
}): Layer.Layer<TokenCatalogue, never, FileSystem.FileSystem | Path.Path | Digest.Digest> =>
  Layer.effect(
    TokenCatalogue,
    Effect.gen(function* () {
      const { catalogue, refresh } = yield* make(options)
      const look = Effect.catch(refresh, (error) => Effect.logWarning("The catalogue cannot be read.", error.message))
      yield* look
      yield* look.pipe(Effect.repeat(Schedule.spaced(REFRESH)), Effect.delay(REFRESH), Effect.forkScoped)
      return catalogue
    }),
  )

/**
 * A catalogue in which no model is: nothing is counted.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerEmpty: Layer.Layer<TokenCatalogue> = Layer.succeed(
  TokenCatalogue,
  TokenCatalogue.of({
    find: () => undefined,
    list: Effect.succeed(Catalogue.empty),
    add: (_, file) => Effect.fail(new TokenCatalogueError({ file, detail: "This market keeps no catalogue." })),
  }),
)
