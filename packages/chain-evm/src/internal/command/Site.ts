/** What the commands of `chain` share: which chain, where it is asked, who signs, and what a file says. */
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import type { Address } from "@guildhall/chain/Address"
import * as FileProblem from "@guildhall/core/FileProblem"
import type { Chain } from "../../Chain.ts"
import type * as ChainCommand from "../../ChainCommand.ts"
import * as Rpc from "../../Rpc.ts"
import { toChainError } from "../../RpcError.ts"
import * as Sender from "../../Sender.ts"
import * as SenderStore from "../../SenderStore.ts"
import type { Signer } from "../../Signer.ts"
import * as Problem from "./Problem.ts"

const plain = (text: string): string => text.toLowerCase().replace(/[^a-z0-9]/g, "")

/** A chain by its number or name, however it is spelt. */
export const find = Effect.fnUntraced(function* (known: ReadonlyArray<Chain>, text: string) {
  const found = known.find(({ id, name }) => `${id}` === text.trim() || plain(name) === plain(text))
  if (found !== undefined) return found
  const names = known.map(({ id, name }) => `${name} (${id})`).join(", ")
  return yield* Problem.of(
    "UnknownChain",
    `No chain is known as "${text}".`,
    `Known are: ${names}.`,
    "docs/adding-a-chain.md says how to add one, which is a file.",
  )
})

/** The endpoints of a chain, as the settings name them. */
export const rpc = <E extends ChainCommand.Failure, R>(chain: Chain, options: ChainCommand.Options<E, R>) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const named = yield* options.endpoints(chain)
      const endpoints = named.length > 0 ? named : chain.rpcUrls.map((url) => Redacted.make(url))
      if (endpoints.length > 0) return Rpc.layer({ chain, endpoints })
      return yield* Problem.of(
        "NoEndpoint",
        `It is not known where ${chain.name} is asked.`,
        "Set GUILDHALL_CHAIN_RPC to one or more URLs of its endpoints.",
      )
    }),
  ).pipe(Layer.provide(FetchHttpClient.layer))

/** What sends: with no store but memory, for what it does is seen on the chain itself by the next one. */
export const sender = <E, R>(signer: Layer.Layer<Signer, E, R>) =>
  Sender.layer().pipe(Layer.provide(Layer.fresh(SenderStore.layerMemory)), Layer.provideMerge(signer))

/** More than any of the files that are read. */
const MAX_BYTES = 4 * 1_024 * 1_024

/** A file of JSON. `what` says what it should be. */
export const readJson = Effect.fnUntraced(function* (file: string, what: string) {
  const fs = yield* FileSystem.FileSystem
  const bad = (why: string, todo: string) => Problem.of("BadFile", `"${file}" is not ${what}: ${why}.`, todo)
  const unread = (error: unknown) => bad(FileProblem.words(error), "Name another file, or let this one be read.")
  const info = yield* Effect.mapError(fs.stat(file), unread)
  if (info.type !== "File") return yield* bad("it is no file", "Name a file.")
  if (Number(info.size) > MAX_BYTES) return yield* bad("it is too long", "Name another one.")
  return yield* parse(yield* Effect.mapError(fs.readFileString(file), unread), `"${file}"`, what)
})

/** JSON from anywhere. */
export const parse = (text: string, where: string, what: string) =>
  Effect.mapError(
    Effect.try((): unknown => JSON.parse(text)),
    ({ cause }) => {
      const why = text.trim() === "" ? "it is empty" : FileProblem.words(cause)
      return Problem.of("BadFile", `${where} is not ${what}: ${why}.`, "Correct it there, or save it again.")
    },
  )

const POLLS = 60

/**
 * Waits while something that the account has sent waits in a pool, perhaps of a run that was stopped: once it is in the chain, it is
 * seen there and not sent again. It does not wait for ever.
 */
export const untilIdle = Effect.fnUntraced(function* (by: Address, isTold: boolean) {
  const { chain, request } = yield* Rpc.Rpc
  const count = (tag: "latest" | "pending") =>
    Effect.map(Effect.mapError(request("eth_getTransactionCount", [by, tag]), toChainError), Number)
  const startMs = yield* Clock.currentTimeMillis
  let next = 0
  for (let poll = 0; poll < POLLS; poll++) {
    next = yield* count("latest")
    const waiting = (yield* count("pending")) - next
    // An endpoint that does not tell what is pending says something else, or the same.
    if (!(waiting > 0)) return
    if (poll === 0 && isTold) {
      const what = waiting === 1 ? "a transaction that waits" : `${waiting} transactions that wait`
      yield* Console.error(`  ${by} has sent ${what} for a block. Waiting for that first …`)
    }
    yield* Effect.sleep(2 * chain.blockTimeMs)
  }
  const waitedS = Math.round(((yield* Clock.currentTimeMillis) - startMs) / 1_000)
  return yield* Problem.of(
    "Waiting",
    `${by} has sent a transaction that is in no block after ${waitedS} s: the one with nonce ${next}.`,
    "Nothing more is sent before it, so that nothing is done twice.",
    "Run this again later; or bid more for it, or cancel it, in the wallet that has the key.",
  )
})

/** The account that acts: the one that is named, or the first with a key. */
export const account = (addresses: ReadonlyArray<Address>, named: Option.Option<Address>) => {
  const [first] = addresses
  if (first === undefined) {
    return Problem.of(
      "NoKey",
      "There is no key to sign with.",
      "Set GUILDHALL_CHAIN_KEY_FILE to a file that only you may read (chmod 600), with the key in it.",
    )
  }
  const by = Option.getOrElse(named, () => first)
  if (addresses.includes(by)) return Effect.succeed(by)
  return Problem.of("NoKey", `The key that is set is not that of ${by}.`, `It is that of ${addresses.join(", ")}.`)
}
