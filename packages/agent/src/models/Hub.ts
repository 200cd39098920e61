/**
 * A hub of models that speaks Hugging Face's API: what a repository is, which files it has, which repositories there are, and the
 * bytes of a file from any place on.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as HttpClient from "effect/http/HttpClient"
import type { HttpClientResponse } from "effect/http/HttpClientResponse"
import * as HubRequest from "./HubRequest.ts"
import * as HubSettings from "./HubSettings.ts"
import * as License from "./License.ts"
import { ModelError } from "./ModelError.ts"
import type { RepoFile } from "./Variant.ts"

/**
 * A repository. `id` is as the hub spells it; `commit` the one that was looked at; `paths` its files, where the hub told them.
 *
 * @category models
 * @since 0.1.0
 */
export interface Repository {
  readonly id: string
  readonly commit: string | undefined
  readonly isGated: boolean
  readonly downloads: number
  readonly tags: ReadonlyArray<string>
  readonly card: Readonly<Record<string, unknown>> | undefined
  readonly license: License.License
  readonly paths: ReadonlyArray<string>
}

/**
 * What is searched for: words of a repository's name, and tags that all must have. At most `limit` are given, those that are
 * downloaded most first.
 *
 * @category models
 * @since 0.1.0
 */
export interface Query {
  readonly words: string
  readonly tags: ReadonlyArray<string>
  readonly limit: number
}

/**
 * A file at a commit.
 *
 * @category models
 * @since 0.1.0
 */
export interface Place {
  readonly repo: string
  readonly commit: string
  readonly path: string
}

/**
 * From where on a file is asked for, and up to where, both as numbers of bytes; `etag` is the validator of what is there.
 *
 * @category models
 * @since 0.1.0
 */
export interface Resume {
  readonly offset: number
  readonly until?: number | undefined
  readonly etag: string | undefined
}

/**
 * Bytes on their way. `from` is the place of the first one; `etag` is the strong validator of the server that sends them;
 * `totalBytes` is the whole file's length, `sha256` its digest, as far as the answer says so.
 *
 * @category models
 * @since 0.1.0
 */
export interface Body {
  readonly from: number
  readonly etag: string | undefined
  readonly totalBytes: number | undefined
  readonly sha256: string | undefined
  readonly bytes: Stream.Stream<Uint8Array, HubRequest.Later>
}

/**
 * The hub. `open` sends what follows the first `offset` bytes (up to `until`), if the file there still is the one that `etag` names, and
 * else the whole file; it fails with `Later` where another try may help, and gives `undefined` where the server has no byte after the offset.
 *
 * @category services
 * @since 0.1.0
 */
export class Hub extends Context.Service<
  Hub,
  {
    readonly endpoint: string
    readonly hasToken: boolean
    readonly repository: (repo: string, revision: string | undefined) => Effect.Effect<Repository, ModelError>
    readonly files: (repo: string, commit: string) => Effect.Effect<ReadonlyArray<RepoFile>, ModelError>
    readonly search: (query: Query) => Effect.Effect<ReadonlyArray<Repository>, ModelError>
    readonly open: (
      place: Place,
      resume: Resume,
    ) => Effect.Effect<Body | undefined, ModelError | HubRequest.Later, Scope.Scope>
  }
>()("@guildhall/agent/models/Hub") {}

/** The page of a model with a long card has some 100 kB, a page of a thousand files some 400. */
const MOST_JSON_BYTES = 8 * 1024 * 1024
const JSON_MS = 60_000
const MOST_PAGES = 20
const COMMIT = /^[0-9a-f]{40}$/
const SHA256 = /^[0-9a-f]{64}$/

const Sibling = Schema.Struct({ rfilename: Schema.String })
const Found = Schema.Struct({
  id: Schema.String,
  sha: Schema.optional(Schema.NullOr(Schema.String)),
  gated: Schema.optional(Schema.NullOr(Schema.Union([Schema.Boolean, Schema.String]))),
  downloads: Schema.optional(Schema.NullOr(Schema.Finite)),
  tags: Schema.optional(Schema.NullOr(Schema.Array(Schema.String))),
  cardData: Schema.optional(Schema.NullOr(Schema.Record(Schema.String, Schema.Unknown))),
  siblings: Schema.optional(Schema.NullOr(Schema.Array(Sibling))),
})
const Entry = Schema.Struct({
  type: Schema.String,
  path: Schema.String,
  oid: Schema.optional(Schema.String),
  size: Schema.optional(Schema.Int),
  lfs: Schema.optional(Schema.NullOr(Schema.Struct({ oid: Schema.String, size: Schema.Int }))),
})

