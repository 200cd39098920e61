/**
 * The places in a request's way at which a test stops the process: at least one in each of the eight steps. A step that waits for
 * something is stopped while it waits; one that does not, by a breakpoint.
 */
import * as Aftermath from "./Aftermath.ts"
import * as Breakpoint from "./Breakpoint.ts"
import type { CrashMarket } from "./CrashMarket.ts"
import type { Buyer } from "./FundedBuyer.ts"
import type { Asked } from "./LaneBuyer.ts"
import * as RunningMarket from "./RunningMarket.ts"

type Step = "admit" | "price" | "hold" | "route" | "relay" | "meter" | "settle" | "receipt"

/** A request that stands at a point. `release` lets the database and the process go on; the process may be dead by then. */
interface Standing {
  readonly asked: Asked
  readonly release: (isAlive: boolean) => Promise<void>
}

export interface CrashPoint {
  readonly step: Step
  readonly name: string
  /** Whether the buyer has a hold there, or will have one although the process is dead. */
  readonly hasHold: boolean
  /** Whether the charge is posted although the process is dead. */
  readonly isCharged: boolean
  /** Whether it stands at a table that the test holds, and not in the process. */
  readonly isHeldInDatabase: boolean
  /** Whether the buyer asks, and pays, once before. */
  readonly asksBefore: boolean
  /** Whether the whole answer has gone to the buyer. */
  readonly isAnswered: boolean
  readonly reach: (market: CrashMarket, buyer: Buyer, how: How) => Promise<Standing>
}

/** `slowly` makes the answer last longer than a process stays frozen. */
interface How {
  readonly stream: boolean
  readonly slowly: boolean
  readonly idempotencyKey?: string
}

const quick = "tokens=8"
/** A whole answer comes after as long as it takes to stream one. */
const slow = ({ slowly, stream }: How): string => {
  if (stream) return slowly ? "tokens=120 gap=50" : "tokens=30 gap=50"
  return slowly ? "tokens=8 gap=6000" : "tokens=8 gap=1500"
}

const seen = (asked: Asked, text: string) =>
  RunningMarket.until(`the buyer to see ${text}`, () => (asked.text().includes(text) ? true : undefined))

const optional = ({ idempotencyKey }: How) => (idempotencyKey === undefined ? {} : { idempotencyKey })

/** Stops the process at a line of its source. */
const atLine =
  (place: Breakpoint.Place, script: (how: How) => string = () => quick): CrashPoint["reach"] =>
  async (market, buyer, how) => {
    const point = await Breakpoint.set(market.market().output(), place)
    const asked = market.ask(buyer, { stream: how.stream, script: script(how), ...optional(how) })
    await point.reached
    return { asked, release: async (isAlive) => (isAlive ? point.lift() : undefined) }
  }

/** Waits until no hold is left of former requests, whose end would be taken for this one's. */
const isCalm = ({ database }: CrashMarket) =>
  RunningMarket.until("former holds to be over", async () => {
    const found = await database.query(`SELECT 1 FROM ledger_holds WHERE state = 'pending'`)
    return found.length === 0 ? true : undefined
  })

/** A request whose answer is there, and whose end stands at a table. */
const ending = async (
  market: CrashMarket,
  buyer: Buyer,
  how: How,
  table: "ledger_holds" | "journal_entries",
): Promise<Standing> => {
  await isCalm(market)
  const script = how.stream ? "tokens=8 gap=60" : "tokens=8 gap=480"
  const asked = market.ask(buyer, { stream: how.stream, script, ...optional(how) })
  await Aftermath.isHeld(market, buyer)
  const held = await market.database.hold(table)
  if (table === "journal_entries") await Aftermath.isHeld(market, buyer, "posted")
  await held.met()
  return { asked, release: () => held.release() }
}

