/**
 * Several endpoints of one chain as one that can be believed. What money moves by (blocks at a height, receipts, events,
 * nonces, code) is asked of all and taken when most say the same; anything else is answered by the first that can.
 *
 * An endpoint that lies, lags, cuts its answers, or serves another chain is left alone for a while and named with the reason.
 * One endpoint alone can only be checked against itself. With two, a lie is seen but not who lies, and nothing goes on
 * until they agree; with three, one may be anything.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Result from "effect/Result"
import * as HttpClient from "effect/http/HttpClient"
import type * as Chain from "./Chain.ts"
import * as Endpoint from "./internal/Endpoint.ts"
import * as Matter from "./internal/Matter.ts"
import * as Vote from "./internal/Vote.ts"
import { Disagreement, type EndpointFault, NodeRefused, RpcError, Unreachable, WrongChain } from "./RpcError.ts"

/**
 * - `endpoints`: their addresses, which often have a key in them. The host is the name by which one is spoken of.
 * - `quorum`: how many must say the same about what money moves by; half of them, rounded up, if nothing is said.
 * - `timeoutMs`: how long one may take for an answer; 5,000 if nothing is said.
 * - `maxAnswerBytes`: how much of an answer is read; 32 MiB if nothing is said.
 * - `maxLagMs`: how old an endpoint's newest block may be against the others'; a minute if nothing is said.
 * - `restMs`: for how long an endpoint that failed is left alone; 15 seconds if nothing is said.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly chain: Chain.Chain
  readonly endpoints: ReadonlyArray<Redacted.Redacted<string>>
  readonly quorum?: number | undefined
  readonly timeoutMs?: number | undefined
  readonly maxAnswerBytes?: number | undefined
  readonly maxLagMs?: number | undefined
  readonly restMs?: number | undefined
}

/**
 * How an endpoint is: its name, the newest block that it spoke of, until when it is left alone, and what was wrong last.
 *
 * @category models
 * @since 0.1.0
 */
export interface EndpointState {
  readonly name: string
  readonly head: bigint | null
  readonly restsUntilMs: number | null
  readonly last: EndpointFault | null
}

/**
 * The endpoints of one chain.
 *
 * - `request`: any method. What it answers is not decoded.
 * - `head`: the newest block that more than half of them have.
 * - `broadcast`: gives a signed transaction to all of them; one that takes it is enough.
 * - `endpoints`: how each of them is.
 *
 * @category services
 * @since 0.1.0
 */
export class Rpc extends Context.Service<
  Rpc,
  {
    readonly chain: Chain.Chain
    readonly request: (method: string, params: ReadonlyArray<unknown>) => Effect.Effect<unknown, RpcError>
    readonly head: Effect.Effect<bigint, RpcError>
    readonly broadcast: (raw: string) => Effect.Effect<void, RpcError>
    readonly endpoints: Effect.Effect<ReadonlyArray<EndpointState>>
  }
>()("@guildhall/chain-evm/Rpc") {}

interface Peer {
  readonly name: string
  readonly ask: Endpoint.Ask
  isChecked: boolean
  head: bigint | null
  restsUntilMs: number | null
  last: EndpointFault | null
}

type Told = Vote.Told<Peer>

const fail = (reason: RpcError["reason"]) => Effect.fail(new RpcError({ reason }))

const refused = (peer: Peer, method: string, refusal: Endpoint.Refusal) =>
  new NodeRefused({
    endpoint: peer.name,
    method,
    code: refusal.code,
    detail: refusal.detail,
    data: refusal.data,
  })

/** The host, and the port where it is no usual one. What else an address has may be a secret. */
const nameOf = (url: Redacted.Redacted<string>, at: number): string => {
  const text = Redacted.value(url)
  return URL.canParse(text) ? new URL(text).host : `endpoint ${at + 1}`
}

const unique = (names: ReadonlyArray<string>): ReadonlyArray<string> =>
  names.map((name, at) => (names.indexOf(name) === at ? name : `${name} (${at + 1})`))