const toRepository = (found: typeof Found.Type): Repository => ({
  id: found.id,
  commit: COMMIT.test(found.sha ?? "") ? (found.sha ?? undefined) : undefined,
  isGated: found.gated === true || typeof found.gated === "string",
  downloads: found.downloads ?? 0,
  tags: found.tags ?? [],
  card: found.cardData ?? undefined,
  license: License.of(found.cardData ?? undefined, found.tags ?? []),
  paths: (found.siblings ?? []).map(({ rfilename }) => rfilename),
})

/** A folder, or a path that leads out of the repository, is no file of it. */
const toFile = ({ lfs, oid, path, size, type }: typeof Entry.Type): ReadonlyArray<RepoFile> => {
  const isBelow = path.split("/").every((part) => part !== "" && part !== "." && part !== "..") && !path.includes("\\")
  if (type !== "file" || !isBelow) return []
  if ((lfs?.size ?? size ?? 0) <= 0) return []
  if (lfs != null) return SHA256.test(lfs.oid) ? [{ path, sizeBytes: lfs.size, sha256: lfs.oid }] : []
  if (oid === undefined || size === undefined || !COMMIT.test(oid)) return []
  return [{ path, sizeBytes: size, gitSha1: oid }]
}

const unreadable = (url: string, why: string) =>
  new ModelError({
    reason: "BadAnswer",
    detail: `${url} answered with ${why}. Is it a hub with Hugging Face's API? Check HF_ENDPOINT.`,
  })

/** Reads a body whole, but no more than it may have. */
const bounded = Effect.fnUntraced(function* (response: HttpClientResponse, url: string) {
  const chunks: Array<Uint8Array> = []
  let length = 0
  const cut = () =>
    new HubRequest.Later({ afterMs: undefined, error: unreadable(url, "half an answer; the connection broke") })
  yield* response.stream.pipe(
    Stream.mapError(cut),
    Stream.runForEach((chunk) => {
      length += chunk.length
      if (length > MOST_JSON_BYTES) return Effect.fail(unreadable(url, `more than ${MOST_JSON_BYTES} bytes`))
      chunks.push(chunk)
      return Effect.void
    }),
    Effect.timeoutOrElse({ duration: JSON_MS, orElse: () => Effect.fail(cut()) }),
  )
  return Buffer.concat(chunks).toString("utf8")
})

/** The address of the next page, below the endpoint: a mirror passes on the links of the hub that it mirrors. */
const nextPage = (link: string | undefined, endpoint: string): string | undefined => {
  const target = /<([^>]{1,2000})>\s*;\s*rel="next"/.exec(link ?? "")?.[1]
  if (target === undefined || !URL.canParse(target, endpoint)) return undefined
  const { pathname, search } = new URL(target, endpoint)
  const base = new URL(endpoint)
  const below = base.pathname === "/" || pathname.startsWith(`${base.pathname}/`) ? pathname : base.pathname + pathname
  return `${base.origin}${below}${search}`
}

/** A strong validator; a weak one cannot guard a part of a file. */
const strong = (etag: string | undefined): string | undefined =>
  etag !== undefined && etag.startsWith('"') && etag.length <= 300 ? etag : undefined

