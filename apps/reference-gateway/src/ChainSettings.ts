/**
 * The settings that are about the market's chain.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Setting from "./Setting.ts"

/** Endpoints often carry an API key in their path, so the whole is a secret. */
const RpcUrls = Schema.String.pipe(
  Schema.check(
    Schema.makeFilter((text: string) => {
      const urls = Setting.listOf(text)
      return urls.length > 0 && urls.every((url) => /^https?:\/\/\S+$/.test(url) && URL.canParse(url))
    }),
  ),
)

const PrivateKey = Schema.String.pipe(Schema.check(Schema.isPattern(/^0x[0-9a-fA-F]{64}$/)))

/** Whether it is one indeed, a start looks: here only what could be one at all. */
const ExtendedKey = Schema.String.pipe(Schema.check(Schema.isPattern(/^xpub[1-9A-HJ-NP-Za-km-z]{100,120}$/)))

/**
 * Those of the table.
 *
 * @category constants
 * @since 0.1.0
 */
export const table = {
  chain: Setting.make(
    "GUILDHALL_CHAIN",
    "off",
    Schema.Literals(["on", "off"]),
    "on or off",
    "Whether to start a chain for development beside the gateway, with the contracts deployed and accounts funded; same as `npm start -- --chain`. A market that names chain 31337 has one anyway, unless `GUILDHALL_CHAIN_RPC` is set.",
  ),
  chainRpc: Setting.make(
    "GUILDHALL_CHAIN_RPC",
    undefined,
    RpcUrls,
    "one or more URLs that begin with http:// or https://, parted by commas",
    "Where the chain of the market's definition is asked. With several the gateway believes what most of them say, so name three of different operators.",
    true,
  ),
  chainKey: Setting.make(
    "GUILDHALL_CHAIN_KEY",
    undefined,
    PrivateKey,
    "a private key: 0x and 64 hexadecimal digits",
    "The key of the account that proposes the market's epochs: the contract's operator. It can take nothing for itself. Without it, and without the next one, epochs are not settled on a real chain.",
    true,
  ),
  chainKeyFile: Setting.make(
    "GUILDHALL_CHAIN_KEY_FILE",
    undefined,
    Schema.NonEmptyString,
    "a file",
    "The same, in a file that only its owner may read.",
  ),
  depositKey: Setting.make(
    "GUILDHALL_DEPOSIT_KEY",
    undefined,
    ExtendedKey,
    "an extended public key of an account: xpub…",
    "What the addresses are made of that members pay to, where the market takes deposits (`EvmDeposit`). It cannot spend: the private key is kept elsewhere. Every process needs the same, for good. A chain for development has one of its own.",
    true,
  ),
} as const

/**
 * Those of one start.
 *
 * @category models
 * @since 0.1.0
 */
export interface ChainSettings {
  readonly chain: "on" | "off"
  /** URLs parted by commas, one or more. */
  readonly chainRpc: Redacted.Redacted | undefined
  readonly chainKey: Redacted.Redacted | undefined
  /** Absolute path. */
  readonly chainKeyFile: string | undefined
  readonly depositKey: Redacted.Redacted | undefined
}

const secret = (text: string | undefined): Redacted.Redacted | undefined =>
  text === undefined ? undefined : Redacted.make(text)

/**
 * Reads them.
 *
 * @category constructors
 * @since 0.1.0
 */
export const load = Effect.gen(function* () {
  const rpc = yield* Setting.read(table.chainRpc)
  const keyFile = yield* Setting.read(table.chainKeyFile)
  return {
    chain: yield* Setting.readRequired(table.chain),
    chainRpc: rpc === undefined ? undefined : Redacted.make(Setting.listOf(rpc).join(",")),
    chainKey: secret(yield* Setting.read(table.chainKey)),
    chainKeyFile: keyFile === undefined ? undefined : Setting.fromWhereStarted(keyFile),
    depositKey: secret(yield* Setting.read(table.depositKey)),
  } satisfies ChainSettings
})
