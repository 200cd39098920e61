/**
 * Accounts that members have at services which speak OpenAI's API, and serve from here: the market forwards requests there
 * with the account's token. The token is sealed before it is stored, opened in memory only where a request is forwarded, and
 * never told again.
 *
 * @since 0.1.0
 */
import { hash, randomBytes } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { MemberId } from "@guildhall/core/Member"
import type { ModelId } from "@guildhall/core/Model"
import {
  CloudAccountId,
  CloudModel,
  type CloudRow,
  CloudStore,
  layerMemory as storeMemory,
  type Parked,
} from "./CloudStore.ts"
import * as Endpoint from "./Endpoint.ts"
import { RegistryError } from "./RegistryError.ts"
import { SealKeys, SealKeysError } from "./SealKeys.ts"

/**
 * An account as its member sees it: of its token the last four characters, and which key seals it. Times are milliseconds
 * since 1970; `parked` says why and until when it is left alone, and is null while it is not.
 *
 * @category models
 * @since 0.1.0
 */
export interface CloudAccount {
  readonly id: CloudAccountId
  readonly memberId: MemberId
  readonly name: string
  readonly baseUrl: string
  readonly models: ReadonlyArray<CloudModel>
  readonly tokenEnd: string
  readonly keyId: string
  readonly parked: Parked | null
  readonly createdAtMs: number
}

/**
 * An account with its token, for whoever forwards a request. `models` gives a model's name at the service.
 *
 * @category models
 * @since 0.1.0
 */
export interface OpenedAccount {
  readonly id: CloudAccountId
  readonly memberId: MemberId
  readonly baseUrl: string
  readonly token: Redacted.Redacted
  /** Says of two tokens of an account whether they are the same, and nothing else. */
  readonly tokenVersion: string
  readonly models: ReadonlyMap<ModelId, string>
  readonly parked: Parked | null
}

/**
 * What a member adds. Its name is one among the member's; `baseUrl` is what OpenAI's clients take as such.
 *
 * @category models
 * @since 0.1.0
 */
export interface NewCloudAccount {
  readonly memberId: MemberId
  readonly name: string
  readonly baseUrl: string
  readonly token: Redacted.Redacted
  readonly models: ReadonlyArray<CloudModel>
}

/**
 * What came of putting tokens under the newest key: how many now are, and which could not be opened and stayed as they were.
 *
 * @category models
 * @since 0.1.0
 */
export interface Resealed {
  readonly keyId: string
  readonly resealed: number
  readonly unreadable: ReadonlyArray<CloudAccountId>
}

/**
 * The service.
 *
 * Guarantees, each proved by `CloudAccountsTest.suite`:
 *
 * 1. A member's accounts are listed with the last four characters of their tokens and the ids of their keys, and with no more of a token.
 * 2. An account opens with the token that it was given last, and with the models and the URL that it was added with.
 * 3. A token opens only in its own account, of its own member, at its own URL: a row that was moved or changed is refused.
 * 4. A name is one account's among its member's, and a member has at most fifty of them.
 * 5. An account is changed and removed by its member only, and is `not_found` for others. A removed one opens no more.
 * 6. A URL that the market may not call, and a token that could not be sent, are refused and not kept.
 * 7. A parked account says why and until when, to whoever asks; it ends with its time, or with a new token.
 * 8. Sealing again puts each token under the newest key, goes on where it stopped, and never undoes a change made meanwhile.
 *
 * @category services
 * @since 0.1.0
 */