const unquoted = (etag: string | undefined): string =>
  (etag ?? "").replace(/^W\//, "").replaceAll('"', "").toLowerCase()

const lengthOf = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined

/** The digest that the hub names: in the header of the redirect to the large storage. */
const declared = ({ redirects, response }: HubRequest.Answer): string | undefined =>
  [...redirects, response.headers].map((headers) => unquoted(headers["x-linked-etag"])).find((tag) => SHA256.test(tag))

const toBody = (answer: HubRequest.Answer): Body => {
  const { headers, status } = answer.response
  const [, from, total] = /^bytes (\d{1,15})-\d{1,15}\/(\d{1,15}|\*)$/.exec(headers["content-range"] ?? "") ?? []
  const isPart = status === 206
  return {
    // A part that does not say where it begins begins nowhere that one could go on from.
    from: isPart ? (lengthOf(from) ?? -1) : 0,
    etag: strong(headers["etag"]),
    totalBytes: isPart ? lengthOf(total) : lengthOf(headers["content-length"]),
    sha256: declared(answer),
    bytes: answer.response.stream.pipe(
      Stream.mapError(
        () =>
          new HubRequest.Later({
            afterMs: undefined,
            error: new ModelError({
              reason: "Unreachable",
              detail: `The connection to ${answer.url.host} broke too often. What was downloaded is kept: run the command again, and it goes on from there.`,
            }),
          }),
      ),
    ),
  }
}

const encodedPath = (path: string): string => path.split("/").map(encodeURIComponent).join("/")

/**
 * Makes a hub.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (settings: HubSettings.HubSettings) {
  const http = yield* HttpClient.HttpClient
  const { endpoint } = settings
  const read = <A, I>(schema: Schema.Codec<A, I>, url: string, subject: HubRequest.Subject) =>
    HubRequest.patiently(
      Effect.scoped(
        Effect.gen(function* () {
          const { response } = yield* HubRequest.send(settings, {
            url,
            subject,
            headers: { accept: "application/json" },
          })
          const text = yield* bounded(response, url)
          const value = yield* Schema.decodeUnknownEffect(Schema.fromJsonString(schema))(text).pipe(
            Effect.mapError(() => unreadable(url, "something else than was asked for")),
          )
          return { value, next: nextPage(response.headers["link"], endpoint) }
        }),
      ),
    ).pipe(Effect.provideService(HttpClient.HttpClient, http))

  return Hub.of({
    endpoint,
    hasToken: settings.token !== undefined,
    repository: Effect.fn("Hub.repository")(function* (repo, revision) {
      const at = revision === undefined ? "" : `/revision/${encodeURIComponent(revision)}`
      const subject = { repo, what: revision === undefined ? repo : `revision ${revision}` }
      const { value } = yield* read(Found, `${endpoint}/api/models/${repo}${at}`, subject)
      return toRepository(value)
    }),
    files: Effect.fn("Hub.files")(function* (repo, commit) {
      const files: Array<RepoFile> = []
      let url: string | undefined = `${endpoint}/api/models/${repo}/tree/${commit}?recursive=true`
      for (let pages = 0; url !== undefined; pages++) {
        if (pages === MOST_PAGES) return yield* unreadable(url, "more files than a model has")
        const page: { readonly value: ReadonlyArray<typeof Entry.Type>; readonly next: string | undefined } =
          yield* read(Schema.Array(Entry), url, { repo, what: `its files at ${commit}` })
        for (const entry of page.value) files.push(...toFile(entry))
        url = page.next
      }
      return files
    }),
    search: Effect.fn("Hub.search")(function* ({ limit, tags, words }) {
      const query = new URLSearchParams({ sort: "downloads", limit: String(limit), full: "true" })
      if (words !== "") query.append("search", words)
      for (const tag of tags) query.append("filter", tag)
      const url = `${endpoint}/api/models?${query.toString()}`
      const { value } = yield* read(Schema.Array(Found), url, { repo: words, what: "the search" })
      return value.slice(0, limit).map(toRepository)
    }),
    open: Effect.fn("Hub.open")(
      function* ({ commit, path, repo }, { etag, offset, until }) {
        const range: Record<string, string> = {}
        if (offset > 0 || until !== undefined)
          range["range"] = `bytes=${offset}-${until === undefined ? "" : until - 1}`
        if (offset > 0 && etag !== undefined) range["if-range"] = etag
        const answer = yield* HubRequest.send(settings, {
          url: `${endpoint}/${repo}/resolve/${commit}/${encodedPath(path)}`,
          subject: { repo, what: path },
          headers: range,
          also: new Set([416]),
        })
        return answer.response.status === 416 ? undefined : toBody(answer)
      },
      Effect.provideService(HttpClient.HttpClient, http),
    ),
  })
})

/**
 * The hub that the environment names.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Hub, ModelError, HttpClient.HttpClient | FileSystem.FileSystem | Path.Path> =
  Layer.effect(Hub, Effect.flatMap(HubSettings.load, make))