/** How one peer is asked, and put aside where it is at fault. */
const makePeers = Effect.fnUntraced(function* (options: Options) {
  const client = yield* HttpClient.HttpClient
  const { chain, restMs = 15_000 } = options
  const names = unique(options.endpoints.map(nameOf))
  const peers = options.endpoints.map((url, at): Peer => {
    const name = names[at] ?? `endpoint ${at + 1}`
    const { maxAnswerBytes = 32 * 1_024 * 1_024, timeoutMs = 5_000 } = options
    const ask = Endpoint.make(client, { name, url, timeoutMs, maxAnswerBytes })
    return { name, ask, isChecked: false, head: null, restsUntilMs: null, last: null }
  })

  const blame = Effect.fnUntraced(function* (peer: Peer, { detail, fault }: Endpoint.Faulty) {
    const isNew = peer.last?.fault !== fault || peer.restsUntilMs === null
    peer.last = { endpoint: peer.name, fault, detail }
    // Having no block yet says nothing about the next question.
    if (fault !== "lagging") peer.restsUntilMs = (yield* Clock.currentTimeMillis) + restMs
    peer.isChecked = false
    if (isNew) yield* Effect.logWarning(`The endpoint ${peer.name} of ${chain.name} is at fault (${fault}): ${detail}`)
  })

  /** Before anything that it says is believed, it says which chain it serves; after each fault again. */
  const check = Effect.fnUntraced(function* (peer: Peer) {
    if (peer.isChecked) return
    const said = yield* peer.ask("eth_chainId", [])
    if (typeof said !== "string" || !/^0x[0-9a-f]{1,13}$/i.test(said)) {
      return yield* Effect.fail(Endpoint.faulty("malformed", "the number of its chain is none."))
    }
    const id = Number(said)
    if (id !== chain.id) {
      return yield* Effect.fail(Endpoint.faulty("wrong_chain", `it serves chain ${id}, not ${chain.id}.`))
    }
    peer.isChecked = true
  })

  const ask = (peer: Peer, method: string, params: ReadonlyArray<unknown>): Effect.Effect<Told> =>
    Effect.matchEffect(Effect.andThen(check(peer), peer.ask(method, params)), {
      onSuccess: (answer) => Effect.succeed<Told>({ _tag: "Answer", peer, answer }),
      onFailure: (failure) =>
        failure._tag === "Refusal"
          ? Effect.succeed<Told>({ _tag: "Refusal", peer, refusal: failure })
          : Effect.as(blame(peer, failure), { _tag: "Fault", peer, fault: failure } satisfies Told),
    })

  /** Those who may be asked now; all of them, where every one rests. */
  const willing = Effect.map(Clock.currentTimeMillis, (nowMs) => {
    const awake = peers.filter(({ restsUntilMs }) => restsUntilMs === null || restsUntilMs <= nowMs)
    return awake.length > 0 ? awake : peers
  })
  return { peers, ask, blame, willing }
})

const tooFew = (options: Options, method: string, peers: ReadonlyArray<Peer>) => {
  const faults = peers.flatMap(({ last }) => (last === null ? [] : [last]))
  const wrong = faults.find(({ fault }) => fault === "wrong_chain")
  const found = Number(/chain (\d+)/.exec(wrong?.detail ?? "")?.[1] ?? Number.NaN)
  return wrong !== undefined && faults.every(({ fault }) => fault === "wrong_chain") && Number.isSafeInteger(found)
    ? new WrongChain({ endpoint: wrong.endpoint, expected: options.chain.id, found })
    : new Unreachable({ method, faults })
}

