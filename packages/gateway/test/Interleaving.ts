/**
 * Random errands of one buyer on a few faulty instances, all at once, through the whole lane; and what must be so afterwards
 * however they met: what was delivered is what was billed, and all that was taken was given back, once.
 */
import * as Chance from "@guildhall/tools/Chance"
import { assert } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import { createHash } from "node:crypto"
import type { JournalEntry } from "@guildhall/journal"
import type { Ledger } from "@guildhall/ledger"
import { HoldId } from "@guildhall/ledger/Hold"
import { type ProviderSink, ProviderTransport } from "@guildhall/protocol/ProviderTransport"
import * as Ticket from "@guildhall/protocol/provider/Ticket"
import type * as FaultUpstream from "../src/testing/FaultUpstream.ts"
import * as UndiciTransport from "../src/transports/Undici.ts"
import * as Errand from "./Errand.ts"
import * as FaultLane from "./FaultLane.ts"
import * as TestLane from "./TestLane.ts"
import * as Waiting from "./Waiting.ts"

type Ended = Extract<JournalEntry.JournalEntry, { readonly _tag: "RequestEnded" }>

/** What is spoiled on purpose, to see that it is noticed. */
export interface Spoiled {
  readonly ledger?: (ledger: Ledger.Ledger["Service"]) => Ledger.Ledger["Service"]
  readonly transport?: (transport: ProviderTransport["Service"]) => ProviderTransport["Service"]
}

/** The call of one attempt, as the lane's own transport saw it. */
const counting = (transport: ProviderTransport["Service"]) => {
  const calls = { opened: 0, closed: 0 }
  const closing = (sink: ProviderSink): ProviderSink => ({
    onSent: () => sink.onSent?.(),
    onStart: (status, headers) => sink.onStart(status, headers),
    onData: (chunk) => sink.onData(chunk),
    onEnd: () => {
      calls.closed += 1
      sink.onEnd()
    },
    onError: (error) => {
      calls.closed += 1
      sink.onError(error)
    },
  })
  const counted: ProviderTransport["Service"] = {
    ...transport,
    dispatch: (request, sink) => {
      calls.opened += 1
      return transport.dispatch(request, closing(sink))
    },
  }
  return { calls, counted }
}

/** Whoever takes a hold gives it back, once: by a charge or without one. */
const watching = (ledger: Ledger.Ledger["Service"], waitFor: (id: string) => number) => {
  const made: Array<string> = []
  const settled: Array<string> = []
  const voided: Array<string> = []
  const watched: Ledger.Ledger["Service"] = {
    ...ledger,
    hold: (request) =>
      ledger.hold(request).pipe(
        Effect.tap(() => Effect.sync(() => made.push(request.id))),
        Effect.delay(waitFor(request.id)),
      ),
    settle: (id, posting) => Effect.tap(ledger.settle(id, posting), () => Effect.sync(() => settled.push(id))),
    void: (id, attachments) => Effect.tap(ledger.void(id, attachments), () => Effect.sync(() => voided.push(id))),
  }
  return { made, settled, voided, watched }
}

const timeouts = { connectMs: 1_000, headersMs: 60, firstTokenMs: 80, betweenTokensMs: 60, totalMs: 700 }

const startLane = async (chance: Chance.Chance, spoiled: Spoiled) => {
  const isPoor = chance.percent(25)
  const balance = isPoor ? BigInt(chance.between(700, 8_000)) * TestLane.INPUT_UNIT : 10n ** 13n
  // Where the lane believes in more than there is, providers are asked before the hold is refused.
  const isBold = chance.percent(40)
  const pingMs = chance.percent(25) ? chance.between(5, 25) : TestLane.definition.relay.pingMs
  const waits = Array.from({ length: 64 }, () => (chance.percent(30) ? chance.below(40) : 0))
  const seen: { ledger?: ReturnType<typeof watching>; calls?: ReturnType<typeof counting>["calls"] } = {}
  const transport = Layer.effect(
    ProviderTransport,
    Effect.map(UndiciTransport.make(), (transport) => {
      const { calls, counted } = counting(transport)
      seen.calls = calls
      return ProviderTransport.of(spoiled.transport?.(counted) ?? counted)
    }),
  )
  const lane = await FaultLane.start({
    balance,
    transport,
    definition: {
      timeouts,
      relay: {
        ...TestLane.definition.relay,
        pingMs,
        retries: chance.percent(20) ? { percent: 0, perSecond: 0 } : { percent: 100, perSecond: 1_000 },
      },
      attempts: 3,
      reservation: { comfort: 10, outputTokensMin: 16, outputTokensStep: chance.pick([16, 64, 512]) },
    },
    wrapLedger: (ledger) => {
      let asked = 0
      const watch = watching(spoiled.ledger?.(ledger) ?? ledger, () => waits[asked++ % waits.length] ?? 0)
      seen.ledger = watch
      return isBold ? { ...watch.watched, lastAvailable: () => 10n ** 30n } : watch.watched
    },
  })
  return { lane, pings: pingMs < 1_000, seen }
}

