/**
 * A hub on this machine that speaks the API as Hugging Face's does: the page of a model, its tree in pages with large-file digests,
 * searches by tags and words, and files that are redirected to a storage on another port, with signed addresses, entity tags of its
 * own, ranges and If-Range. Its faults are scripted.
 */
import * as Crypto from "node:crypto"
import * as Http from "node:http"
import * as Effect from "effect/Effect"
import * as Loopback from "../Loopback.ts"

export interface HubFile {
  readonly path: string
  readonly bytes: Uint8Array
  /** Stands in git itself, as small files do. */
  readonly isSmall?: boolean
}

export interface HubRepo {
  readonly id: string
  readonly files: ReadonlyArray<HubFile>
  readonly tags?: ReadonlyArray<string>
  readonly card?: Readonly<Record<string, unknown>>
  readonly downloads?: number
  readonly gated?: "auto" | "manual"
  readonly formerIds?: ReadonlyArray<string>
  readonly refs?: Readonly<Record<string, string>>
}

/** What goes wrong with the next answers, one after the other. */
export type Fault =
  | { readonly _tag: "CutAfter"; readonly bytes: number }
  | { readonly _tag: "Status"; readonly status: number; readonly headers?: Readonly<Record<string, string>> }
  | {
      readonly _tag: "Send"
      readonly bytes: Uint8Array
      readonly etag?: string
      readonly length?: number
      /** Gives the range that was asked for, whatever the condition says. */
      readonly ignoresCondition?: boolean
    }
  | { readonly _tag: "IgnoreRange" }
  | { readonly _tag: "Stall"; readonly bytes: number }
  | { readonly _tag: "Slow"; readonly bytesPerTick: number }
  | { readonly _tag: "Redirect"; readonly location: string }

export interface Seen {
  readonly path: string
  readonly host: "hub" | "storage"
  readonly headers: Http.IncomingHttpHeaders
  readonly status: number
}

export const TOKEN = "hf_a_token_for_tests_0123456789abcdef"
const EXPOSED =
  "X-Repo-Commit,X-Request-Id,X-Error-Code,X-Error-Message,X-Total-Count,ETag,Link,Accept-Ranges,Content-Range,X-Linked-Size,X-Linked-ETag,X-Xet-Hash"

export const sha256 = (bytes: Uint8Array): string => Crypto.createHash("sha256").update(bytes).digest("hex")
const sha1 = (text: string | Uint8Array): string => Crypto.createHash("sha1").update(text).digest("hex")
const blobId = ({ bytes }: HubFile): string =>
  Crypto.createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex")

export const commitOf = (repo: HubRepo): string =>
  sha1(repo.id + repo.files.map((file) => file.path + sha256(file.bytes)).join())

/** The tag of the storage is not the file's digest: the real one names its own chunks' hash. */
const storageTag = (bytes: Uint8Array): string => `"${sha256(Buffer.concat([Buffer.from("xet"), bytes]))}"`

const entry = (file: HubFile) => ({
  type: "file",
  oid: file.isSmall === true ? blobId(file) : sha1(`pointer${file.path}`),
  size: file.bytes.length,
  ...(file.isSmall === true
    ? {}
    : {
        lfs: { oid: sha256(file.bytes), size: file.bytes.length, pointerSize: 135 },
        xetHash: storageTag(file.bytes).slice(1, -1),
      }),
  path: file.path,
})

const tree = (repo: HubRepo) => {
  const folders = new Set(
    repo.files.flatMap(({ path }) => (path.includes("/") ? [path.slice(0, path.lastIndexOf("/"))] : [])),
  )
  return [
    ...[...folders].map((path) => ({ type: "directory", oid: sha1(path), size: 0, path })),
    ...repo.files.map(entry),
  ]
}

const summary = (repo: HubRepo) => ({
  _id: sha1(repo.id).slice(0, 24),
  id: repo.id,
  modelId: repo.id,
  author: repo.id.split("/")[0],
  private: false,
  gated: repo.gated ?? false,
  disabled: false,
  likes: 1,
  downloads: repo.downloads ?? 0,
  tags: repo.tags ?? [],
  sha: commitOf(repo),
  lastModified: "2026-01-01T00:00:00.000Z",
  siblings: repo.files.map(({ path }) => ({ rfilename: path })),
})