export const points: ReadonlyArray<CrashPoint> = [
  // First, while no former crash has left a claim or a hold that would write to the same tables.
  {
    step: "settle",
    name: "while the charge commits",
    hasHold: true,
    isCharged: true,
    isHeldInDatabase: true,
    asksBefore: false,
    isAnswered: true,
    reach: (market, buyer, how) => ending(market, buyer, how, "ledger_holds"),
  },
  {
    step: "receipt",
    name: "while the receipt is copied to the journal",
    hasHold: true,
    isCharged: true,
    isHeldInDatabase: true,
    asksBefore: false,
    isAnswered: true,
    reach: (market, buyer, how) => ending(market, buyer, how, "journal_entries"),
  },
  {
    step: "hold",
    name: "while the hold commits and the provider is at work",
    hasHold: true,
    isCharged: false,
    isHeldInDatabase: true,
    asksBefore: true,
    isAnswered: false,
    reach: async (market, buyer, how) => {
      // Whoever is known to have plenty is served while the hold commits.
      await market.ask(buyer, { stream: false, script: quick }).answer
      await isCalm(market)
      const held = await market.database.hold("ledger_holds")
      const { counts } = market.providers[0]?.engine ?? { counts: { seen: 0 } }
      const before = counts.seen
      const asked = market.ask(buyer, { stream: how.stream, script: slow(how), ...optional(how) })
      await held.met()
      await RunningMarket.until("the provider at work", () => (counts.seen > before ? true : undefined))
      return { asked, release: () => held.release() }
    },
  },
  {
    step: "admit",
    name: "while the body comes",
    hasHold: false,
    isCharged: false,
    isHeldInDatabase: false,
    asksBefore: false,
    isAnswered: false,
    reach: async (market, buyer, how) => {
      const asked = market.ask(buyer, { stream: how.stream, script: quick, held: true, ...optional(how) })
      await RunningMarket.until("the request under way", async () => {
        const { body } = await market.market().call("/metrics")
        return /^guildhall_inference_in_flight(?:\{[^}]*\})? 1$/m.test(String(body)) ? true : undefined
      })
      return { asked, release: () => Promise.resolve(asked.goOn()) }
    },
  },
  {
    step: "price",
    name: "while it is priced",
    hasHold: false,
    isCharged: false,
    isHeldInDatabase: false,
    asksBefore: false,
    isAnswered: false,
    reach: atLine({
      file: "packages/gateway/src/Price.ts",
      text: "const { audioBytes, choices, images, maxTokens, media } = admitted.touched",
    }),
  },
  {
    step: "hold",
    name: "before the hold is asked for",
    hasHold: false,
    isCharged: false,
    isHeldInDatabase: false,
    asksBefore: false,
    isAnswered: false,
    reach: atLine({ file: "packages/gateway/src/Hold.ts", text: "renewal.track(gate)" }),
  },
  {
    step: "route",
    name: "with an instance chosen and the ticket not signed",
    hasHold: true,
    isCharged: false,
    isHeldInDatabase: false,
    asksBefore: false,
    isAnswered: false,
    reach: atLine(
      {
        file: "packages/gateway/src/internal/Attempts.ts",
        text: "const nowMs = yield* Clock.currentTimeMillis",
      },
      slow,
    ),
  },
  {
    step: "relay",
    name: "in the middle of the answer",
    hasHold: true,
    isCharged: false,
    isHeldInDatabase: false,
    asksBefore: false,
    isAnswered: false,
    reach: async (market, buyer, how) => {
      const engine = market.providers[0]?.engine
      const asked = market.ask(buyer, { stream: how.stream, script: slow(how), ...optional(how) })
      if (how.stream) await seen(asked, "word3")
      else await RunningMarket.until("the provider at work", () => (engine?.counts.active === 1 ? true : undefined))
      return { asked, release: () => Promise.resolve() }
    },
  },
  {
    step: "meter",
    name: "while it is metered",
    hasHold: true,
    isCharged: false,
    isHeldInDatabase: false,
    asksBefore: false,
    isAnswered: true,
    reach: atLine({ file: "packages/gateway/src/Meter.ts", text: "const tally = routed.relayed?.tally" }),
  },
  {
    step: "receipt",
    name: "while the receipt is written",
    hasHold: true,
    isCharged: false,
    isHeldInDatabase: false,
    asksBefore: false,
    isAnswered: true,
    reach: atLine({
      file: "packages/gateway/src/Receipt.ts",
      text: "const receipt = make(market, admitted, opening, {",
    }),
  },
  {
    step: "settle",
    name: "before the charge is posted",
    hasHold: true,
    isCharged: false,
    isHeldInDatabase: false,
    asksBefore: false,
    isAnswered: true,
    reach: atLine({ file: "packages/gateway/src/Settle.ts", text: "yield* ledger.settle(gate.id, posting)" }),
  },
]