export class CloudAccounts extends Context.Service<
  CloudAccounts,
  {
    /** Looks at an account as `add` would, its name and number included, and keeps nothing. */
    readonly inspect: (account: NewCloudAccount) => Effect.Effect<void, RegistryError>
    /** Adds an account. Whether the service takes the token is for the caller to find out first. */
    readonly add: (account: NewCloudAccount) => Effect.Effect<CloudAccount, RegistryError>
    /** A member's accounts, oldest first. */
    readonly list: (memberId: MemberId) => Effect.Effect<ReadonlyArray<CloudAccount>, RegistryError>
    /** Gives an account another token, sealed with the newest key; it is parked no more. */
    readonly setToken: (
      id: CloudAccountId,
      memberId: MemberId,
      token: Redacted.Redacted,
    ) => Effect.Effect<CloudAccount, RegistryError>
    readonly remove: (id: CloudAccountId, memberId: MemberId) => Effect.Effect<void, RegistryError>
    /** The account with its token, as it is now: `not_found` where it is gone, `internal_error` where it does not open. */
    readonly open: (id: CloudAccountId) => Effect.Effect<OpenedAccount, RegistryError>
    /**
     * Leaves an account alone until a time. One that is parked for longer, or gone, stays so; and where a token is named, one
     * that has another by now is not parked for what its former one did.
     */
    readonly park: (
      id: CloudAccountId,
      parked: Parked,
      of?: Pick<OpenedAccount, "tokenVersion">,
    ) => Effect.Effect<void, RegistryError>
    /** The accounts that are parked now. */
    readonly parked: Effect.Effect<ReadonlySet<string>, RegistryError>
    /** Seals all tokens with the newest key, those that are not. */
    readonly reseal: Effect.Effect<Resealed, RegistryError>
  }
>()("@guildhall/registry/CloudAccounts") {}

/**
 * The most accounts that a member has.
 *
 * @category constants
 * @since 0.1.0
 */
export const ACCOUNTS_MAX = 50

/** As many models as one device lists. */
const MODELS_MAX = 64
const NAME_CHARS_MAX = 100
/** Shorter ones could be guessed of what is shown; longer ones no header takes. */
const TOKEN = /^[\x21-\x7e]{12,4096}$/
const SHOWN_CHARS = 4
const RESEAL_ROWS = 100
/** A row that changes whenever one would change it is tried no more often than this. */
const TRIES_MAX = 10

/**
 * How the market takes accounts. `allowPrivate` lets services be private addresses, local names and plain HTTP: for one
 * machine, or a network of one's own.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly allowPrivate: boolean
}

const refuse = (code: RegistryError["code"], detail: string) => new RegistryError({ code, detail })
const isModels = Schema.is(
  Schema.Array(CloudModel).pipe(Schema.check(Schema.isMinLength(1), Schema.isMaxLength(MODELS_MAX))),
)

const unknown = (id: CloudAccountId) =>
  refuse("not_found", `You have no account ${id}. GET /v1/providers/cloud lists yours.`)

/** A row that was moved, or whose URL was changed, must not send the token anywhere. */
const boundTo = ({ baseUrl, id, memberId }: Pick<CloudRow, "id" | "memberId" | "baseUrl">): string =>
  JSON.stringify(["cloud", id, memberId, baseUrl])

/** Of what is sealed: it is random, so its hash says nothing of the token. */
const versionOf = ({ sealed }: CloudRow): string => hash("sha256", sealed, "base64url")

const viewAt =
  (nowMs: number) =>
  ({ revision: _revision, sealed: _sealed, ...row }: CloudRow): CloudAccount => ({
    ...row,
    parked: row.parked !== null && row.parked.untilMs > nowMs ? row.parked : null,
  })

/**
 * Refuses a token that could not be sent, or of which what is shown would show too much. It does not show it.
 *
 * @category rules
 * @since 0.1.0
 */
export const checkToken = (token: Redacted.Redacted): Effect.Effect<void, RegistryError> =>
  TOKEN.test(Redacted.value(token))
    ? Effect.void
    : refuse(
        "invalid_request",
        "token: it has 12 to 4,096 visible characters, as it stands after `Authorization: Bearer`. Send it without that, and without spaces.",
      )

