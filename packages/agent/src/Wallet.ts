/**
 * The wallet that this device is bound to: a key in the home, or one elsewhere that signs what is printed here.
 *
 * @since 0.1.0
 */
import * as Crypto from "node:crypto"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as EvmKey from "@guildhall/protocol/evm/EvmKey"
import * as WalletBinding from "@guildhall/protocol/provider/WalletBinding"
import { AgentError } from "./AgentError.ts"
import { AgentHome } from "./AgentHome.ts"
import { DeviceKey } from "./DeviceKey.ts"
import { MarketClient } from "./MarketClient.ts"
import * as MarketTerms from "./MarketTerms.ts"

const KEY_FILE = "wallet-key.json"
/** What a wallet elsewhere was asked to sign, until its signature comes. */
const STATEMENT_FILE = "wallet-statement.json"

const StoredKey = Schema.fromJsonString(
  Schema.Struct({
    algorithm: Schema.Literal("secp256k1"),
    address: EvmKey.Address,
    privateKey: Schema.String.pipe(Schema.check(Schema.isPattern(/^0x[0-9a-f]{64}$/))),
  }),
)
const StatementJson = Schema.fromJsonString(WalletBinding.Statement)

const bad = (detail: string) => new AgentError({ reason: "BadSetting", detail })
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
const bytes = (json: string): Uint8Array => new TextEncoder().encode(json)

/** The bytes of a private key that a person wrote; undefined where it is none. */
const keyOf = (written: string): Uint8Array | undefined => {
  const digits = /^(?:0x)?([0-9a-fA-F]{64})$/.exec(written.trim())?.[1]
  const key = digits === undefined ? undefined : Uint8Array.from(Buffer.from(digits, "hex"))
  return key !== undefined && EvmKey.isKey(key) ? key : undefined
}

/** A wallet whose key is here. */
interface OwnWallet {
  readonly address: EvmKey.Address
  readonly sign: (digest: Uint8Array) => string
}

const ofKey = (key: Uint8Array): OwnWallet => ({
  address: EvmKey.addressOf(key),
  sign: (digest) => EvmKey.sign(key, digest),
})

const find = Effect.gen(function* () {
  const home = yield* AgentHome
  const found = yield* home.read(KEY_FILE)
  if (Option.isNone(found)) return undefined
  const stored = Option.getOrUndefined(Schema.decodeUnknownOption(StoredKey)(text(found.value)))
  const key = stored === undefined ? undefined : keyOf(stored.privateKey)
  if (key !== undefined) return ofKey(key)
  return yield* new AgentError({
    reason: "HomeUnusable",
    detail: `${home.path(KEY_FILE)} is not a wallet's key. Restore it from a copy, or move it away: another wallet is made then.`,
  })
})

const keep = Effect.fnUntraced(function* (key: Uint8Array) {
  const home = yield* AgentHome
  const address = EvmKey.addressOf(key)
  const privateKey = `0x${Buffer.from(key).toString("hex")}`
  const stored = Schema.encodeSync(StoredKey)({ algorithm: "secp256k1", address, privateKey })
  yield* home.write(KEY_FILE, bytes(stored), { mode: 0o600 })
})

/** A random number is a key but in one of 10^38 cases. */
const draw = Effect.suspend(() => {
  const key = Uint8Array.from(Crypto.randomBytes(32))
  return EvmKey.isKey(key) ? Effect.succeed(key) : Effect.fail("again" as const)
}).pipe(Effect.retry({ times: 3 }), Effect.orDie)

/** The wallet to bind: that of the home, or that of the key which is given, or a new one; and whether its key is in the home. */
const choose = Effect.fnUntraced(function* (imported: Redacted.Redacted<string> | undefined) {
  const found = yield* find
  if (imported === undefined) {
    return found === undefined
      ? { key: yield* draw, from: "chance" as const }
      : { wallet: found, from: "home" as const }
  }
  const key = keyOf(Redacted.value(imported))
  if (key === undefined) return yield* bad("The private key is not 32 bytes in hexadecimal, or no number of the curve.")
  if (found === undefined) return { key, from: "owner" as const }
  if (found.address === EvmKey.addressOf(key)) return { wallet: found, from: "home" as const }
  return yield* bad(`This home has a wallet already, ${found.address}. Move ${KEY_FILE} away to import another one.`)
})

