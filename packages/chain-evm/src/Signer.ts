/**
 * PORT. Who holds the keys of the accounts that act on a chain: this process (`layerMemory`, `layerEnvironment`, `layerFile`),
 * or a signer elsewhere that is asked over HTTP (`RemoteSigner`).
 *
 * Guarantees, each proved by `SignerTest.suite`:
 *
 * 1. A signed transaction is the one that was asked for, to the last field, and recovers to the account that signs.
 * 2. A signature of typed data recovers to the account, and to no account for another chain, contract or content.
 * 3. For an account without a key, nothing is signed: the answer is `NoKey`.
 * 4. Nothing that the signer is, says or fails with has a key in it.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts"
import { keccak256 } from "viem/utils"
import { Address } from "@guildhall/chain/Address"
import * as SigningForm from "./internal/SigningForm.ts"
import * as SignerError from "./SignerError.ts"

/**
 * A transaction before it is signed. `to` is null for one that creates a contract. Wei, whole.
 *
 * @category models
 * @since 0.1.0
 */
export interface Unsigned {
  readonly chainId: number
  readonly nonce: number
  readonly to: Address | null
  readonly data: `0x${string}`
  readonly valueWei: bigint
  readonly gas: bigint
  readonly price: Price
}

/**
 * What is bid for a unit of gas: with a base fee the most in all and the tip, without one a single price. Wei.
 *
 * @category models
 * @since 0.1.0
 */
export type Price =
  | { readonly style: "eip1559"; readonly maxFeeWei: bigint; readonly tipWei: bigint }
  | { readonly style: "legacy"; readonly priceWei: bigint }

/** A transaction as it is broadcast, and the hash by which the chain knows it. @category models @since 0.1.0 */
export interface Signed {
  readonly raw: `0x${string}`
  readonly hash: `0x${string}`
}

/**
 * Typed data (EIP-712) of one contract on one chain.
 *
 * @category models
 * @since 0.1.0
 */
export interface TypedData {
  readonly domain: {
    readonly name: string
    readonly version: string
    readonly chainId: number
    readonly verifyingContract: Address
  }
  readonly types: Readonly<Record<string, ReadonlyArray<{ readonly name: string; readonly type: string }>>>
  readonly primaryType: string
  readonly message: Readonly<Record<string, unknown>>
}

/**
 * The port. `addresses` are the accounts that it has keys of.
 *
 * @category services
 * @since 0.1.0
 */
export class Signer extends Context.Service<
  Signer,
  {
    readonly addresses: ReadonlyArray<Address>
    readonly signTransaction: (by: Address, transaction: Unsigned) => Effect.Effect<Signed, SignerError.SignerError>
    readonly signTypedData: (by: Address, data: TypedData) => Effect.Effect<`0x${string}`, SignerError.SignerError>
  }
>()("@guildhall/chain-evm/Signer") {}

const fail = (reason: SignerError.SignerReason) => Effect.fail(new SignerError.SignerError({ reason }))

/** Not even the failure of a library may tell what it was given. */
const signing = (sign: () => Promise<`0x${string}`>) =>
  Effect.catch(Effect.tryPromise(sign), () =>
    fail(new SignerError.SigningRefused({ detail: "what was asked for cannot be signed. Check its fields." })),
  )

const accountOf = (key: Redacted.Redacted<string>, where: string) =>
  Effect.suspend(() => {
    const text = Redacted.value(key).trim()
    const hex = text.startsWith("0x") ? text : `0x${text}`
    // viem tells what it was given when it fails, so the form is checked before.
    return /^0x[0-9a-fA-F]{64}$/.test(hex)
      ? Effect.catch(
          // The form was checked.
          Effect.try(() => privateKeyToAccount(hex as `0x${string}`)),
          () => fail(new SignerError.BadKey({ where, detail: "it is no number that the curve has." })),
        )
      : fail(new SignerError.BadKey({ where, detail: "a key is 64 hexadecimal digits." }))
  })

