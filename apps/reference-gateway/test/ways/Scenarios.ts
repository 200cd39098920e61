/**
 * What every way in must do, from joining to leaving, and when its process, its network or the gateway fails. Each scenario
 * ends with the books: what buyers paid, what providers have and what receipts say is one story.
 */
import { afterAll, afterEach, assert, beforeAll, describe, it } from "@effect/vitest"
import OpenAI from "openai"
import { setTimeout as pause } from "node:timers/promises"
import * as Aftermath from "../Aftermath.ts"
import type { Buyer } from "../FundedBuyer.ts"
import * as RunningMarket from "../RunningMarket.ts"
import { words } from "../UncalledAgent.ts"
import type { Provider, Way } from "./Way.ts"
import * as WayMarket from "./WayMarket.ts"

const LIMIT_MS = 300_000
const PATIENT_MS = 90_000
const SILENT_IN_CI: ReadonlySet<string> = new Set(["endpoint", "tunnel"])

/** A token is four bytes to the meter where nobody told it more of a model; to be charged for more than came is to be overcharged. */
const mostOf = ({ text }: WayMarket.Ended): number => Math.ceil(Buffer.byteLength(text) / 4)

/** Sums what receipts gave the provider. */
const shares = async (market: WayMarket.WayMarket, buyer: Buyer, ids: ReadonlyArray<string | undefined>) => {
  let sum = 0n
  for (const id of ids) {
    const receipt = await RunningMarket.receipt(market.market(), id ?? "", buyer.key)
    for (const { amount, party } of receipt?.split ?? []) if (party === "provider") sum += BigInt(amount)
  }
  return sum
}

/** What the ledger has for a provider. */
const earned = async (market: WayMarket.WayMarket, { member }: Provider): Promise<bigint> =>
  [...(await RunningMarket.accounts(market.market()))]
    .filter(([id]) => id.startsWith("accrual:") && id.endsWith(`:${member}`))
    .reduce((sum, [, amount]) => sum + amount, 0n)

