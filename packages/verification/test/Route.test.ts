/** Where an endpoint leads, and who holds its certificate: with real sockets, and names that mean what a test says. */
import { once } from "node:events"
import { createServer as createTcp, type AddressInfo, type LookupFunction, type Server } from "node:net"
import { createServer as createTls } from "node:tls"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Resolve from "../src/endpoint/checks/Resolve.ts"
import * as Tls from "../src/endpoint/checks/Tls.ts"
import * as RouteLook from "../src/endpoint/RouteLook.ts"
import * as PublicLookup from "../src/PublicLookup.ts"
import * as Certificates from "./Certificates.ts"

const certificates = Certificates.make()
const servers: Array<Server> = []
afterAll(() => {
  for (const server of servers) server.close()
})

const listen = async (server: Server): Promise<number> => {
  servers.push(server)
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  return (server.address() as AddressInfo).port
}

/** Names lead to these addresses, one after the other; the last one stays. */
const resolving = (...answers: ReadonlyArray<ReadonlyArray<string>>) => {
  let asked = 0
  const lookup: LookupFunction = (_, options, callback) => {
    const found = answers[Math.min(asked, answers.length - 1)] ?? []
    asked += 1
    const list = found.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }))
    if (list.length === 0) callback(Object.assign(new Error("queryA ENOTFOUND"), { code: "ENOTFOUND" }), [])
    else if (options.all === true) callback(null, list)
    else callback(null, list[0]?.address ?? "", list[0]?.family)
  }
  return { lookup, asked: () => asked }
}

const look = (url: string, options: Partial<RouteLook.Options> = {}) =>
  Effect.runPromise(RouteLook.url(url, { allowPrivate: false, ...options }))

describe("resolve", () => {
  it.each([
    ["loopback", ["127.0.0.1"]],
    ["the metadata service", ["169.254.169.254"]],
    ["one private address among public ones", ["93.184.216.34", "10.1.2.3"]],
    ["a carrier's network", ["100.64.1.1"]],
    ["IPv4 in IPv6", ["::ffff:127.0.0.1"]],
    ["NAT64", ["64:ff9b::7f00:1"]],
    ["6to4", ["2002:7f00:1::"]],
    ["unique local IPv6", ["fd00::1"]],
  ] as const)("refuses a name that leads to %s", async (_, addresses) => {
    const { lookup } = resolving(addresses)
    const verdict = Resolve.judge(await look("https://gpu.example.com", { resolver: lookup }))
    assert.strictEqual(verdict.state, "failed")
    assert.strictEqual(verdict.code, "entry_not_public")
    assert.include(verdict.detail, addresses.at(-1) ?? "")
    assert.include(verdict.fix, "tunnel")
  })

  it.each(["https://127.0.0.1", "https://2130706433", "https://0177.0.0.1", "https://0x7f.1", "https://[::1]"])(
    "refuses %s",
    async (url) => {
      assert.strictEqual(Resolve.judge(await look(url)).code, "entry_not_public")
    },
  )

  it("passes public addresses, says where a name leads, and names one that leads nowhere", async () => {
    const { lookup } = resolving(["93.184.216.34", "2606:2800:220:1::1"])
    const route = await look("http://gpu.example.com", { resolver: lookup })
    assert.deepInclude(Resolve.judge(route), { state: "passed" })
    assert.include(Resolve.judge(route).detail, "2606:2800:220:1::1")
    const nowhere = Resolve.judge(await look("http://gone.example.com", { resolver: resolving([]).lookup }))
    assert.strictEqual(nowhere.code, "entry_name_unknown")
    assert.include(nowhere.detail, "gone.example.com")
  })

  it("allows private addresses where the market does", async () => {
    const { lookup } = resolving(["10.0.0.7"])
    const route = await look("http://gpu-1", { resolver: lookup, allowPrivate: true })
    assert.strictEqual(Resolve.judge(route).state, "passed")
  })

  it("does not connect to an address that is not public", async () => {
    let connections = 0
    const port = await listen(
      createTcp((socket) => {
        connections += 1
        socket.destroy()
      }),
    )
    const route = await look(`https://gpu.example.com:${port}`, { resolver: resolving(["127.0.0.1"]).lookup })
    assert.deepInclude(route, { _tag: "Found", tls: { _tag: "NotAsked" } })
    assert.strictEqual(Tls.judge(route, Date.now()).state, "not_checked")
    assert.strictEqual(connections, 0)
  })

  it("a name that means another address when it is connected to is looked at again", async () => {
    const { lookup } = resolving(["93.184.216.34"], ["169.254.169.254"])
    const ask = () =>
      new Promise<unknown>((resolve) => {
        PublicLookup.over(lookup)("gpu.example.com", { all: false }, (error, address) => resolve(error ?? address))
      })
    assert.strictEqual(await ask(), "93.184.216.34")
    assert.instanceOf(await ask(), PublicLookup.PrivateHost)
  })
})