const over = (accounts: ReadonlyArray<PrivateKeyAccount>): Signer["Service"] => {
  const byAddress = new Map(accounts.map((account) => [Address.make(account.address), account]))
  const find = (by: Address) => {
    const account = byAddress.get(by)
    return account === undefined ? fail(new SignerError.NoKey({ account: by })) : Effect.succeed(account)
  }
  return Signer.of({
    addresses: [...byAddress.keys()],
    signTransaction: Effect.fn("Signer.signTransaction")(function* (by, transaction) {
      const account = yield* find(by)
      const raw = yield* signing(async () => {
        const signature = await account.sign({ hash: SigningForm.transactionDigest(transaction) })
        return SigningForm.withSignature(transaction, SigningForm.partsOf(signature))
      })
      return { raw, hash: keccak256(raw) }
    }),
    signTypedData: Effect.fn("Signer.signTypedData")(function* (by, data) {
      const account = yield* find(by)
      return yield* signing(() => account.sign({ hash: SigningForm.typedDigest(data) }))
    }),
  })
}

/**
 * A signer with keys that are at hand: for tests, and for keys that come from elsewhere.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  keys: ReadonlyArray<Redacted.Redacted<string>>,
): Effect.Effect<Signer["Service"], SignerError.SignerError> =>
  Effect.map(
    Effect.forEach(keys, (key, at) => accountOf(key, `Key ${at + 1}`)),
    over,
  )

/** {@link make} as a layer. @category layers @since 0.1.0 */
export const layerMemory = (
  keys: ReadonlyArray<Redacted.Redacted<string>>,
): Layer.Layer<Signer, SignerError.SignerError> => Layer.effect(Signer, make(keys))

/**
 * A signer with the keys that variables of the environment hold, one each. One that is missing is an error: a market must not
 * start without one of its roles.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerEnvironment = (
  names: ReadonlyArray<string>,
): Layer.Layer<Signer, SignerError.SignerError | Config.ConfigError> =>
  Layer.effect(
    Signer,
    Effect.map(
      Effect.forEach(names, (name) => Effect.flatMap(Config.Redacted(name), (key) => accountOf(key, name))),
      over,
    ),
  )

/** A file with more than this is not one of keys. */
const MAX_FILE_BYTES = 64 * 1_024

/**
 * A signer with the keys of a file: one on each line, lines that begin with `#` aside. The file must be its owner's alone
 * (mode 0600); one that others can read is refused.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFile = (file: string): Layer.Layer<Signer, SignerError.SignerError, FileSystem.FileSystem> =>
  Layer.effect(
    Signer,
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const bad = (detail: string) => fail(new SignerError.BadKey({ where: file, detail }))
      const unreadable = () => bad("it cannot be read. Name a file of keys.")
      const info = yield* Effect.catch(fs.stat(file), unreadable)
      if ((info.mode & 0o077) !== 0) {
        return yield* bad(`others can read it (mode ${(info.mode & 0o777).toString(8)}). Run chmod 600 on it.`)
      }
      if (Number(info.size) > MAX_FILE_BYTES) return yield* bad("it is too long for a file of keys.")
      const text = Redacted.make(yield* Effect.catch(fs.readFileString(file), unreadable))
      const lines = Redacted.value(text)
        .split("\n")
        .map((line) => line.trim())
        .filter((line) => line !== "" && !line.startsWith("#"))
      if (lines.length === 0) return yield* bad("it is empty.")
      return over(yield* Effect.forEach(lines, (line, at) => accountOf(Redacted.make(line), `${file}, key ${at + 1}`)))
    }),
  )

/**
 * Several signers as one: each account is the first one's that has its key.
 *
 * @category combinators
 * @since 0.1.0
 */
export const merge = (...signers: ReadonlyArray<Signer["Service"]>): Signer["Service"] => {
  const none = over([])
  const of = (by: Address) => signers.find(({ addresses }) => addresses.includes(by)) ?? none
  return Signer.of({
    addresses: [...new Set(signers.flatMap(({ addresses }) => addresses))],
    signTransaction: (by, transaction) => of(by).signTransaction(by, transaction),
    signTypedData: (by, data) => of(by).signTypedData(by, data),
  })
}
