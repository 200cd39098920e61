import type * as Http from "node:http"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as DeviceClass from "@guildhall/core/rules/DeviceClass"
import * as Speed from "../src/detect/Speed.ts"
import * as MarketTerms from "../src/MarketTerms.ts"
import * as ToldMarket from "./ToldMarket.ts"

const terms = JSON.stringify({ name: "mine", digest: "d", deviceClasses: DeviceClass.standard, more: [1] })

describe("a market's terms", () => {
  const read = (url: string) => MarketTerms.read(url).pipe(Effect.provide(NodeHttpClient.layerNodeHttp))

  it.live("are read, with the time it tells", () =>
    Effect.gen(function* () {
      const { url } = yield* ToldMarket.make((request, response) => {
        response.setHeader("date", new Date(Date.now() - 90_000).toUTCString())
        response.statusCode = request.url === "/v1/market" ? 200 : 404
        response.end(terms)
      })
      const market = yield* read(`${url}/`)
      assert.strictEqual(market.name, "mine")
      assert.deepStrictEqual(market.deviceClasses, DeviceClass.standard)
      assert.isTrue(Math.abs((market.clockAheadMs ?? 0) - 90_000) < 3_000)
    }).pipe(Effect.scoped),
  )

  it.live("who is no market, or one that means ill, is told apart", () =>
    Effect.gen(function* () {
      let answer: (response: Http.ServerResponse) => void = () => {}
      const { url } = yield* ToldMarket.make((_, response) => answer(response))
      const cases: ReadonlyArray<readonly [string, (response: Http.ServerResponse) => void]> = [
        ["with something else than a market's terms", (response) => response.end("<html>")],
        [
          "with something else than a market's terms",
          (response) => response.end('{"name":"\u001b[2J","deviceClasses":[]}'),
        ],
        ["with status 404", (response) => response.writeHead(404).end("{}")],
        ["with status 302", (response) => response.writeHead(302, { location: "http://169.254.169.254/" }).end()],
        [
          "with something else than a market's terms",
          (response) => {
            const flood = () => {
              while (!response.destroyed && response.write("0".repeat(65_536)));
              response.once("drain", flood)
            }
            flood()
          },
        ],
        ["cannot be reached", (response) => response.destroy()],
      ]
      for (const [what, how] of cases) {
        answer = how
        const error = yield* Effect.flip(read(url))
        assert.strictEqual(error.reason, "MarketAway")
        assert.include(error.detail, what)
      }
    }).pipe(Effect.scoped),
  )

  it.effect("an address that is none is refused before anything is sent", () =>
    Effect.gen(function* () {
      for (const url of ["", "market", "ftp://market", "file:///etc/passwd", "javascript:0"]) {
        assert.strictEqual((yield* Effect.flip(read(url))).reason, "BadSetting")
      }
    }),
  )
})

describe("the speed of the market", () => {
  it.live("is measured within its bounds", () =>
    Effect.gen(function* () {
      let sent = 0
      const { url } = yield* ToldMarket.make((_, response) => {
        sent += 1_000_000
        response.end("0".repeat(1_000_000))
      })
      const { findings, value } = yield* Speed.measure(url).pipe(Effect.provide(NodeHttpClient.layerNodeHttp))
      assert.deepStrictEqual(findings, [])
      assert.isAbove(value?.downKbps ?? 0, 1_000)
      // 32 MiB, and what four connections had under way.
      assert.isBelow(sent, 45_000_000)
    }).pipe(Effect.scoped),
  )

  it.live("is not known of a market that has nothing to measure by", () =>
    Effect.gen(function* () {
      const { url } = yield* ToldMarket.make((_, response) => response.writeHead(404).end())
      const { findings, value } = yield* Speed.measure(url).pipe(Effect.provide(NodeHttpClient.layerNodeHttp))
      assert.isUndefined(value)
      assert.strictEqual(findings[0]?.source, "speed")
    }).pipe(Effect.scoped),
  )
})