/** Sends the errand, and does what its buyer does. */
const go = async (port: number, errand: Errand.Errand) => {
  const { dozes, leaves } = errand
  await Waiting.pause(errand.startsAfterMs)
  let dozed = dozes === undefined
  const visit = FaultLane.visit(port, errand.dialect, errand.body, {}, (text, response) => {
    if (leaves !== undefined && "afterBytes" in leaves && text.length > leaves.afterBytes) return void visit.leave()
    if (dozed || dozes === undefined || text.length < dozes.afterBytes) return
    dozed = true
    response.pause()
    setTimeout(() => response.resume(), dozes.ms)
  })
  if (leaves !== undefined && "afterMs" in leaves) setTimeout(visit.leave, leaves.afterMs)
  return await visit.answer
}

/** What may have gone to the buyer of a stream: nothing, or any number of its events from the first on. */
const prefixes = (reply: Errand.Reply) => {
  let text = ""
  let tokens = 0
  return reply.shown.map((event) => {
    text += event.text
    tokens += event.tokens
    return { text, tokens }
  })
}

interface Outcome {
  readonly errand: Errand.Errand
  readonly answer: FaultLane.Answer
  readonly entry: Ended
  /** What the provider that was asked last said. */
  readonly reply: Errand.Reply | undefined
  /** Whether comments may have gone out while the answer was waited for. */
  readonly pings: boolean
}

/** What a buyer makes of a stream: comments are nothing to it. */
const plain = ({ text }: FaultLane.Answer): string => text.replaceAll(/^: ping\n/gm, "")

/** How many tokens the buyer has read. */
const readBy = ({ answer, reply }: Outcome): number => {
  const text = plain(answer)
  const parts = reply === undefined ? [] : prefixes(reply)
  return parts.findLast((part) => text.startsWith(part.text))?.tokens ?? 0
}

/** How many tokens reached the buyer; undefined where that is known within limits only. */
const deliveredBy = (one: Outcome): number | undefined => {
  const { answer, entry, errand, reply } = one
  const { outcome, responseCommitment } = entry.receipt
  if (outcome === "failed" || responseCommitment === undefined || reply === undefined) return 0
  const parts = prefixes(reply)
  const all = parts.at(-1)
  if (outcome === "completed") {
    if (!answer.broken) assert.strictEqual(plain(answer), all?.text, "the whole answer arrives as it was sent")
    return all?.tokens ?? 0
  }
  assert.isTrue(errand.stream, "a whole answer arrives whole, or not at all")
  if (outcome === "truncated") {
    if (answer.broken) return undefined
    assert.isString(FaultLane.codeOf(plain(answer)), "an answer that was cut ends with an error")
    return readBy(one)
  }
  // The buyer left: the receipt commits to what had been handed to its connection.
  const salt = Buffer.from(entry.salts.response, "hex")
  const part = parts.find(
    ({ text }) => createHash("sha256").update(salt).update(text).digest("hex") === responseCommitment,
  )
  // Comments are committed to as well, and nobody wrote down where the last ones stood.
  if (!one.pings) assert.isDefined(part, "what was committed to is a part of what the provider sent")
  return part?.tokens
}

/** Checks one receipt against what both ends saw. */
const check = (outcome: Outcome, held: bigint): void => {
  const { answer, entry, errand, reply } = outcome
  const { receipt } = entry
  const { inputToken = 0, outputToken = 0 } = receipt.usage
  const delivered = deliveredBy(outcome)
  const told = answer.headers["x-request-id"]
  if (told !== undefined) assert.strictEqual(told, receipt.id)
  if (receipt.outcome === "failed") {
    assert.deepStrictEqual([inputToken, outputToken, receipt.charge], [0, 0, 0n], "who got nothing pays nothing")
    return
  }
  assert.strictEqual(inputToken, errand.promptTokens, "the prompt is billed once")
  if (delivered === undefined) {
    const all = reply?.shown.reduce((sum, { tokens }) => sum + tokens, 0) ?? 0
    assert.isAtMost(outputToken, Math.max(all, reply?.lie ?? 0))
    if (reply?.lie === undefined) assert.isAtLeast(outputToken, Math.min(readBy(outcome), errand.maxTokens))
  } else {
    const most = Math.min(delivered * 4 + 8, errand.maxTokens)
    const honest = Math.min(delivered, errand.maxTokens)
    const lied = Math.min(reply?.lie ?? 0, most)
    // A report counts once it came; an answer that was cut short had none, or had.
    const allowed = reply?.lie === undefined ? [honest] : receipt.outcome === "completed" ? [lied] : [honest, lied]
    assert.include(allowed, outputToken, `billed of ${delivered} delivered`)
  }
  const cost = BigInt(inputToken) * TestLane.INPUT_UNIT + BigInt(outputToken) * TestLane.OUTPUT_UNIT
  assert.strictEqual(receipt.charge, cost < held ? cost : held, "the charge is the usage at its price, within the hold")
}

