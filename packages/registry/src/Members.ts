/**
 * Members and their API keys. A key's secret is shown once and stored as SHA-256; looking one up is one read of a
 * short-lived cache.
 *
 * @since 0.1.0
 */
import * as Cache from "effect/Cache"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { KeyTerms, NONE } from "@guildhall/core/KeyTerms"
import { DataCollection, KeyId, MemberId, Role, type Member } from "@guildhall/core/Member"
import * as KeySecret from "./internal/KeySecret.ts"
import { RegistryError } from "./RegistryError.ts"

/**
 * A key, without its secret.
 *
 * @category models
 * @since 0.1.0
 */
export const ApiKey = Schema.Struct({
  id: KeyId,
  memberId: MemberId,
  name: Schema.String,
  role: Role,
  dataCollection: DataCollection,
  terms: KeyTerms,
  createdAtMs: Schema.Int,
  revokedAtMs: Schema.NullOr(Schema.Int),
})
/** @since 0.1.0 */
export type ApiKey = typeof ApiKey.Type

/**
 * The most keys that a member may have, revoked ones counted.
 *
 * @category constants
 * @since 0.1.0
 */
export const KEYS_MAX = 1000

/**
 * How long a process believes what it read about a secret.
 *
 * @category constants
 * @since 0.1.0
 */
export const CACHE_MS = 1000

/**
 * The service. A secret looks like `sk-` and 43 characters of base64url (32 random bytes).
 *
 * Guarantees, each proved by `MembersTest.suite`:
 *
 * 1. A member is found by its id; creating an id again answers the member that has it.
 * 2. A key's secret is random, shown once, and authenticates the key that it was issued with.
 * 3. A text that is not the secret of a live key authenticates nothing.
 * 4. A secret that was made elsewhere is taken once: again for the same member and role it answers the same key.
 * 5. A revoked key is refused at once by the process that revoked it, and by the others within a second.
 * 6. A member's keys are listed newest first, without their secrets, the revoked ones with the time of their end.
 * 7. A key has the terms that it was issued with or was given last: by the process that gave them at once, by the others
 *    within a second. They may be given to a key that has ended, which they do not bring back.
 *
 * @category services
 * @since 0.1.0
 */
export class Members extends Context.Service<
  Members,
  {
    /** Makes a member; with an id that exists, answers the member that has it. */
    readonly create: (member: {
      readonly id?: MemberId | undefined
      readonly name: string
    }) => Effect.Effect<Member, RegistryError>
    readonly find: (id: MemberId) => Effect.Effect<Member | undefined, RegistryError>
    /** Makes a key. The secret is in this answer and nowhere else. */
    readonly issueKey: (key: {
      readonly memberId: MemberId
      readonly name: string
      readonly role: Role
      readonly dataCollection: DataCollection
      /** What it may be used for; anything unless told. */
      readonly terms?: KeyTerms | undefined
      /**
       * A secret made elsewhere, such as the one that development keeps in a file; otherwise a random one. Issuing
       * one again to the same member and role answers the key that has it.
       */
      readonly secret?: Redacted.Redacted | undefined
    }) => Effect.Effect<{ readonly key: ApiKey; readonly secret: Redacted.Redacted }, RegistryError>
    /** Gives a key other terms, in place of all that it had. This process goes by them at once, the others within a second. */
    readonly setTerms: (id: KeyId, terms: KeyTerms) => Effect.Effect<ApiKey, RegistryError>
    /** Ends a key. This process refuses it at once, the others within a second. */
    readonly revokeKey: (id: KeyId) => Effect.Effect<ApiKey, RegistryError>
    /** The live key with this secret, or undefined where it is unknown or revoked. */
    readonly authenticate: (secret: Redacted.Redacted) => Effect.Effect<ApiKey | undefined, RegistryError>
    readonly keys: (memberId: MemberId) => Effect.Effect<ReadonlyArray<ApiKey>, RegistryError>
  }
>()("@guildhall/registry/Members") {}

/**
 * What `Members` needs of a store. Each method is one atomic step.
 *
 * @category models
 * @since 0.1.0
 */
export interface MemberStore {
  /** Keeps the member unless the id is taken, and answers the one that has the id. */
  readonly insertMember: (member: Member) => Effect.Effect<Member, RegistryError>
  readonly findMember: (id: MemberId) => Effect.Effect<Member | undefined, RegistryError>
  /** Keeps the key unless the hash is taken, and answers the one that has the hash. */
  readonly insertKey: (key: ApiKey, hash: string) => Effect.Effect<ApiKey, RegistryError>
  /** Ends a key where it has not ended, and answers it with the hash of its secret. */
  readonly revokeKey: (
    id: KeyId,
    atMs: number,
  ) => Effect.Effect<{ readonly key: ApiKey; readonly hash: string } | undefined, RegistryError>
  /** Replaces a key's terms, and answers it with the hash of its secret. */
  readonly setTerms: (
    id: KeyId,
    terms: KeyTerms,
  ) => Effect.Effect<{ readonly key: ApiKey; readonly hash: string } | undefined, RegistryError>
  readonly keyByHash: (hash: string) => Effect.Effect<ApiKey | undefined, RegistryError>
  /** A member's keys, newest first, at most {@link KEYS_MAX}. */
  readonly keysOf: (memberId: MemberId) => Effect.Effect<ReadonlyArray<ApiKey>, RegistryError>
}

const refuse = (code: RegistryError["code"], detail: string) => new RegistryError({ code, detail })

