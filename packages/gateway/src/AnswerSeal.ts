/**
 * The secrets of idempotency: names the slot of an idempotency key, compares requests, and seals the answers that are
 * kept. A sealed answer opens only with a secret of the market and the idempotency key together: the database has
 * neither, and the market alone forgets the key when the request is over.
 *
 * @since 0.1.0
 */
import { createHmac, hkdfSync, randomBytes } from "node:crypto"
import path from "node:path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type { PlatformError } from "effect/PlatformError"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as FileProblem from "@guildhall/core/FileProblem"
import type { MemberId } from "@guildhall/core/Member"
import type { RequestId } from "@guildhall/core/Request"
import type { SealedAnswer } from "@guildhall/journal/AnswerStore"
import * as Sealed from "@guildhall/registry/Sealed"

/**
 * What an answer is sealed for: the request that it answers, in the slot of this idempotency key.
 *
 * @category models
 * @since 0.1.0
 */
export interface About {
  readonly slot: string
  readonly request: RequestId
  readonly key: Redacted.Redacted
}

/**
 * Why there are no secrets to seal with.
 *
 * @category errors
 * @since 0.1.0
 */
export class AnswerSealError extends Schema.TaggedError<AnswerSealError>()("AnswerSealError", {
  reason: Schema.Literals(["Invalid", "Unavailable"]),
  detail: Schema.String,
}) {
  get isRetryable(): boolean {
    return this.reason === "Unavailable"
  }
  override get message(): string {
    return this.reason === "Invalid"
      ? `A secret for sealing answers is not one. ${this.detail} Give 32 random bytes in base64url, 43 characters.`
      : `The secrets for sealing answers cannot be read. ${this.detail}`
  }
}

/**
 * The service. Every process of a market needs the same secrets.
 *
 * @category services
 * @since 0.1.0
 */
export class AnswerSeal extends Context.Service<
  AnswerSeal,
  {
    /** The slot of a member's idempotency key, in hexadecimal. */
    readonly slot: (member: MemberId, key: Redacted.Redacted) => string
    /** What is asked, in hexadecimal: alike only for the same bytes to the same path in the same slot. */
    readonly fingerprint: (slot: string, path: string, body: Uint8Array) => string
    /** A keyed hash of something else that is too short to be stored as a plain one, such as a code, in hexadecimal. */
    readonly mac: (purpose: string, text: Redacted.Redacted) => string
    /** Seals with the newest secret. */
    readonly seal: (
      about: About,
      answer: Uint8Array,
    ) => Effect.Effect<{ readonly keyId: string; readonly bytes: Buffer }>
    /** Opens what was sealed; undefined where the secret is gone, or anything was changed. */
    readonly open: (about: About, sealed: Pick<SealedAnswer, "keyId" | "bytes">) => Effect.Effect<Buffer | undefined>
  }
>()("@guildhall/gateway/AnswerSeal") {}

const SECRET = /^[A-Za-z0-9_-]{43}$/

const derive = (secret: Uint8Array, salt: string, info: string, bytes: number): Buffer =>
  Buffer.from(hkdfSync("sha256", secret, salt, `guildhall/answers/v1/${info}`, bytes))

interface Secret {
  readonly id: string
  readonly master: Buffer
}

const read = (text: Redacted.Redacted): Effect.Effect<Buffer, AnswerSealError> => {
  const value = Redacted.value(text).trim()
  return SECRET.test(value)
    ? Effect.succeed(Buffer.from(value, "base64url"))
    : Effect.fail(new AnswerSealError({ reason: "Invalid", detail: `It has ${value.length} characters.` }))
}

/** One key for each answer: of the market's secret, the idempotency key and the slot. */
const keyOf = ({ master }: Secret, { key, slot }: About): Buffer =>
  derive(Buffer.concat([master, Buffer.from(Redacted.value(key), "utf8")]), slot, "seal", 32)

/** Moved to another slot, or said to be another request's, a sealed answer does not open. */
const boundTo = ({ request, slot }: About, keyId: string): Buffer => Buffer.from(`${slot}\n${request}\n${keyId}`)