const once = <A>(values: ReadonlyArray<A>): Array<A> => [...new Set(values)]

interface Call {
  readonly asked: FaultUpstream.Asked
  readonly attempt: number
  readonly reply: Errand.Reply
}

/** Which attempt a call is, as its ticket says: two may arrive in another order than they were sent in. */
const attemptOf = ({ headers }: FaultUpstream.Asked): number => {
  const text = Buffer.from(headers["guildhall-ticket"] ?? "", "base64url").toString()
  return Schema.decodeUnknownSync(Schema.fromJsonString(Schema.toCodecJson(Ticket.SignedTicket)))(text).ticket.attempt
}

/** Runs the errands of a seed, and checks all that must be so afterwards. Answers what came of them. */
export const run = async (seed: number, spoiled: Spoiled = {}): Promise<ReadonlyArray<string>> => {
  const chance = Chance.make(seed)
  const { lane, pings, seen } = await startLane(chance, spoiled)
  try {
    const asked = new Map<number, Array<Call>>()
    const errands: Array<Errand.Errand> = []
    const answers: FaultUpstream.Answers = {
      by: (call) => {
        const errand = errands[Errand.numberIn(call.body)]
        if (errand === undefined) return []
        const calls = asked.get(errand.number) ?? []
        asked.set(errand.number, calls)
        const attempt = attemptOf(call)
        const reply = errand.replies[attempt - 1] ?? errand.replies[0]
        calls.push({ asked: call, attempt, reply })
        return reply.plan
      },
    }
    const { model, upstream } = await lane.provide(answers, {
      instances: chance.between(1, 4),
      instance: { endpoints: ["chat/completions", "completions", "messages", "responses"] },
    })
    const count = chance.between(2, 7)
    for (let number = 0; number < count; number++) errands.push(Errand.draw(chance, number, model))
    const answered = await Promise.all(errands.map((errand) => go(lane.port, errand)))
    const { earned, fees, spent } = await lane.books()
    const { calls, ledger } = seen
    if (calls === undefined || ledger === undefined) throw new Error("the lane never started")
    await Waiting.until("every call to a provider is over", () => upstream.counts().underWay === 0, 2_000)
    await Waiting.until("every call of the lane is over", () => calls.opened === calls.closed, 2_000)
    assert.isAtMost(upstream.counts().asked, calls.opened)
    // Giving back again what was given back already changes nothing, and is done where an answer was lost.
    const voided = once(ledger.voided)
    assert.deepStrictEqual(once(ledger.settled), ledger.settled, "no hold is charged twice")
    assert.sameMembers([...ledger.settled, ...voided], ledger.made, "each hold is charged or given back, not both")

    const entries = await lane.ended()
    assert.strictEqual(entries.length, once(entries.map(({ id }) => id)).length)
    let charged = 0n
    const outcomes: Array<string> = []
    for (const entry of entries) {
      const number = [...asked].find(([, calls]) =>
        calls.some(({ asked }) => asked.headers["x-request-id"] === entry.receipt.id),
      )?.[0]
      const at = number ?? answered.findIndex(({ headers }) => headers["x-request-id"] === entry.receipt.id)
      const errand = errands[at]
      const answer = answered[at]
      charged += entry.receipt.charge
      if (errand === undefined || answer === undefined) {
        assert.strictEqual(entry.receipt.charge, 0n)
        continue
      }
      const hold = await lane.run(lane.ledger.findHold(HoldId.make(entry.receipt.id)))
      const reply = asked.get(at)?.find(({ attempt }) => attempt === entry.receipt.attempts)?.reply
      try {
        check({ answer, entry, errand, pings, reply }, hold?.amount ?? 0n)
      } catch (cause) {
        const { outcome, reason } = entry.receipt
        const story = `errand ${at} (${errand.dialect}${errand.stream ? ", stream" : ""}): ${reply?.kind}; ${outcome} ${reason ?? ""}`
        throw new Error(story, { cause })
      }
      outcomes.push(entry.receipt.outcome)
    }
    assert.strictEqual(spent, charged, "the buyer's account lost what the receipts say")
    assert.strictEqual(earned + fees, spent)
    return outcomes
  } finally {
    await lane.close()
  }
}