const checkName = (name: string) =>
  name.length >= 1 && name.length <= 200
    ? Effect.void
    : refuse("invalid_request", "A name has 1 to 200 characters. Give another one.")

/** Issues keys over a store. */
const makeIssueKey = (store: MemberStore): Members["Service"]["issueKey"] =>
  Effect.fn("Members.issueKey")(function* ({ secret: given, terms = NONE, ...asked }) {
    yield* checkName(asked.name)
    if (given !== undefined && !KeySecret.hasForm(given)) {
      return yield* refuse(
        "invalid_request",
        "A secret is `sk-` and 43 characters of base64url. Make one of 32 random bytes.",
      )
    }
    if ((yield* store.findMember(asked.memberId)) === undefined) {
      return yield* refuse("not_found", `There is no member ${asked.memberId}. Create it first.`)
    }
    if ((yield* store.keysOf(asked.memberId)).length >= KEYS_MAX) {
      return yield* refuse("invalid_request", `A member has at most ${KEYS_MAX} keys. Use one that it has.`)
    }
    const secret = given ?? (yield* KeySecret.random)
    const made: ApiKey = {
      ...asked,
      terms,
      id: KeyId.make(KeySecret.randomId("key_")),
      createdAtMs: yield* Clock.currentTimeMillis,
      revokedAtMs: null,
    }
    const key = yield* store.insertKey(made, KeySecret.hash(secret))
    if (key.memberId !== asked.memberId || key.role !== asked.role || key.revokedAtMs !== null) {
      return yield* refuse("idempotency_conflict", "The secret was issued before, on other terms. Make a new one.")
    }
    return { key, secret }
  })

/**
 * The service over a store. At most 10,000 answers are kept, for {@link CACHE_MS}; a failure of the store is not kept.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (store: MemberStore) {
  const cache = yield* Cache.makeWith((hash: string) => store.keyByHash(hash), {
    capacity: 10_000,
    timeToLive: (exit) => (Exit.isSuccess(exit) ? CACHE_MS : 0),
  })
  return Members.of({
    create: Effect.fn("Members.create")(function* ({ id, name }) {
      yield* checkName(name)
      return yield* store.insertMember({
        id: id ?? MemberId.make(KeySecret.randomId("mem_")),
        name,
        createdAtMs: yield* Clock.currentTimeMillis,
      })
    }),
    find: Effect.fn("Members.find")((id) => store.findMember(id)),
    issueKey: Effect.fnUntraced(function* (terms) {
      const issued = yield* makeIssueKey(store)(terms)
      // A secret that was refused a moment ago may be this one.
      yield* Cache.invalidate(cache, KeySecret.hash(issued.secret))
      return issued
    }),
    revokeKey: Effect.fn("Members.revokeKey")(function* (id) {
      const revoked = yield* store.revokeKey(id, yield* Clock.currentTimeMillis)
      if (revoked === undefined) return yield* refuse("not_found", `There is no key ${id}. List the member's keys.`)
      yield* Cache.invalidate(cache, revoked.hash)
      return revoked.key
    }),
    setTerms: Effect.fn("Members.setTerms")(function* (id, terms) {
      const changed = yield* store.setTerms(id, terms)
      if (changed === undefined) return yield* refuse("not_found", `There is no key ${id}. List the member's keys.`)
      yield* Cache.invalidate(cache, changed.hash)
      return changed.key
    }),
    // Without a span of its own: it is asked for every request, and mostly answered from the cache.
    authenticate: (secret) =>
      KeySecret.hasForm(secret)
        ? Effect.map(Cache.get(cache, KeySecret.hash(secret)), (key) => (key?.revokedAtMs === null ? key : undefined))
        : Effect.succeed(undefined),
    keys: Effect.fn("Members.keys")((memberId) => store.keysOf(memberId)),
  })
})

/** A store in this process's memory. Every step runs at once, so nothing needs a lock. */
const memoryStore = (): MemberStore => {
  const members = new Map<MemberId, Member>()
  const keys = new Map<string, ApiKey>()
  const change = (id: KeyId, how: (key: ApiKey) => ApiKey) => {
    for (const [hash, key] of keys) {
      if (key.id !== id) continue
      const changed = how(key)
      keys.set(hash, changed)
      return { key: changed, hash }
    }
    return undefined
  }
  return {
    insertMember: (member) =>
      Effect.sync(() => {
        const known = members.get(member.id)
        if (known === undefined) members.set(member.id, member)
        return known ?? member
      }),
    findMember: (id) => Effect.sync(() => members.get(id)),
    insertKey: (key, hash) =>
      Effect.sync(() => {
        const known = keys.get(hash)
        if (known === undefined) keys.set(hash, key)
        return known ?? key
      }),
    revokeKey: (id, atMs) => Effect.sync(() => change(id, (key) => ({ ...key, revokedAtMs: key.revokedAtMs ?? atMs }))),
    setTerms: (id, terms) => Effect.sync(() => change(id, (key) => ({ ...key, terms }))),
    keyByHash: (hash) => Effect.sync(() => keys.get(hash)),
    keysOf: (memberId) =>
      Effect.sync(() =>
        [...keys.values()]
          .filter((key) => key.memberId === memberId)
          .toReversed()
          .slice(0, KEYS_MAX),
      ),
  }
}

/**
 * Members in this process's memory, gone with it: for tests, simulations and small embeddings.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory: Layer.Layer<Members> = Layer.effect(
  Members,
  Effect.suspend(() => make(memoryStore())),
)