/**
 * Joins the endpoints. None is asked anything before the first request. Dies with a `RangeError` where there is none, or
 * fewer than the quorum.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: Options) {
  const { chain, endpoints, maxLagMs = 60_000 } = options
  const quorum = options.quorum ?? Math.ceil(endpoints.length / 2)
  if (quorum < 1 || quorum > endpoints.length) {
    return yield* Effect.die(new RangeError(`${quorum} of ${endpoints.length} endpoints cannot be a quorum.`))
  }
  const { ask, blame, peers, willing } = yield* makePeers(options)

  /** The first that answers. */
  const anyOf = Effect.fnUntraced(function* (method: string, params: ReadonlyArray<unknown>) {
    const asked = yield* willing
    for (const peer of asked) {
      const told = yield* ask(peer, method, params)
      if (told._tag === "Answer") return told.answer
      if (told._tag === "Refusal") return yield* fail(refused(told.peer, method, told.refusal))
    }
    return yield* fail(tooFew(options, method, asked))
  })

  /** What most of them say. */
  const mostOf = Effect.fnUntraced(function* (
    method: string,
    params: ReadonlyArray<unknown>,
    count: (answer: unknown) => Result.Result<string | null, string>,
  ) {
    const asked = yield* willing
    const told = yield* Effect.forEach(asked, (peer) => ask(peer, method, params), { concurrency: "unbounded" })
    const { outvoted, verdict } = Vote.count(told, count, quorum)
    for (const { fault, peer } of outvoted) yield* blame(peer, fault)
    switch (verdict._tag) {
      case "Agreed":
        return verdict.answer
      case "Refused":
        return yield* fail(refused(verdict.peer, method, verdict.refusal))
      case "Differ":
        return yield* fail(new Disagreement({ method, detail: verdict.detail }))
      case "TooFew":
        return yield* fail(tooFew(options, method, asked))
    }
  })

  const request = (method: string, params: ReadonlyArray<unknown>) => {
    const count = Matter.of(method, params)
    return count === undefined ? anyOf(method, params) : mostOf(method, params, count)
  }

  const heads = Effect.fnUntraced(function* () {
    const asked = yield* willing
    const told = yield* Effect.forEach(asked, (peer) => ask(peer, "eth_blockNumber", []), { concurrency: "unbounded" })
    const said: Array<{ readonly peer: Peer; readonly head: bigint }> = []
    for (const one of told) {
      if (one._tag !== "Answer") continue
      if (typeof one.answer !== "string" || !/^0x[0-9a-f]{1,16}$/i.test(one.answer)) {
        yield* blame(one.peer, Endpoint.faulty("malformed", "its newest block is no number."))
        continue
      }
      one.peer.head = BigInt(one.answer)
      said.push({ peer: one.peer, head: one.peer.head })
    }
    if (said.length < quorum) return yield* fail(tooFew(options, "eth_blockNumber", asked))
    const sorted = said.map(({ head }) => head).sort((a, b) => (a < b ? 1 : a > b ? -1 : 0))
    // More than half have this block: neither one who is behind nor one who runs ahead decides.
    return { said, most: sorted[Math.floor(sorted.length / 2)] ?? 0n }
  })

  const maxLag = BigInt(Math.ceil(maxLagMs / chain.blockTimeMs))
  const head = Effect.gen(function* () {
    const { most, said } = yield* heads()
    for (const { head, peer } of said) {
      if (most - head <= maxLag) continue
      yield* blame(peer, Endpoint.faulty("lagging", `its newest block is ${head}, the others' ${most}.`))
      peer.restsUntilMs = (yield* Clock.currentTimeMillis) + (options.restMs ?? 15_000)
    }
    return most
  })

  const broadcast = Effect.fnUntraced(function* (raw: string) {
    const told = yield* Effect.forEach(peers, (peer) => ask(peer, "eth_sendRawTransaction", [raw]), {
      concurrency: "unbounded",
    })
    if (told.some(({ _tag }) => _tag === "Answer")) return
    const no = told.find((one) => one._tag === "Refusal")
    return yield* fail(
      no === undefined
        ? tooFew(options, "eth_sendRawTransaction", peers)
        : refused(no.peer, "eth_sendRawTransaction", no.refusal),
    )
  })

  return Rpc.of({
    chain,
    request,
    head,
    broadcast,
    endpoints: Effect.sync(() =>
      peers.map(({ head, last, name, restsUntilMs }) => ({ name, head, last, restsUntilMs })),
    ),
  })
})

/**
 * {@link make} as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<Rpc, never, HttpClient.HttpClient> =>
  Layer.effect(Rpc, make(options))
