import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, FileSystem, Layer, Redacted } from "effect"
import { FetchHttpClient } from "effect/http"
import { createServer } from "node:http"
import { Address } from "@guildhall/chain/Address"
import * as RemoteSigner from "../src/RemoteSigner.ts"
import * as Signer from "../src/Signer.ts"
import type { SignerError } from "../src/SignerError.ts"
import * as SignerTest from "../src/testing/SignerTest.ts"

const environment = (values: Readonly<Record<string, string>>) =>
  ConfigProvider.layer(ConfigProvider.fromUnknown(values))

/** A file of keys, in a folder of its own that goes with the scope. */
const written = Effect.fnUntraced(function* (text: string, mode: number) {
  const fs = yield* FileSystem.FileSystem
  const file = `${yield* fs.makeTempDirectoryScoped()}/keys`
  yield* fs.writeFileString(file, text, { mode })
  yield* fs.chmod(file, mode)
  return file
})

const fileOf = (text: string, mode: number) =>
  Layer.unwrap(Effect.map(written(text, mode), Signer.layerFile)).pipe(Layer.provide(NodeFileSystem.layer))

type Answers = (method: string, params: ReadonlyArray<unknown>) => Promise<unknown>

/** A signer on the network that answers so, and the token that it wants. */
const serving = (answers: Answers) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(
        () =>
          new Promise<{ readonly port: number; readonly close: () => void }>((resolve) => {
            const server = createServer((request, response) => {
              let body = ""
              request.on("data", (chunk: Buffer) => void (body += chunk.toString()))
              request.on("end", () => {
                const { method, params } = JSON.parse(body) as { method: string; params: ReadonlyArray<unknown> }
                const isAllowed = request.headers.authorization === "Bearer t0ken"
                const said = isAllowed ? answers(method, params) : Promise.reject(new Error("who are you?"))
                said.then(
                  (result) => response.end(JSON.stringify({ jsonrpc: "2.0", id: 1, result })),
                  (error: unknown) =>
                    response.end(JSON.stringify({ id: 1, error: { code: -32_000, message: String(error) } })),
                )
              })
            })
            server.listen(0, "127.0.0.1", () => {
              const address = server.address()
              const port = typeof address === "object" && address !== null ? address.port : 0
              resolve({ port, close: () => void server.close() })
            })
          }),
      ),
      ({ close }) => Effect.sync(close),
    ),
    ({ port }) => Redacted.make(`http://127.0.0.1:${port}`),
  )

const token = Redacted.make("t0ken")

const remote = (answers: Answers, given = token) =>
  Layer.unwrap(Effect.map(serving(answers), (url) => RemoteSigner.layer({ url, token: given, timeoutMs: 1_000 }))).pipe(
    Layer.provide(FetchHttpClient.layer),
  )

const quantity = (value: unknown): bigint => BigInt(String(value))

/** Signs as a signer elsewhere would, with the key of the suite; `change` is what it signs instead. */
const honest =
  (change: (asked: Signer.Unsigned) => Signer.Unsigned = (asked) => asked): Answers =>
  async (method, params) => {
    const signer = await Effect.runPromise(Signer.make([SignerTest.KEY]))
    if (method === "eth_accounts") return signer.addresses.map((address) => address.toLowerCase())
    if (method === "eth_signTypedData_v4") {
      const { types, ...data } = JSON.parse(String(params[1])) as Signer.TypedData
      const { EIP712Domain: _, ...own } = types
      return Effect.runPromise(signer.signTypedData(SignerTest.ADDRESS, { ...data, types: own }))
    }
    const asked = params[0] as Readonly<Record<string, string>>
    const { raw } = await Effect.runPromise(
      signer.signTransaction(
        SignerTest.ADDRESS,
        change({
          chainId: Number(asked["chainId"]),
          nonce: Number(asked["nonce"]),
          to: asked["to"] === undefined ? null : Address.make(asked["to"]),
          data: asked["data"] as `0x${string}`,
          valueWei: quantity(asked["value"]),
          gas: quantity(asked["gas"]),
          price:
            asked["gasPrice"] === undefined
              ? {
                  style: "eip1559",
                  maxFeeWei: quantity(asked["maxFeePerGas"]),
                  tipWei: quantity(asked["maxPriorityFeePerGas"]),
                }
              : { style: "legacy", priceWei: quantity(asked["gasPrice"]) },
        }),
      ),
    )
    return { raw, tx: {} }
  }

const key = Redacted.value(SignerTest.KEY)

SignerTest.suite("in memory", Signer.layerMemory([SignerTest.KEY]))
SignerTest.suite(
  "from the environment",
  Signer.layerEnvironment(["OPERATOR_KEY"]).pipe(Layer.provide(environment({ OPERATOR_KEY: key.slice(2) }))),
)
SignerTest.suite("from a file", fileOf(`# the operator's\n${key}\n`, 0o600))
SignerTest.suite("over HTTP", remote(honest()))