export const make = Effect.fnUntraced(function* (
  initial: ReadonlyArray<HubRepo>,
  options: { readonly pageSize?: number } = {},
) {
  let repos = initial
  const faults: { hub: Array<Fault>; storage: Array<Fault> } = { hub: [], storage: [] }
  const seen: Array<Seen> = []
  let storageUrl = ""
  let hubUrl = ""
  let signatures = 0

  const find = (id: string) => repos.find((repo) => repo.id.toLowerCase() === id.toLowerCase())
  const refuse = (response: Http.ServerResponse, status: number, code: string | undefined, message: string) => {
    response.writeHead(status, {
      "content-type": "application/json; charset=utf-8",
      ...(code === undefined ? {} : { "x-error-code": code }),
      "x-error-message": message,
      "access-control-expose-headers": EXPOSED,
    })
    response.end(JSON.stringify({ error: message }))
  }
  const json = (response: Http.ServerResponse, value: unknown, headers: Readonly<Record<string, string>> = {}) => {
    const text = JSON.stringify(value)
    response.writeHead(200, {
      "content-type": "application/json; charset=utf-8",
      "content-length": Buffer.byteLength(text),
      etag: `W/"${text.length.toString(16)}-${sha1(text).slice(0, 20)}"`,
      "access-control-expose-headers": EXPOSED,
      ...headers,
    })
    response.end(text)
  }

  const missing = (request: Http.IncomingMessage, response: Http.ServerResponse) =>
    request.headers.authorization === undefined
      ? refuse(response, 401, undefined, "Invalid username or password.")
      : refuse(response, 404, "RepoNotFound", "Repository not found")

  const page = (request: Http.IncomingMessage, response: Http.ServerResponse, url: URL) => {
    const [, , , owner, name, verb, revision] = url.pathname.split("/").map(decodeURIComponent)
    const id = `${owner ?? ""}/${name ?? ""}`
    const former = repos.find(({ formerIds }) => formerIds?.includes(id) === true)
    if (former !== undefined) {
      response.writeHead(307, { location: url.pathname.replace(id, former.id) + url.search })
      return response.end(`Temporary Redirect. Redirecting to ${former.id}`)
    }
    const repo = find(id)
    if (repo === undefined) return missing(request, response)
    const commit = commitOf(repo)
    const asked = repo.refs?.[revision ?? ""] ?? revision
    const isKnown = asked === undefined || asked === "main" || asked === commit
    if (!isKnown) return refuse(response, 404, "RevisionNotFound", `Invalid rev id: ${asked}`)
    if (verb === "tree") {
      const all = tree(repo)
      const from = Number(url.searchParams.get("cursor") ?? "0")
      const size = options.pageSize ?? 1000
      const next = from + size < all.length ? `${url.pathname}?recursive=true&cursor=${from + size}` : undefined
      // The hub names itself in its links, also behind a mirror.
      const link = next === undefined ? {} : { link: `<https://huggingface.co${next}>; rel="next"` }
      return json(response, all.slice(from, from + size), link)
    }
    return json(response, { ...summary(repo), cardData: repo.card ?? {}, spaces: [], usedStorage: 1 })
  }

  const search = (response: Http.ServerResponse, url: URL) => {
    const words = (url.searchParams.get("search") ?? "").toLowerCase()
    const tags = url.searchParams.getAll("filter")
    const found = repos
      .filter(({ id }) => id.toLowerCase().includes(words))
      .filter((repo) => tags.every((tag) => repo.tags?.includes(tag) === true))
      .toSorted((a, b) => (b.downloads ?? 0) - (a.downloads ?? 0))
      .slice(0, Number(url.searchParams.get("limit") ?? "1000"))
    return json(response, found.map(summary))
  }

  const resolve = (request: Http.IncomingMessage, response: Http.ServerResponse, url: URL) => {
    const [, owner, name, , revision, ...path] = url.pathname.split("/").map(decodeURIComponent)
    const repo = find(`${owner ?? ""}/${name ?? ""}`)
    if (repo === undefined) return missing(request, response)
    const commit = commitOf(repo)
    if (revision !== "main" && revision !== commit) return refuse(response, 404, "RevisionNotFound", "Invalid rev id")
    const file = repo.files.find((one) => one.path === path.join("/"))
    if (file === undefined) return refuse(response, 404, "EntryNotFound", "Entry not found")
    if (repo.gated !== undefined && request.headers.authorization !== `Bearer ${TOKEN}`) {
      const message = `Access to model ${repo.id} is restricted. You must have access to it and be authenticated to access it. Please log in.`
      return refuse(response, request.headers.authorization === undefined ? 401 : 403, "GatedRepo", message)
    }
    if (file.isSmall === true)
      return send(request, response, file.bytes, `"${blobId(file)}"`, { "x-repo-commit": commit })
    response.writeHead(302, {
      location: `${storageUrl}/xet-bridge/${sha256(file.bytes)}?Expires=1&Signature=${++signatures}`,
      "x-repo-commit": commit,
      "x-linked-size": String(file.bytes.length),
      "x-linked-etag": `"${sha256(file.bytes)}"`,
      "x-xet-hash": storageTag(file.bytes).slice(1, -1),
      "accept-ranges": "bytes",
      vary: "Origin, Accept",
      "access-control-expose-headers": EXPOSED,
    })
    return response.end("Found. Redirecting to the storage")
  }

  /** Sends bytes as a storage does: ranges, and whole files where the validator is of another. */
  const send = (
    request: Http.IncomingMessage,
    response: Http.ServerResponse,
    bytes: Uint8Array,
    etag: string,
    headers: Readonly<Record<string, string>> = {},
    fault?: Fault,
  ) => {
    const [, ranged, last = ""] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "") ?? []
    const condition = fault?._tag === "Send" && fault.ignoresCondition === true ? etag : request.headers["if-range"]
    const from =
      ranged !== undefined && fault?._tag !== "IgnoreRange" && (condition ?? etag) === etag ? Number(ranged) : 0
    if (from > 0 && from >= bytes.length) {
      response.writeHead(416, { "content-range": `bytes */${bytes.length}` })
      return response.end()
    }
    const isRanged = ranged !== undefined && from === Number(ranged) && fault?._tag !== "IgnoreRange"
    const isPart = from > 0 || (isRanged && last !== "")
    const end = isRanged && last !== "" ? Math.min(Number(last) + 1, bytes.length) : bytes.length
    const body = bytes.subarray(from, end)
    const length = fault?._tag === "Send" ? (fault.length ?? body.length) : body.length
    response.writeHead(isPart ? 206 : 200, {
      "content-type": "application/octet-stream",
      "content-length": length,
      "accept-ranges": "bytes",
      etag,
      "cache-control": "public, max-age=31536000",
      ...(isPart ? { "content-range": `bytes ${from}-${end - 1}/${bytes.length}` } : {}),
      ...headers,
    })
    if (fault?._tag === "CutAfter") return response.write(body.subarray(0, fault.bytes), () => response.destroy())
    if (fault?._tag === "Stall") return response.write(body.subarray(0, fault.bytes))
    if (fault?._tag === "Slow") {
      let at = 0
      const tick = () => {
        if (response.destroyed) return
        const chunk = body.subarray(at, (at += fault.bytesPerTick))
        if (chunk.length === 0) return void response.end()
        response.write(chunk)
        setTimeout(tick, 5)
      }
      return tick()
    }
    return response.end(body)
  }

  const storage = (request: Http.IncomingMessage, response: Http.ServerResponse, url: URL) => {
    const fault = faults.storage.shift()
    if (fault?._tag === "Status") {
      response.writeHead(fault.status, fault.headers ?? {})
      return response.end()
    }
    if (fault?._tag === "Send") {
      return send(request, response, fault.bytes, fault.etag ?? storageTag(fault.bytes), {}, fault)
    }
    const digest = url.pathname.split("/").at(-1)
    const file = repos.flatMap(({ files }) => files).find(({ bytes }) => sha256(bytes) === digest)
    if (file === undefined || url.searchParams.get("Signature") === null) {
      response.writeHead(403)
      return response.end("<Error><Code>AccessDenied</Code></Error>")
    }
    return send(request, response, file.bytes, storageTag(file.bytes), {}, fault)
  }

  const answer = (host: "hub" | "storage") => (request: Http.IncomingMessage, response: Http.ServerResponse) => {
    const url = new URL(request.url ?? "/", "http://any")
    const note = () =>
      seen.push({ path: request.url ?? "", host, headers: request.headers, status: response.statusCode })
    response.once("close", note)
    if (host === "storage") return storage(request, response, url)
    const fault = faults.hub.shift()
    if (fault?._tag === "Status") {
      response.writeHead(fault.status, fault.headers ?? {})
      return response.end()
    }
    if (fault?._tag === "Redirect") {
      response.writeHead(302, { location: fault.location })
      return response.end()
    }
    if (fault?._tag === "Send") {
      response.writeHead(200, { "content-type": "application/json" })
      return response.end(fault.bytes)
    }
    if (request.headers.authorization !== undefined && request.headers.authorization !== `Bearer ${TOKEN}`) {
      return refuse(response, 401, undefined, "Invalid credentials in Authorization header")
    }
    if (url.pathname === "/api/models") return search(response, url)
    return url.pathname.startsWith("/api/models/") ? page(request, response, url) : resolve(request, response, url)
  }

  storageUrl = yield* Loopback.listen(Http.createServer(answer("storage")))
  hubUrl = yield* Loopback.listen(Http.createServer(answer("hub")))
  return {
    url: hubUrl,
    storageUrl,
    seen,
    faults,
    /** Replaces what is published. */
    publish: (now: ReadonlyArray<HubRepo>) => {
      repos = now
    },
    /** The places at which the storage was asked to begin. */
    ranges: () => seen.filter(({ host }) => host === "storage").map(({ headers }) => headers.range ?? "whole"),
  }
})

export type ScriptedHub = Effect.Success<ReturnType<typeof make>>