/** What is wrong with an account, or the URL as it is kept. */
const check = Effect.fnUntraced(function* (account: NewCloudAccount, { allowPrivate }: Options) {
  const { baseUrl, models, name, token } = account
  if (name.length < 1 || name.length > NAME_CHARS_MAX) {
    return yield* refuse("invalid_request", `name: it has 1 to ${NAME_CHARS_MAX} characters. Give another one.`)
  }
  yield* checkToken(token)
  if (!isModels(models) || new Set(models.map(({ model }) => model)).size !== models.length) {
    return yield* refuse("invalid_request", `models: there are 1 to ${MODELS_MAX}, each once, with its name there.`)
  }
  const url = yield* Effect.mapError(Effect.fromResult(Endpoint.check(baseUrl, { allowPrivate })), (why) =>
    refuse("invalid_endpoint", why),
  )
  if (!allowPrivate && !url.startsWith("https:")) {
    return yield* refuse("invalid_endpoint", "It would send the token in the clear. Give one that begins with https:.")
  }
  return url
})

const noKey = () =>
  refuse(
    "service_unavailable",
    "This market has no key to seal tokens with, so it takes none. Its operator sets GUILDHALL_SEAL_KEYS.",
  )

/** Whether the keys are there that the tokens were sealed with. A row may have been changed; all of a key's rows were not. */
const checkKeys = Effect.fnUntraced(function* (store: CloudStore["Service"], keys: SealKeys["Service"]) {
  for (const [keyId, rows] of Map.groupBy(yield* store.samples, (row) => row.keyId)) {
    if (!keys.has(keyId)) {
      const detail = `Tokens of accounts in a cloud were sealed with the key "${keyId}".`
      return yield* new SealKeysError({ reason: "Missing", detail })
    }
    const opened = yield* Effect.forEach(rows, (row) => keys.open(boundTo(row), { keyId, bytes: row.sealed }))
    if (opened.every((token) => token === undefined)) {
      const detail = `Tokens of accounts in a cloud do not open with the key "${keyId}".`
      return yield* new SealKeysError({ reason: "Wrong", detail })
    }
  }
})

