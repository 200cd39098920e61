import type { LookupAddress } from "node:dns"
import { createServer } from "node:http"
import { type AddressInfo, connect, type LookupFunction } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as PublicLookup from "../src/PublicLookup.ts"

const answering =
  (...addresses: ReadonlyArray<string>): LookupFunction =>
  (_name, _options, tell) =>
    tell(
      null,
      addresses.map((address): LookupAddress => ({ address, family: address.includes(":") ? 6 : 4 })),
    )

const ask = (all: boolean, ...addresses: ReadonlyArray<string>) =>
  new Promise<unknown>((resolve) => {
    PublicLookup.over(answering(...addresses))("gpu.example.com", { all }, (error, found) => resolve(error ?? found))
  })

describe("a name is looked up", () => {
  it("to its public addresses only, where it has both kinds", async () => {
    const mixed = ["10.0.0.1", "93.184.216.34", "::ffff:127.0.0.1", "2606:4700:4700::1111", "169.254.169.254"]
    assert.deepStrictEqual(await ask(true, ...mixed), [
      { address: "93.184.216.34", family: 4 },
      { address: "2606:4700:4700::1111", family: 6 },
    ])
    assert.strictEqual(await ask(false, ...mixed), "93.184.216.34")
  })

  it("to nothing, where it means an address inside a network, however that is written", async () => {
    for (const address of [
      "127.0.0.1",
      "0.0.0.0",
      "169.254.169.254",
      "100.100.100.200",
      "::1",
      "::",
      "::ffff:169.254.169.254",
      "::ffff:a9fe:a9fe",
      "64:ff9b::a9fe:a9fe",
      "64:ff9b:1::7f00:1",
      "2002:7f00:1::",
      "fd00:ec2::254",
      "fe80::1%eth0",
      "not an address",
    ]) {
      for (const all of [true, false]) assert.instanceOf(await ask(all, address), PublicLookup.PrivateHost, address)
    }
    assert.instanceOf(await ask(true), PublicLookup.PrivateHost)
  })

  it("when it is connected to: an address that was public before helps nobody", async () => {
    let calls = 0
    const server = createServer(() => (calls += 1)).listen(0, "127.0.0.1")
    await new Promise((resolve) => server.once("listening", resolve))
    const { port } = server.address() as AddressInfo
    const answers = ["93.184.216.34", "127.0.0.1"]
    const rebinding: LookupFunction = (name, options, tell) =>
      answering(answers.shift() ?? "127.0.0.1")(name, options, tell)
    const lookup = PublicLookup.over(rebinding)
    const first = await new Promise((resolve) => lookup("gpu.example.com", {}, (_error, found) => resolve(found)))
    assert.strictEqual(first, "93.184.216.34")
    const error = await new Promise((resolve) =>
      connect({ host: "gpu.example.com", port, lookup }).once("error", resolve),
    )
    assert.instanceOf(error, PublicLookup.PrivateHost)
    assert.strictEqual(calls, 0)
    server.close()
  })
})