/**
 * Makes a statement that binds this device to a wallet on this market. Fails with `BadSetting` where the market uses none.
 *
 * @category constructors
 * @since 0.1.0
 */
export const state = Effect.fn("Wallet.state")(function* (wallet: EvmKey.Address) {
  const { url } = yield* MarketClient
  const { publicKey } = yield* DeviceKey
  const { name, wallets } = yield* MarketTerms.read(url)
  if (wallets === undefined) return yield* bad(`The market ${name} uses no wallets: there is nothing to bind.`)
  const statement: WalletBinding.Statement = {
    market: name,
    chain_id: wallets.chainId,
    device: publicKey,
    wallet: EvmKey.spell(wallet),
    issued_at_ms: yield* Clock.currentTimeMillis,
    nonce: `0x${Crypto.randomBytes(32).toString("hex")}`,
  }
  return statement
})

const Bound = Schema.fromJsonString(Schema.Struct({ wallet: EvmKey.Address, bound_at_ms: Schema.Int }))

/** Signs with the device's key as well, and tells the market. */
const submit = Effect.fnUntraced(function* (statement: WalletBinding.Statement, walletSignature: string) {
  const market = yield* MarketClient
  const key = yield* DeviceKey
  const binding: WalletBinding.WalletBinding = {
    ...statement,
    wallet_signature: walletSignature,
    device_signature: key.signWallet(statement),
  }
  const body = JSON.stringify(binding)
  const answer = yield* market.ask({ method: "POST", path: `/api/devices/${key.id}/wallet`, body })
  const bound = Option.getOrUndefined(Schema.decodeUnknownOption(Bound)(answer))
  if (bound?.wallet === statement.wallet) return bound.wallet
  return yield* new AgentError({
    reason: "MarketAway",
    detail: "The market did not say that this wallet is bound. Look at the device in its dashboard.",
  })
})

/**
 * Binds this device to a wallet whose key is in the home, or is given and then kept there, or is made and kept there. A key that is
 * in the home is never written over. Answers the wallet's address.
 *
 * @category constructors
 * @since 0.1.0
 */
export const bind = Effect.fn("Wallet.bind")(function* (imported: Redacted.Redacted<string> | undefined) {
  const chosen = yield* choose(imported)
  const wallet = chosen.from === "home" ? chosen.wallet : ofKey(chosen.key)
  const statement = yield* state(wallet.address)
  const digest = WalletBinding.digest(statement)
  if (digest === undefined) return yield* bad("The statement has no digest. Report this.")
  // Nobody else has a key that was drawn here, and the market may pay to it from the next step on.
  if (chosen.from === "chance") yield* keep(chosen.key)
  const address = yield* submit(statement, wallet.sign(digest))
  // One that was given has its owner: what the market refused leaves nothing behind.
  if (chosen.from === "owner") yield* keep(chosen.key)
  return address
})

/**
 * Begins to bind this device to a wallet elsewhere: answers the statement for it to sign, and remembers it in the home.
 *
 * @category constructors
 * @since 0.1.0
 */
export const begin = Effect.fn("Wallet.begin")(function* (address: EvmKey.Address) {
  const home = yield* AgentHome
  const statement = yield* state(address)
  yield* home.write(STATEMENT_FILE, bytes(Schema.encodeSync(StatementJson)(statement)), { mode: 0o600 })
  return statement
})

/**
 * Ends what {@link begin} began, with the wallet's signature.
 *
 * @category constructors
 * @since 0.1.0
 */
export const end = Effect.fn("Wallet.end")(function* (signature: string) {
  const home = yield* AgentHome
  const found = yield* home.read(STATEMENT_FILE)
  const statement = Option.flatMap(found, (json) => Schema.decodeUnknownOption(StatementJson)(text(json)))
  if (Option.isNone(statement)) {
    return yield* bad("No statement waits for a signature. Make one: guildhall-agent wallet bind --address 0x…")
  }
  const digest = WalletBinding.digest(statement.value)
  const signer = digest === undefined ? "malformed" : EvmKey.recover(digest, signature)
  if (signer !== statement.value.wallet) {
    const reason = signer === "malformed" ? "malformed_signature" : signer === "high_s" ? "high_s" : "wallet_signature"
    return yield* bad(WalletBinding.REFUSALS[reason])
  }
  return yield* submit(statement.value, signature)
})
