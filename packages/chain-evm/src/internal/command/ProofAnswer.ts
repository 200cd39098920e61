/** The answer of GET /v1/settlements/{epoch}/proof, from a file or from the market itself. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Address from "@guildhall/chain/Address"
import { Bytes32, Hex } from "@guildhall/chain/Hex"
import { NonNegativeAmount } from "@guildhall/core/Money"
import type * as ChainCommand from "../../ChainCommand.ts"
import * as Problem from "./Problem.ts"
import * as Site from "./Site.ts"

/** What of it a claim needs. The rest is the market's word, and not looked at. */
const ProofAnswer = Schema.Struct({
  epoch: Schema.Int,
  kind: Schema.Literals(["root", "batch"]),
  chainId: Schema.Int,
  contract: Schema.String,
  token: Schema.String,
  root: Schema.NullOr(Bytes32),
  proofs: Schema.NonEmptyArray(
    Schema.Struct({
      account: Schema.String,
      cumulative: NonNegativeAmount,
      proof: Schema.Array(Bytes32).pipe(Schema.check(Schema.isMaxLength(64))),
      call: Schema.NullOr(Schema.Struct({ to: Schema.String, data: Hex })),
    }),
  ),
})

const decode = Schema.decodeUnknownEffect(Schema.toCodecJson(ProofAnswer))

const bad = (why: string) =>
  Problem.of(
    "BadProof",
    `It is not the answer of GET /v1/settlements/latest/proof: ${why}`,
    "Save the whole answer, such as with curl -o proof.json, and name that file.",
  )

/** An address that may be written in one case. */
export const address = (text: string): Effect.Effect<Address.Address, Problem.Problem> =>
  Option.match(Address.fromText(text), {
    onNone: () => Effect.fail(bad(`${text} is no address, or its checksum is wrong.`)),
    onSome: Effect.succeed,
  })

const fromJson = Effect.fnUntraced(function* (json: unknown) {
  const raw = yield* Effect.mapError(decode(json), ({ message }) => bad(`${message.replace(/\s+/g, " ")}.`))
  const proofs = yield* Effect.forEach(raw.proofs, (one) =>
    Effect.map(address(one.account), (account) => ({ ...one, account })),
  )
  return { ...raw, contract: yield* address(raw.contract), token: yield* address(raw.token), proofs }
})

export type ProofAnswer = Effect.Success<ReturnType<typeof fromJson>>

const PATH = "/v1/settlements/latest/proof"
const TIMEOUT = "10 seconds"

/** A page of proofs is some kilobytes. What is longer is cut, and is no proof then. */
const MAX_BYTES = 4 * 1_024 * 1_024

const textOf = (response: HttpClientResponse.HttpClientResponse) => {
  let bytes = 0
  return response.stream.pipe(
    Stream.takeWhile((chunk) => (bytes += chunk.byteLength) <= MAX_BYTES),
    Stream.decodeText,
    Stream.mkString,
  )
}

const Refusal = Schema.Struct({ detail: Schema.String })

const refused = Effect.fnUntraced(function* (host: string, status: number, text: string) {
  const problem = yield* Effect.option(Schema.decodeEffect(Schema.fromJsonString(Refusal))(text))
  const said = Option.match(problem, { onNone: () => "", onSome: ({ detail }) => `: ${detail.slice(0, 300)}` })
  return yield* Problem.of(
    "MarketRefused",
    `${host} gives no proof (${status})${said}`,
    status === 401 || status === 403
      ? "Set GUILDHALL_PROVIDER_KEY to the provider's key of this market."
      : "Try again later, or name the file of a proof that was saved before: a saved one needs no market.",
  )
})

const fetched = Effect.fnUntraced(function* (text: string, key: ChainCommand.ClaimFlags["key"]) {
  if (!URL.canParse(text)) return yield* Problem.of("BadProof", "The address of the market is none.", "Copy it again.")
  const url = new URL(text)
  const isWhole = url.pathname.endsWith("/proof")
  if (!isWhole) url.pathname = `${url.pathname.replace(/\/$/, "")}${PATH}`
  if (Option.isNone(key) || Redacted.value(key.value) === "") {
    return yield* Problem.of(
      "NoKey",
      `${url.host} gives proofs to the provider that they are of.`,
      "Set GUILDHALL_PROVIDER_KEY to the provider's key, or name the file of a saved answer.",
    )
  }
  const isSafe = url.protocol === "https:" || ["127.0.0.1", "localhost", "[::1]"].includes(url.hostname)
  if (!isSafe) {
    return yield* Problem.of(
      "MarketRefused",
      `${url.host} would be asked without TLS, and the provider's key could be read on the way.`,
      "Use https, or fetch the answer yourself and name its file.",
    )
  }
  const request = HttpClientRequest.bearerToken(HttpClientRequest.get(url), key.value)
  const answer = HttpClient.execute(request).pipe(
    Effect.flatMap((response) => Effect.map(textOf(response), (text) => ({ status: response.status, text }))),
    Effect.timeout(TIMEOUT),
    Effect.provide(FetchHttpClient.layer),
    Effect.mapError(() =>
      Problem.of(
        "MarketRefused",
        `${url.host} does not answer.`,
        "Try again later, or name the file of a proof that was saved before: a saved one needs no market.",
      ),
    ),
  )
  const { status, text: body } = yield* answer
  if (status !== 200) return yield* refused(url.host, status, body)
  return yield* Site.parse(body, `The answer of ${url.host}`, "a proof")
})

/** Reads it from the file or the market that is named. */
export const read = Effect.fnUntraced(function* ({ key, proof }: ChainCommand.ClaimFlags) {
  const isUrl = /^https?:\/\//i.test(proof)
  return yield* fromJson(yield* isUrl ? fetched(proof, key) : Site.readJson(proof, "the answer with a proof"))
})