describe("tls", () => {
  const verdictOf = async (pair: Certificates.Pair, host = "localhost") => {
    const port = await listen(createTls({ key: pair.key, cert: pair.cert }, (socket) => socket.end()))
    const options = { allowPrivate: true, resolver: resolving(["127.0.0.1"]).lookup }
    const route = await look(`https://${host}:${port}`, { ...options, authorities: [certificates.authority] })
    return Tls.judge(route, Date.now())
  }

  it("passes a certificate that is trusted, for the host and valid, and tells the days left", async () => {
    const verdict = await verdictOf(certificates.good)
    assert.strictEqual(verdict.state, "passed", verdict.detail)
    assert.match(verdict.detail, /valid for (59|60) more days/)
    assert.isUndefined(verdict.fix)
  })

  it.each([
    ["selfSigned", "entry_certificate_self_signed", /signed by nobody but itself/],
    ["otherHost", "entry_certificate_wrong_host", /is for DNS:other\.example, and not for localhost/],
    ["expired", "entry_certificate_expired", /expired on \d{4}-\d\d-\d\d/],
    ["future", "entry_certificate_expired", /not valid before \d{4}-\d\d-\d\d/],
  ] as const)("refuses one that is %s, in words of its own", async (name, code, words) => {
    const verdict = await verdictOf(certificates[name])
    assert.strictEqual(verdict.code, code, verdict.detail)
    assert.match(verdict.detail, words)
    assert.isString(verdict.fix)
  })

  it("refuses one by an authority that nobody trusts", async () => {
    const port = await listen(createTls({ key: certificates.good.key, cert: certificates.good.cert }))
    const resolver = resolving(["127.0.0.1"]).lookup
    const verdict = Tls.judge(await look(`https://localhost:${port}`, { allowPrivate: true, resolver }), Date.now())
    assert.strictEqual(verdict.code, "entry_certificate_untrusted")
  })

  it("says that a certificate ends soon", async () => {
    const route = {
      _tag: "Found",
      host: "gpu.example.com",
      addresses: ["93.184.216.34"],
      isPrivateAllowed: false,
      tls: {
        _tag: "Presented",
        certificate: {
          validFromMs: 0,
          validToMs: 3 * 86_400_000,
          isSelfSigned: false,
          subject: "",
          names: "",
          trust: undefined,
          identity: undefined,
        },
      },
    } as const
    const verdict = Tls.judge(route, 86_400_000)
    assert.strictEqual(verdict.state, "passed")
    assert.include(verdict.detail, "2 more days")
    assert.strictEqual(verdict.fix, "Renew it soon.")
  })

  it("refuses a URL without encryption, but on the market's own network, and a server that does not speak TLS", async () => {
    const open = await look("http://gpu.example.com", { resolver: resolving(["93.184.216.34"]).lookup })
    assert.strictEqual(Tls.judge(open, 0).code, "entry_no_tls")
    const inside = await look("http://127.0.0.1:1", { allowPrivate: true })
    assert.strictEqual(Tls.judge(inside, 0).state, "does_not_apply")
    const port = await listen(createTcp((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")))
    const plain = await look(`https://127.0.0.1:${port}`, { allowPrivate: true })
    assert.strictEqual(Tls.judge(plain, 0).code, "entry_no_handshake")
  })

  it("gives up on a server that says nothing", async () => {
    const port = await listen(createTcp(() => undefined))
    const route = await look(`https://127.0.0.1:${port}`, { allowPrivate: true, limitMs: 200 })
    assert.strictEqual(Tls.judge(route, 0).code, "entry_no_handshake")
  })
})