/** Adds the scenarios of a way to a test file. */
export const suite = (way: Way): void => {
  describe(`the way "${way.name}"`, () => {
    const isStreamed = way.delivery === "tokens"
    let market: WayMarket.WayMarket
    let count = 0
    beforeAll(async () => {
      market = await WayMarket.start(way)
    }, 90_000)
    // Joining takes longest, so one provider stays for the next scenario, unless this one left it in some other state.
    afterEach(async ({ task }) => {
      const gone = market.providers.splice(task.result?.state === "fail" ? 0 : 1)
      for (const provider of gone) await provider.kill()
      await online(market.providers.length)
    }, LIMIT_MS)
    afterAll(async () => {
      await market?.close()
    }, 60_000)

    const online = (count: number) =>
      RunningMarket.until(
        `${count} of ${market.model} to be online`,
        async () => ((await RunningMarket.instancesOnline(market.market(), market.model)) === count ? true : undefined),
        PATIENT_MS,
      )

    /** Another provider that is online. */
    const join = async (): Promise<Provider> => {
      count += 1
      const provider = await way.join(market, `provider ${count}`)
      market.providers.push(provider)
      await RunningMarket.listed(market.market(), market.model, market.providers.length, PATIENT_MS)
      return provider
    }

    /** The provider that is there, or the first. */
    const only = async (): Promise<Provider> => market.providers[0] ?? (await join())

    const buy = (): Promise<Buyer> => market.buyer(`buyer ${(count += 1)}`)

    const asked = (): number => market.providers.reduce((sum, provider) => sum + provider.asked(), 0)

    /** Asks, and waits until the answer is being made, and has begun to come where it comes token by token. */
    const begin = async (buyer: Buyer, script: string): Promise<WayMarket.Asked> => {
      const before = asked()
      const answer = market.ask(buyer, script)
      let end: WayMarket.Ended | undefined
      void answer.ended.then((ended) => (end = ended))
      await RunningMarket.until(
        `an answer to ${script}`,
        () => {
          if (end !== undefined) throw new Error(`It ended at once: ${JSON.stringify(end)} ${String(end.error)}`)
          return (isStreamed ? answer.parts() >= 3 : asked() > before) ? true : undefined
        },
        PATIENT_MS,
      )
      return answer
    }

    const isFine = async (buyer: Buyer): Promise<Awaited<ReturnType<typeof Aftermath.of>>> => {
      await Aftermath.settled(market)
      const fates = await Aftermath.of(market, buyer)
      await Aftermath.books(market)
      return fates
    }

    const fateOf = (fates: Awaited<ReturnType<typeof isFine>>, { id }: WayMarket.Ended): Aftermath.Fate => {
      const fate = fates.find((one) => one.id === id)
      if (fate === undefined) throw new Error(`No hold of ${id}.`)
      return fate
    }

    it(
      "joins as itself, is checked, serves the openai client, earns what receipts say, and leaves when its work is done",
      async () => {
        const provider = await join()
        if (way.checks.length > 0) {
          const { checks, isAttested, state } = await market.entry(provider)
          assert.strictEqual(state, "passed", JSON.stringify(checks))
          assert.strictEqual(isAttested, way.isAttested)
          assert.sameMembers(
            checks.map(({ check }) => check),
            [...way.checks],
          )
        }
        const buyer = await buy()
        const slow = await begin(buyer, "tokens=100 gap=20")
        // Some of it is there while the rest is still being made, or nothing.
        if (isStreamed) assert.isBelow(slow.parts(), 100)
        else assert.strictEqual(slow.parts(), 0)
        const served = [await slow.ended]
        for (const tokens of [1, 7]) served.push(await market.ask(buyer, `tokens=${tokens}`).ended)
        assert.deepStrictEqual(
          served.map(({ text }) => text.trim()),
          [words(100).trim(), words(1).trim(), words(7).trim()],
        )
        if (isStreamed) {
          assert.deepStrictEqual(
            served.map(({ parts }) => parts),
            [100, 1, 7],
          )
        }

        // What is under way when it begins to leave ends well, and nothing new comes to it.
        const last = await begin(buyer, "tokens=80 gap=20")
        const leaving = provider.leave()
        await RunningMarket.unlisted(market.market(), market.model, PATIENT_MS)
        const before = provider.asked()
        const refused = await market.ask(buyer, "tokens=2").ended
        assert.isDefined(refused.code, String(refused.error))
        assert.strictEqual(provider.asked(), before)
        served.push(await last.ended)
        assert.strictEqual(served.at(-1)?.text.trim(), words(80).trim(), String(served.at(-1)?.error))
        await leaving
        // What it served last is paid by now, and need not be claimed: it may keep that line for its next start.
        market.providers.splice(0)

        const fates = await isFine(buyer)
        for (const end of served) {
          const { receipt } = fateOf(fates, end)
          assert.strictEqual(receipt.outcome, "completed")
          assert.strictEqual(receipt.unattested, way.isAttested ? undefined : true)
        }
        const split = await shares(
          market,
          buyer,
          served.map(({ id }) => id),
        )
        assert.isTrue(split > 0n)
        assert.strictEqual(await earned(market, provider), split)
      },
      LIMIT_MS,
    )

    it(
      "is killed with an answer under way: the buyer pays for what came at most, the others serve on, and it comes back as itself",
      async () => {
        const [first, second] = [await only(), await join()]
        const buyer = await buy()
        const before = [first.asked(), second.asked()]
        const answer = await begin(buyer, isStreamed ? "tokens=400 gap=20" : "tokens=100 gap=20")
        const isFirst = await RunningMarket.until("one of them to be asked", () =>
          first.asked() > Number(before[0]) ? true : second.asked() > Number(before[1]) ? false : undefined,
        )
        const [victim, other] = isFirst ? [first, second] : [second, first]
        const { id } = await WayMarket.instanceOf(market.market(), victim.member)
        await victim.kill()
        const ended = await answer.ended
        if (isStreamed) {
          assert.instanceOf(ended.error, OpenAI.APIError)
          assert.strictEqual(ended.code, "provider_closed_early")
        } else {
          // Nothing of it had come, so another made it, whole.
          assert.strictEqual(ended.text.trim(), words(100).trim(), String(ended.error))
        }
        const others = other.asked()
        assert.strictEqual((await market.ask(buyer, "tokens=3").ended).text.trim(), words(3).trim())
        await RunningMarket.until("the other to have been asked", () => (other.asked() > others ? true : undefined))
        await online(1)
        await victim.comeBack()
        await online(2)
        assert.strictEqual((await WayMarket.instanceOf(market.market(), victim.member)).id, id)

        const { receipt } = fateOf(await isFine(buyer), ended)
        assert.strictEqual(receipt.outcome, isStreamed ? "truncated" : "completed")
        assert.isAtMost(Number(receipt.usage.outputToken), mostOf(ended))
      },
      LIMIT_MS,
    )

    it(
      `loses its network for two seconds: what is under way ${way.shortLoss === "goes on" ? "goes on, and nothing is missing" : "ends with an error, and the next is served"}`,
      async () => {
        const provider = await only()
        const buyer = await buy()
        const answer = await begin(buyer, "tokens=200 gap=20")
        provider.network.cut()
        await pause(2_000)
        provider.network.mend()
        const ended = await answer.ended
        if (way.shortLoss === "goes on") assert.strictEqual(ended.text.trim(), words(200).trim(), String(ended.error))
        else assert.strictEqual(ended.code, "provider_closed_early", String(ended.error))
        assert.strictEqual((await market.served(buyer, "tokens=3")).trim(), words(3).trim())

        const { receipt } = fateOf(await isFine(buyer), ended)
        assert.strictEqual(receipt.outcome, way.shortLoss === "goes on" ? "completed" : "truncated")
        assert.isAtMost(Number(receipt.usage.outputToken), mostOf(ended))
      },
      LIMIT_MS,
    )

    // What ends a long silence is the market's, whatever the way: on a build machine two ways stand for all.
    it.skipIf(process.env["CI"] === "true" && !SILENT_IN_CI.has(way.name))(
      "loses its network for long, and nobody is told: the answer ends with an error, it is off the list, and comes back by itself",
      async () => {
        const provider = await only()
        const buyer = await buy()
        const answer = await begin(buyer, "tokens=450 gap=40")
        provider.network.hang()
        const ended = await answer.ended
        assert.instanceOf(ended.error, OpenAI.APIError)
        assert.isDefined(ended.code, String(ended.error))
        await RunningMarket.unlisted(market.market(), market.model, PATIENT_MS)
        const refused = await market.ask(buyer, "tokens=2").ended
        assert.isDefined(refused.code, String(refused.error))
        provider.network.mend()
        await RunningMarket.listed(market.market(), market.model, 1, PATIENT_MS)
        assert.strictEqual((await market.served(buyer, "tokens=3")).trim(), words(3).trim())

        const { receipt } = fateOf(await isFine(buyer), ended)
        assert.isAtMost(Number(receipt.usage.outputToken ?? 0), mostOf(ended))
      },
      LIMIT_MS,
    )

    it(
      "meets a gateway that is killed with an answer under way: the buyer pays nothing, a signed claim is paid, and it serves again by itself",
      async () => {
        const provider = await only()
        const buyer = await buy()
        assert.strictEqual((await market.served(buyer, "tokens=2")).trim(), words(2).trim())
        const answer = await begin(buyer, "tokens=400 gap=20")
        await Aftermath.isHeld(market, buyer)
        await market.market().kill("SIGKILL")
        const ended = await answer.ended
        assert.isDefined(ended.error)
        await market.restart()
        await RunningMarket.listed(market.market(), market.model, 1, PATIENT_MS)
        assert.strictEqual((await market.served(buyer, "tokens=3")).trim(), words(3).trim())

        const fates = await isFine(buyer)
        const lost = fates.filter(({ receipt }) => receipt.outcome === "recovered")
        assert.lengthOf(lost, 1)
        for (const { receipt } of lost) {
          assert.strictEqual(receipt.charge, 0n)
          // What nobody signed, nobody can claim.
          assert.strictEqual(receipt.paidFromLoss > 0n, way.isAttested)
        }
        assert.isTrue((await earned(market, provider)) > 0n)
      },
      LIMIT_MS,
    )

    it(
      "meets a gateway that is stopped with answers under way: a short one ends, a long one ends with an error, and it serves again by itself",
      async () => {
        await only()
        const buyer = await buy()
        const long = isStreamed ? await begin(buyer, "tokens=490 gap=40") : undefined
        const short = await begin(buyer, "tokens=60 gap=20")
        const stopped = market.market().kill("SIGTERM")
        const whole = await short.ended
        assert.strictEqual(whole.text.trim(), words(60).trim(), String(whole.error))
        const cut = await long?.ended
        if (cut !== undefined) assert.strictEqual(cut.code, "shutting_down", String(cut.error))
        assert.strictEqual(await stopped, 0)
        await market.restart()
        await RunningMarket.listed(market.market(), market.model, 1, PATIENT_MS)
        assert.strictEqual((await market.served(buyer, "tokens=3")).trim(), words(3).trim())

        const fates = await isFine(buyer)
        assert.strictEqual(fateOf(fates, whole).receipt.outcome, "completed")
        if (cut !== undefined) {
          const { receipt } = fateOf(fates, cut)
          assert.strictEqual(receipt.outcome, "truncated")
          assert.isAtMost(Number(receipt.usage.outputToken), mostOf(cut))
        }
      },
      LIMIT_MS,
    )
  })
}
