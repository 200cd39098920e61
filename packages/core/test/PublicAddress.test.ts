import { BlockList } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as PublicAddress from "../src/PublicAddress.ts"

const Octet = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 255 })))
const Group = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 0xffff })))
const V4 = Schema.Tuple([Octet, Octet, Octet, Octet])
const V6 = Schema.Tuple([Group, Group, Group, Group, Group, Group, Group, Group])

/** The same rule by Node's own list, which knows nothing of ours. */
const list = new BlockList()
for (const [net, prefix] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 3],
] as const) {
  list.addSubnet(net, prefix, "ipv4")
}

const hostOf = (text: string): string => new URL(`http://${text}/`).hostname
const hex = (octets: ReadonlyArray<number>): string =>
  octets.map((octet) => octet.toString(16).padStart(2, "0")).join("")

describe("PublicAddress", () => {
  it.prop("agrees with Node's list on every IPv4 address", [V4], ([octets]) => {
    const text = octets.join(".")
    assert.strictEqual(PublicAddress.isPublic(text), !list.check(text, "ipv4"))
  })

  it.prop("judges an IPv4 address the same however a URL writes it", [V4], ([octets]) => {
    const text = octets.join(".")
    const expected = PublicAddress.isPublic(text)
    const number = Number.parseInt(hex(octets), 16)
    for (const written of [
      String(number),
      `0x${hex(octets)}`,
      octets.map((octet) => `0${octet.toString(8)}`).join("."),
      octets.map((octet) => `0x${octet.toString(16)}`).join("."),
      `${octets[0]}.${((octets[1] ?? 0) << 16) | ((octets[2] ?? 0) << 8) | (octets[3] ?? 0)}`,
    ]) {
      assert.strictEqual(PublicAddress.isPublicHost(hostOf(written)), expected, written)
    }
  })

  it.prop("takes no IPv6 address that carries an IPv4 one", [V4], ([octets]) => {
    const digits = hex(octets)
    const [a, b] = [digits.slice(0, 4), digits.slice(4)]
    for (const address of [
      `::ffff:${octets.join(".")}`,
      `::ffff:${a}:${b}`,
      `::${a}:${b}`,
      `64:ff9b::${a}:${b}`,
      `64:ff9b:1::${a}:${b}`,
      `2002:${a}:${b}::1`,
      `2001:0:${a}:${b}::1`,
    ]) {
      assert.isFalse(PublicAddress.isPublic(address), address)
      assert.isFalse(PublicAddress.isPublicHost(hostOf(`[${address}]`)), address)
    }
  })

  it.prop("of IPv6 takes addresses of 2000::/3 only, in whatever form", [V6], ([groups]) => {
    const text = groups.map((group) => group.toString(16)).join(":")
    const [first] = groups
    const isGlobal = first >= 0x2000 && first <= 0x3fff
    if (PublicAddress.isPublic(text)) assert.isTrue(isGlobal, text)
    assert.strictEqual(PublicAddress.isPublic(hostOf(`[${text}]`).slice(1, -1)), PublicAddress.isPublic(text))
    assert.strictEqual(PublicAddress.isPublic(text.toUpperCase()), PublicAddress.isPublic(text))
  })

  it("knows public addresses, and what is none", () => {
    for (const address of ["1.1.1.1", "8.8.8.8", "100.128.0.1", "172.32.0.1", "2606:4700:4700::1111", "2a00::1"]) {
      assert.isTrue(PublicAddress.isPublic(address), address)
    }
    for (const text of [
      "",
      "gpu.example.com",
      "1.1.1",
      "1.1.1.1/32",
      "01.1.1.1",
      "[::1]",
      "::1%lo",
      "fd00::1",
      "fe80::1",
      "fc00::1",
      "ff02::1",
      "::",
      "2001:db8::1",
      "3fff::1",
    ]) {
      assert.isFalse(PublicAddress.isPublic(text), text)
    }
  })

  it.prop("no address is both public and local", [V4, V6], ([octets, groups]) => {
    for (const host of [octets.join("."), `[${groups.map((group) => group.toString(16)).join(":")}]`]) {
      assert.isFalse(PublicAddress.isPublicHost(host) && PublicAddress.isLocalHost(host), host)
    }
  })

  it("takes no zone for a name", () => {
    for (const host of ["fe80::1%lo", "[fe80::1%25lo]", "::ffff:10.0.0.1%lo.example", "[::1%lo]"]) {
      assert.isFalse(PublicAddress.isPublicHost(host) || PublicAddress.isLocalHost(host), host)
      assert.isFalse(URL.canParse(`http://${host}/`) && !host.includes("]"), host)
    }
  })

  it("knows the hosts of one's own network, and that a metadata service is none", () => {
    for (const host of ["127.0.0.1", "127.8.8.8", "10.0.0.7", "172.31.0.1", "192.168.1.1", "[::1]", "[fd12::1]"]) {
      assert.isTrue(PublicAddress.isLocalHost(host), host)
    }
    for (const host of ["localhost", "LOCALHOST.", "gateway", "box.lan", "x.internal"]) {
      assert.isTrue(PublicAddress.isLocalHost(host), host)
    }
    for (const host of [
      "169.254.169.254",
      "100.100.100.200",
      "0.0.0.0",
      "[::]",
      "[fe80::1]",
      "[::ffff:127.0.0.1]",
      "[::ffff:a9fe:a9fe]",
      "[64:ff9b::7f00:1]",
      "8.8.8.8",
      "market.example",
      "local.example.com",
      "fe80::1%lo",
    ]) {
      assert.isFalse(PublicAddress.isLocalHost(host), host)
    }
  })
})