/**
 * Makes the service of secrets, each 32 random bytes in base64url, oldest first. The first names slots, the last seals,
 * all open. To rotate, put a new one behind the others, everywhere; a day later those before it open nothing any more. The
 * first stays, or idempotency keys of the last day are forgotten.
 *
 * **Example** (Sealing and opening)
 *
 * ```ts
 * import { Member, Request } from "@guildhall/core"
 * import { AnswerSeal } from "@guildhall/gateway"
 * import { Effect, Redacted } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const seal = yield* AnswerSeal.make([Redacted.make("A".repeat(43))])
 *   const key = Redacted.make("order-17")
 *   const slot = seal.slot(Member.MemberId.make("mem_1"), key)
 *   const request = Request.RequestId.make(`req_${"0".repeat(32)}`)
 *   const sealed = yield* seal.seal({ slot, request, key }, Buffer.from("hello"))
 *   const opened = yield* seal.open({ slot, request, key }, sealed)
 *   const guessed = yield* seal.open({ slot, request, key: Redacted.make("order-18") }, sealed)
 *   return [opened?.toString(), guessed]
 * })
 * await Effect.runPromise(program) // => ["hello", undefined]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  texts: readonly [Redacted.Redacted, ...ReadonlyArray<Redacted.Redacted>],
): Effect.fn.Return<AnswerSeal["Service"], AnswerSealError> {
  const [first, ...later] = texts
  const root = yield* read(first)
  const secretOf = (bytes: Buffer): Secret => ({
    id: `answer_${derive(bytes, "", "id", 12).toString("base64url")}`,
    master: derive(bytes, "", "master", 32),
  })
  const secrets = [secretOf(root), ...(yield* Effect.forEach(later, read)).map(secretOf)]
  const newest = secrets.at(-1) ?? secretOf(root)
  const slotKey = derive(root, "", "slot", 32)
  const macKey = derive(root, "", "mac", 32)
  const fingerprintKey = derive(root, "", "fingerprint", 32)

  return AnswerSeal.of({
    slot: (member, key) =>
      createHmac("sha256", slotKey).update(`${member}\n`).update(Redacted.value(key)).digest("hex"),
    mac: (purpose, text) =>
      createHmac("sha256", macKey).update(`${purpose}\n`).update(Redacted.value(text)).digest("hex"),
    fingerprint: (slot, path, body) =>
      createHmac("sha256", fingerprintKey).update(`${slot}\n${path}\n`).update(body).digest("hex"),
    seal: (about, answer) =>
      Effect.map(Sealed.seal(keyOf(newest, about), boundTo(about, newest.id), answer), (bytes) => ({
        keyId: newest.id,
        bytes,
      })),
    open: (about, sealed) => {
      const secret = secrets.find(({ id }) => id === sealed.keyId)
      if (secret === undefined) return Effect.succeed(undefined)
      return Sealed.open(keyOf(secret, about), boundTo(about, secret.id), sealed.bytes)
    },
  })
})

/** A new secret. */
const random = Effect.sync(() => Redacted.make(randomBytes(32).toString("base64url")))

/**
 * {@link make} as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  secrets: readonly [Redacted.Redacted, ...ReadonlyArray<Redacted.Redacted>],
): Layer.Layer<AnswerSeal, AnswerSealError> => Layer.effect(AnswerSeal, make(secrets))

/**
 * A secret of this process alone: what it sealed opens nowhere else and never again. For tests, and for a market of one
 * process that keeps nothing.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory: Layer.Layer<AnswerSeal, AnswerSealError> = Layer.effect(
  AnswerSeal,
  Effect.flatMap(random, (secret) => make([secret])),
)

const unavailable = (file: string) => (error: PlatformError) =>
  new AnswerSealError({ reason: "Unavailable", detail: `${file}: ${FileProblem.words(error)}.` })

/** Writes the first secret, unless another process does: a link is made or it is not, and shows the whole file. */
const create = Effect.fnUntraced(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  yield* fs.makeDirectory(path.dirname(file), { recursive: true, mode: 0o700 })
  const draft = `${file}.${randomBytes(6).toString("hex")}`
  yield* fs.writeFileString(draft, `${Redacted.value(yield* random)}\n`, { mode: 0o600, flag: "wx" })
  yield* Effect.catchIf(
    fs.link(draft, file),
    (error) => error.reason._tag === "AlreadyExists",
    () => Effect.void,
  )
  yield* fs.remove(draft)
})

/**
 * Secrets in a file that only its owner may read, one a line, oldest first; made with one where it is missing. Use it
 * for a market that keeps its keys on the machine's disk. To rotate, add a line and start again.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFile = (options: {
  readonly file: string
}): Layer.Layer<AnswerSeal, AnswerSealError, FileSystem.FileSystem> =>
  Layer.effect(
    AnswerSeal,
    Effect.gen(function* () {
      const { file } = options
      const fs = yield* FileSystem.FileSystem
      const text = yield* Effect.gen(function* () {
        if (!(yield* fs.exists(file))) yield* create(file)
        return yield* fs.readFileString(file)
      }).pipe(Effect.mapError(unavailable(file)))
      const [first = "", ...later] = text.split("\n").filter((line) => line.trim() !== "")
      return yield* make([Redacted.make(first), ...later.map((line) => Redacted.make(line))])
    }),
  )