const real = Signer.make([SignerTest.KEY])
const broken = (change: (signer: Signer.Signer["Service"]) => Partial<Signer.Signer["Service"]>) =>
  Layer.effect(
    Signer.Signer,
    Effect.map(real, (signer) => ({ ...signer, ...change(signer) })),
  )
SignerTest.breaks(
  "it bids more than it was told to",
  broken(({ signTransaction }) => ({
    signTransaction: (by, asked) => signTransaction(by, { ...asked, gas: asked.gas + 1n }),
  })),
  1,
)
SignerTest.breaks(
  "it forgets the chain",
  broken(({ signTypedData }) => ({
    signTypedData: (by, data) => signTypedData(by, { ...data, domain: { ...data.domain, chainId: 1 } }),
  })),
  2,
)
SignerTest.breaks(
  "it signs for anybody",
  broken(({ signTransaction }) => ({ signTransaction: (_, asked) => signTransaction(SignerTest.ADDRESS, asked) })),
  3,
)
SignerTest.breaks(
  "it tells its key",
  broken(() => ({ toJSON: () => key }) as object),
  4,
)

const refusal = <A>(layer: Layer.Layer<A, SignerError | unknown>) =>
  Effect.map(Effect.flip(Layer.build(layer)), (error) => String(error))

describe("Signer", () => {
  it.effect("takes no key that is none, from no file that others can read, and never tells what it read", () =>
    Effect.gen(function* () {
      const typo = key.slice(0, -1)
      const all = [
        yield* refusal(Signer.layerMemory([Redacted.make(typo)])),
        yield* refusal(Signer.layerMemory([Redacted.make(`0x${"ff".repeat(32)}`)])),
        yield* refusal(Signer.layerEnvironment(["A"]).pipe(Layer.provide(environment({ A: typo })))),
        yield* refusal(Signer.layerEnvironment(["A"]).pipe(Layer.provide(environment({})))),
        yield* refusal(fileOf(key, 0o640)),
        yield* refusal(fileOf("# nothing\n", 0o600)),
        yield* refusal(fileOf(`${typo}z`, 0o600)),
        yield* refusal(fileOf("0".repeat(100_000), 0o600)),
      ]
      for (const text of all) assert.notInclude(text, typo.slice(2, 20))
      assert.include(all[4], "chmod 600")
    }).pipe(Effect.scoped),
  )

  it.live("broadcasts nothing that a signer elsewhere made of it", () =>
    Effect.gen(function* () {
      const changes: ReadonlyArray<(asked: Signer.Unsigned) => Signer.Unsigned> = [
        (asked) => ({ ...asked, to: SignerTest.ADDRESS }),
        (asked) => ({ ...asked, chainId: 8_453 }),
        (asked) => ({ ...asked, valueWei: asked.valueWei + 1n }),
        (asked) => ({ ...asked, nonce: asked.nonce + 1 }),
      ]
      const asked: Signer.Unsigned = {
        chainId: 31_337,
        nonce: 0,
        to: Address.make("0x000000000000000000000000000000000000dEaD"),
        data: "0x",
        valueWei: 1n,
        gas: 21_000n,
        price: { style: "eip1559", maxFeeWei: 3n, tipWei: 1n },
      }
      for (const answers of [
        ...changes.map(honest),
        (async (method) => (method === "eth_accounts" ? [SignerTest.ADDRESS] : "0x00")) satisfies Answers,
      ]) {
        const reason = yield* Effect.gen(function* () {
          const signer = yield* Signer.Signer
          return (yield* Effect.flip(signer.signTransaction(SignerTest.ADDRESS, asked))).reason
        }).pipe(Effect.provide(remote(answers)))
        assert.strictEqual(reason._tag, "SigningRefused")
      }
      assert.include(yield* refusal(remote(honest(), Redacted.make("wrong"))), "who are you")
    }).pipe(Effect.scoped),
  )

  it.effect("joins signers, and asks the one that has the key", () =>
    Effect.gen(function* () {
      const other = yield* Signer.make([Redacted.make(`0x${"11".repeat(32)}`)])
      const joined = Signer.merge(other, yield* real)
      assert.deepStrictEqual([...joined.addresses], [...other.addresses, SignerTest.ADDRESS])
      const data = {
        domain: { name: "T", version: "1", chainId: 1, verifyingContract: SignerTest.ADDRESS },
        types: { A: [{ name: "b", type: "bool" }] },
        primaryType: "A",
        message: { b: true },
      }
      for (const address of joined.addresses) assert.lengthOf(yield* joined.signTypedData(address, data), 132)
    }),
  )
})
