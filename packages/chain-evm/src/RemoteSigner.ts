/**
 * The port `Signer` over HTTP: keys stay in another program or machine, and this one asks for signatures. It speaks JSON-RPC as
 * Ethereum's signers do:
 *
 * - `eth_accounts []` answers the addresses that it has keys of.
 * - `eth_signTransaction [{ from, to, gas, nonce, value, data, chainId, type, maxFeePerGas, maxPriorityFeePerGas | gasPrice }]`
 *   answers the raw transaction, as text or as `{ raw }`.
 * - `eth_signTypedData_v4 [address, json]` answers the signature.
 *
 * What comes back is read before it is used: a transaction that is not the one that was asked for is never broadcast.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as HttpClient from "effect/http/HttpClient"
import { keccak256 } from "viem/utils"
import * as Address from "@guildhall/chain/Address"
import * as Endpoint from "./internal/Endpoint.ts"
import * as SigningForm from "./internal/SigningForm.ts"
import { NoKey, SignerAway, SignerError, type SignerReason, SigningRefused } from "./SignerError.ts"
import { Signer, type Unsigned } from "./Signer.ts"

/**
 * - `url`: where it is. It may have a secret in it.
 * - `token`: what is sent as a bearer, if it asks for one.
 * - `timeoutMs`: how long it may take; 10,000 if nothing is said.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly url: Redacted.Redacted<string>
  readonly token?: Redacted.Redacted<string> | undefined
  readonly timeoutMs?: number | undefined
}

const fail = (reason: SignerReason) => Effect.fail(new SignerError({ reason }))

const quantity = (value: bigint | number): string => `0x${value.toString(16)}`

const asked = (from: string, { chainId, data, gas, nonce, price, to, valueWei }: Unsigned) => ({
  from,
  ...(to === null ? {} : { to }),
  gas: quantity(gas),
  nonce: quantity(nonce),
  value: quantity(valueWei),
  data,
  chainId: quantity(chainId),
  ...(price.style === "legacy"
    ? { type: "0x0", gasPrice: quantity(price.priceWei) }
    : { type: "0x2", maxFeePerGas: quantity(price.maxFeeWei), maxPriorityFeePerGas: quantity(price.tipWei) }),
})

const isHex = (value: unknown): value is `0x${string}` =>
  typeof value === "string" && /^0x(?:[0-9a-f]{2})+$/i.test(value)

/** Geth wraps what it signed, others do not. */
const rawOf = (answer: unknown): unknown =>
  typeof answer === "object" && answer !== null && "raw" in answer ? answer.raw : answer

const other = () => fail(new SigningRefused({ detail: "the signer signed something else. Do not use it any more." }))

/**
 * Asks the signer which accounts it has.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* ({ timeoutMs = 10_000, token, url }: Options) {
  const client = yield* HttpClient.HttpClient
  const send = Endpoint.make(client, { name: "signer", url, token, timeoutMs, maxAnswerBytes: 1_024 * 1_024 })
  const ask = (method: string, params: ReadonlyArray<unknown>) =>
    Effect.catch(send(method, params), (failure) =>
      failure._tag === "Refusal"
        ? fail(new SigningRefused({ detail: `the signer says: ${failure.detail}` }))
        : fail(new SignerAway({ detail: `${failure.fault}, ${failure.detail}` })),
    )
  const said = yield* ask("eth_accounts", [])
  if (!Array.isArray(said)) return yield* fail(new SignerAway({ detail: "it names no accounts." }))
  const addresses = said.flatMap((text) => Option.toArray(Address.fromText(String(text))))
  const must = (by: Address.Address) => (addresses.includes(by) ? Effect.void : fail(new NoKey({ account: by })))
  return Signer.of({
    addresses,
    signTransaction: Effect.fn("RemoteSigner.signTransaction")(function* (by, transaction) {
      yield* must(by)
      const raw = rawOf(yield* ask("eth_signTransaction", [asked(by, transaction)]))
      if (!isHex(raw)) return yield* other()
      const isRight = yield* Effect.orElseSucceed(
        Effect.tryPromise(() => SigningForm.isSignedBy(raw, by, transaction)),
        () => false,
      )
      return isRight ? { raw, hash: keccak256(raw) } : yield* other()
    }),
    signTypedData: Effect.fn("RemoteSigner.signTypedData")(function* (by, data) {
      yield* must(by)
      const json = JSON.stringify({ ...data, types: { EIP712Domain: DOMAIN, ...data.types } }, (_, value: unknown) =>
        typeof value === "bigint" ? `${value}` : value,
      )
      const signature = yield* ask("eth_signTypedData_v4", [by, json])
      if (!isHex(signature)) return yield* other()
      const isRight = yield* Effect.orElseSucceed(
        Effect.tryPromise(() => SigningForm.isTypedBy(signature, by, data)),
        () => false,
      )
      return isRight ? signature : yield* other()
    }),
  })
})

const DOMAIN = [
  { name: "name", type: "string" },
  { name: "version", type: "string" },
  { name: "chainId", type: "uint256" },
  { name: "verifyingContract", type: "address" },
] as const

/**
 * {@link make} as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<Signer, SignerError, HttpClient.HttpClient> =>
  Layer.effect(Signer, make(options))
