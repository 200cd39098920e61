/**
 * Keys and typed data of EVM chains, against examples that others have published.
 */
import { assert, describe, it } from "@effect/vitest"
import { Option, Schema } from "effect"
import { EvmKey, TypedData } from "@guildhall/protocol/evm"
import { secp256k1 } from "@noble/curves/secp256k1.js"
import { keccak_256 } from "@noble/hashes/sha3.js"
import { bytesToHex, hexToBytes, utf8ToBytes } from "@noble/hashes/utils.js"

const hex = (bytes: Uint8Array | undefined): string => `0x${bytesToHex(bytes ?? new Uint8Array())}`

/** The example of EIP-712 (https://eips.ethereum.org/EIPS/eip-712, assets/eip-712/Example.js); its key is keccak256("cow"). */
const mail = {
  types: {
    EIP712Domain: [
      { name: "name", type: "string" },
      { name: "version", type: "string" },
      { name: "chainId", type: "uint256" },
      { name: "verifyingContract", type: "address" },
    ],
    Person: [
      { name: "name", type: "string" },
      { name: "wallet", type: "address" },
    ],
    Mail: [
      { name: "from", type: "Person" },
      { name: "to", type: "Person" },
      { name: "contents", type: "string" },
    ],
  },
  primaryType: "Mail",
  domain: {
    name: "Ether Mail",
    version: "1",
    chainId: 1n,
    verifyingContract: "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC",
  },
  message: {
    from: { name: "Cow", wallet: "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826" },
    to: { name: "Bob", wallet: "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB" },
    contents: "Hello, Bob!",
  },
} as const
const COW = keccak_256(utf8ToBytes("cow"))
const MAIL_SIGNATURE =
  "0x4355c47d63924e8a72e509b65029052eb6c299d53a04e167c5775fd466751c9d07299936d304c153f6443dfa05f40ff007d72911b6f72307f996231605b915621c"

describe("EIP-712", () => {
  it("gives the hashes, the digest and the signature of the EIP's example", () => {
    assert.strictEqual(
      hex(TypedData.structHash(mail.types, "EIP712Domain", mail.domain)),
      "0xf2cee375fa42b42143804025fc449deafd50cc031ca257e0b194a650a912090f",
    )
    assert.strictEqual(
      hex(TypedData.structHash(mail.types, "Mail", mail.message)),
      "0xc52c0ee5d84264471806290a3f2c4cecfc5490626bf912d01f240d7a274b371e",
    )
    const digest = TypedData.digest(mail) ?? assert.fail("it has a digest")
    assert.strictEqual(hex(digest), "0xbe609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2")
    assert.strictEqual(EvmKey.sign(COW, digest), MAIL_SIGNATURE)
    assert.strictEqual(EvmKey.addressOf(COW), "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826")
    assert.strictEqual(EvmKey.recover(digest, MAIL_SIGNATURE), EvmKey.addressOf(COW))
  })

  it("gives no digest where a value is missing or not of its type", () => {
    const { contents: _, ...without } = mail.message
    assert.isUndefined(TypedData.digest({ ...mail, message: without }))
    assert.isUndefined(TypedData.digest({ ...mail, message: { ...mail.message, contents: 1n } }))
    assert.isUndefined(TypedData.digest({ ...mail, domain: { ...mail.domain, chainId: -1n } }))
    assert.isUndefined(TypedData.digest({ ...mail, domain: { ...mail.domain, chainId: 1n << 256n } }))
    assert.isUndefined(TypedData.digest({ ...mail, domain: { ...mail.domain, verifyingContract: "0x12" } }))
  })
})

describe("signing", () => {
  it("signs the digest of a text as the example in the documentation of web3.eth.accounts.sign does", () => {
    const key = hexToBytes("4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318")
    const digest = hexToBytes("1da44b586eb0729ff70a73c326926f6ed5a25f5b056e7f47fbc6e58d86871655")
    assert.strictEqual(
      EvmKey.sign(key, digest),
      "0xb91467e570a6466aa9e9876cbcd013baba02900b8979d43fe208a4a4f339f5fd6007e74cd82e037b800186422fc2da167c747ef045e5d18a5f5d4300f8e1a0291c",
    )
    assert.strictEqual(EvmKey.addressOf(key), "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23")
  })
})

describe("EIP-55", () => {
  const decode = Schema.decodeUnknownOption(EvmKey.Address)
  it("spells and checks the EIP's addresses", () => {
    for (const address of [
      "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
      "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
      "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
      "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ]) {
      assert.strictEqual(EvmKey.spell(address.toLowerCase()), address)
      assert.isTrue(Option.isSome(decode(address)))
      assert.isTrue(Option.isSome(decode(address.toLowerCase())))
      const changed = address.replace(/[A-F]/, (letter) => letter.toLowerCase())
      assert.isTrue(Option.isNone(decode(changed)), changed)
    }
    for (const wrong of ["", "0x", "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", `0x${"g".repeat(40)}`]) {
      assert.isTrue(Option.isNone(decode(wrong)), wrong)
    }
  })
})

describe("a signature", () => {
  const digest = keccak_256(utf8ToBytes("anything"))
  const signature = EvmKey.sign(COW, digest)
  const withByte = (at: number, value: number) => {
    const bytes = hexToBytes(signature.slice(2))
    bytes[at] = value
    return hex(bytes)
  }

  it("with the higher s is refused, although the curve takes it", () => {
    const bytes = hexToBytes(signature.slice(2))
    const s = BigInt(hex(bytes.subarray(32, 64)))
    const high = secp256k1.Point.Fn.ORDER - s
    const other = `${signature.slice(0, 66)}${high.toString(16).padStart(64, "0")}${bytes[64] === 27 ? "1c" : "1b"}`
    assert.strictEqual(EvmKey.recover(digest, other), "high_s")
  })

  it("is taken with 0 and 1 for 27 and 28, and with nothing else", () => {
    const last = hexToBytes(signature.slice(2))[64] ?? 0
    assert.strictEqual(EvmKey.recover(digest, withByte(64, last - 27)), EvmKey.addressOf(COW))
    for (const wrong of [2, 26, 29, 30, 37, 255]) {
      assert.strictEqual(EvmKey.recover(digest, withByte(64, wrong)), "malformed")
    }
  })

  it("of another shape, or of no point, is malformed, and never throws", () => {
    const zero = "0".repeat(64)
    for (const wrong of [
      "",
      "0x",
      signature.slice(2),
      `${signature}00`,
      `0x${zero}${zero}1b`,
      `0x${"f".repeat(64)}${"0".repeat(63)}11b`,
      signature.replace("0x", "0X"),
    ]) {
      assert.strictEqual(EvmKey.recover(digest, wrong), "malformed", wrong)
    }
  })
})