/**
 * The service over a store and keys. Fails where a key is missing or wrong that tokens were sealed with.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: Options) {
  const store = yield* CloudStore
  const keys = yield* SealKeys
  yield* checkKeys(store, keys)

  const sealed = Effect.fnUntraced(function* (
    row: Pick<CloudRow, "id" | "memberId" | "baseUrl">,
    token: Redacted.Redacted,
  ) {
    const made = yield* keys.seal(boundTo(row), token)
    if (made === undefined) return yield* noKey()
    return { keyId: made.keyId, sealed: made.bytes, tokenEnd: Redacted.value(token).slice(-SHOWN_CHARS) }
  })
  const tokenOf = (row: CloudRow) => keys.open(boundTo(row), { keyId: row.keyId, bytes: row.sealed })

  /** Changes a row as it is at that moment; undefined leaves it. */
  const change = Effect.fnUntraced(function* <E, R>(
    id: CloudAccountId,
    how: (row: CloudRow) => Effect.Effect<Partial<CloudRow> | undefined, E, R>,
  ) {
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const row = yield* store.get(id)
      if (row === undefined) return undefined
      const changed = yield* how(row)
      if (changed === undefined) return row
      const next: CloudRow = { ...row, ...changed, revision: row.revision + 1 }
      if (yield* store.replace(next)) return next
    }
    return yield* refuse("service_unavailable", `${id} is being changed by others. Try again.`)
  })

  const taken = (name: string) =>
    refuse("invalid_request", `name: you have an account "${name}". Give another name, or remove it.`)
  const full = () => refuse("too_many_instances", `A member has at most ${ACCOUNTS_MAX} accounts. Remove one first.`)

  return CloudAccounts.of({
    inspect: Effect.fn("CloudAccounts.inspect")(function* (account) {
      if (keys.newest === undefined) return yield* noKey()
      yield* check(account, options)
      const others = yield* store.ofMember(account.memberId)
      if (others.some(({ name }) => name === account.name)) return yield* taken(account.name)
      if (others.length >= ACCOUNTS_MAX) return yield* full()
    }),
    add: Effect.fn("CloudAccounts.add")(function* (account) {
      if (keys.newest === undefined) return yield* noKey()
      const baseUrl = yield* check(account, options)
      const { memberId, models, name, token } = account
      const id = CloudAccountId.make(`cld_${randomBytes(12).toString("hex")}`)
      const nowMs = yield* Clock.currentTimeMillis
      const base = { id, memberId, name, baseUrl, models, parked: null, createdAtMs: nowMs, revision: 0 }
      const row: CloudRow = { ...base, ...(yield* sealed(base, token)) }
      const kept = yield* store.insert(row, ACCOUNTS_MAX)
      if (kept === "taken") return yield* taken(name)
      if (kept === "full") return yield* full()
      return viewAt(nowMs)(row)
    }),
    list: Effect.fn("CloudAccounts.list")(function* (memberId) {
      const rows = yield* store.ofMember(memberId)
      return rows.map(viewAt(yield* Clock.currentTimeMillis))
    }),
    setToken: Effect.fn("CloudAccounts.setToken")(function* (id, memberId, token) {
      yield* checkToken(token)
      const row = yield* change(id, (now) =>
        now.memberId === memberId
          ? Effect.map(sealed(now, token), (made) => ({ ...made, parked: null }))
          : Effect.fail(unknown(id)),
      )
      return row === undefined ? yield* unknown(id) : viewAt(yield* Clock.currentTimeMillis)(row)
    }),
    remove: Effect.fn("CloudAccounts.remove")(function* (id, memberId) {
      const row = yield* store.get(id)
      if (row?.memberId !== memberId) return yield* unknown(id)
      yield* store.remove(id)
    }),
    open: Effect.fn("CloudAccounts.open")(function* (id) {
      const row = yield* store.get(id)
      if (row === undefined) return yield* refuse("not_found", `There is no account ${id} any more.`)
      const token = yield* tokenOf(row)
      if (token === undefined) {
        return yield* refuse(
          "internal_error",
          `The token of ${id} does not open: its row was moved or changed, or its key is gone. Its member gives it again.`,
        )
      }
      const { baseUrl, models, parked } = viewAt(yield* Clock.currentTimeMillis)(row)
      const names = new Map(models.map(({ model, serviceModel }) => [model, serviceModel] as const))
      return { id, memberId: row.memberId, baseUrl, token, tokenVersion: versionOf(row), models: names, parked }
    }),
    park: Effect.fn("CloudAccounts.park")(function* (id, parked, of) {
      yield* change(id, (row) => {
        const isFormer = of !== undefined && of.tokenVersion !== versionOf(row)
        const isLonger = row.parked !== null && row.parked.untilMs >= parked.untilMs
        return Effect.succeed(isFormer || isLonger ? undefined : { parked })
      })
    }),
    parked: Effect.gen(function* () {
      const rows = yield* store.parkedAt(yield* Clock.currentTimeMillis)
      return new Set<string>(rows.map(({ id }) => id))
    }).pipe(Effect.withSpan("CloudAccounts.parked")),
    reseal: Effect.gen(function* () {
      const { newest } = keys
      if (newest === undefined) return yield* noKey()
      const unreadable: Array<CloudAccountId> = []
      let resealed = 0
      let after = ""
      for (;;) {
        const rows = yield* store.notUnder(newest, after, RESEAL_ROWS)
        for (const { id } of rows) {
          let isUnreadable = false
          const row = yield* change(id, (now) => {
            if (now.keyId === newest) return Effect.succeed(undefined)
            return Effect.flatMap(tokenOf(now), (token) => {
              isUnreadable = token === undefined
              return token === undefined ? Effect.succeed(undefined) : sealed(now, token)
            })
          })
          if (isUnreadable) unreadable.push(id)
          else if (row !== undefined) resealed += 1
          after = id
        }
        if (rows.length < RESEAL_ROWS) return { keyId: newest, resealed, unreadable }
      }
    }).pipe(Effect.withSpan("CloudAccounts.reseal")),
  })
})

/**
 * {@link make} as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options,
): Layer.Layer<CloudAccounts, RegistryError | SealKeysError, CloudStore | SealKeys> =>
  Layer.effect(CloudAccounts, make(options))

/**
 * Accounts in this process's memory, gone with it: for tests, simulations and small embeddings.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory = (options: Options): Layer.Layer<CloudAccounts, RegistryError | SealKeysError, SealKeys> =>
  layer(options).pipe(Layer.provide(storeMemory))
