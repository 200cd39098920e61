import { assert, describe, it } from "@effect/vitest"
import { Device } from "@guildhall/core"
import { EvmKey, TypedData } from "@guildhall/protocol/evm"
import { WalletBinding } from "@guildhall/protocol/provider"
import { keccak_256 } from "@noble/hashes/sha3.js"
import { bytesToHex, hexToBytes, utf8ToBytes } from "@noble/hashes/utils.js"
import { secp256k1 } from "@noble/curves/secp256k1.js"
import { createHash, generateKeyPairSync, sign } from "node:crypto"

const wallet = keccak_256(utf8ToBytes("cow"))
const otherWallet = keccak_256(utf8ToBytes("bob"))

const makeDevice = () => {
  const { privateKey } = generateKeyPairSync("ed25519")
  const publicKey = Device.DevicePublicKey.make(privateKey.export({ format: "jwk" }).x ?? "")
  return { publicKey, sign: (bytes: Uint8Array) => sign(null, bytes, privateKey).toString("base64url") }
}
const device = makeDevice()
const NOW = 1_750_000_000_000
const expected = { market: "space", chainId: 800_000, device: device.publicKey, nowMs: NOW }

const statement: WalletBinding.Statement = {
  market: "space",
  chain_id: 800_000,
  device: device.publicKey,
  wallet: EvmKey.addressOf(wallet),
  issued_at_ms: NOW,
  nonce: `0x${"5".repeat(64)}`,
}
const digestOf = (made: WalletBinding.Statement) => WalletBinding.digest(made) ?? assert.fail("it has a digest")

/** A binding as an honest device and wallet make it, of what a test says. */
const bind = (
  changes: Partial<WalletBinding.Statement> = {},
  keys: { readonly wallet?: Uint8Array; readonly device?: ReturnType<typeof makeDevice> } = {},
): WalletBinding.WalletBinding => {
  const made = { ...statement, ...changes }
  return {
    ...made,
    wallet_signature: EvmKey.sign(keys.wallet ?? wallet, digestOf(made)),
    device_signature: (keys.device ?? device).sign(WalletBinding.deviceBytes(made, digestOf(made))),
  }
}

describe("a binding", () => {
  it("of both keys holds, however the address is spelt", () => {
    assert.isUndefined(WalletBinding.refusal(bind(), expected))
    const lower = EvmKey.Address.make(statement.wallet.toLowerCase())
    assert.isUndefined(WalletBinding.refusal({ ...bind(), wallet: lower }, expected))
  })

  it("is signed by what wallets make of its typed data", () => {
    const data = WalletBinding.typedData(statement)
    const shown = JSON.parse(TypedData.json(data))
    assert.deepStrictEqual(shown.domain, { name: "Guildhall", version: "1", chainId: "800000" })
    assert.strictEqual(shown.message.device, `0x${Buffer.from(device.publicKey, "base64url").toString("hex")}`)
    assert.strictEqual(shown.message.market, "space")
    // Written out anew from the EIP: type hash and words, each of 32 bytes.
    const type =
      "DeviceWallet(string purpose,string market,bytes32 device,address wallet,uint256 issuedAtMs,bytes32 nonce)"
    const text = (value: string) => keccak_256(utf8ToBytes(value))
    const number = (value: number) => hexToBytes(value.toString(16).padStart(64, "0"))
    const struct = keccak_256(
      Buffer.concat([
        text(type),
        text("Bind this wallet to this device. It moves no money."),
        text("space"),
        Buffer.from(device.publicKey, "base64url"),
        hexToBytes(statement.wallet.slice(2).padStart(64, "0")),
        number(NOW),
        hexToBytes("5".repeat(64)),
      ]),
    )
    const domain = keccak_256(
      Buffer.concat([
        text("EIP712Domain(string name,string version,uint256 chainId)"),
        text("Guildhall"),
        text("1"),
        number(800_000),
      ]),
    )
    const digest = keccak_256(Buffer.concat([Buffer.from("1901", "hex"), domain, struct]))
    assert.strictEqual(bytesToHex(digestOf(statement)), bytesToHex(digest))
  })

  const refused = (binding: WalletBinding.WalletBinding, more: Partial<WalletBinding.Expected> = {}) =>
    WalletBinding.refusal(binding, { ...expected, ...more })

  it("for another market, chain or device is refused", () => {
    assert.strictEqual(refused(bind({ market: "grid" })), "other_market")
    assert.strictEqual(refused(bind({ chain_id: 1 })), "other_chain")
    assert.strictEqual(refused(bind({ device: makeDevice().publicKey })), "other_device")
    // The same statement with the expected name, as somebody would change it on the way.
    assert.strictEqual(refused({ ...bind({ market: "grid" }), market: "space" }), "wallet_signature")
    assert.strictEqual(refused({ ...bind({ chain_id: 1 }), chain_id: 800_000 }), "wallet_signature")
  })

  it("that is too old, from the future, or was used is refused", () => {
    assert.isUndefined(refused(bind(), { nowMs: NOW + 3_600_000 }))
    assert.strictEqual(refused(bind(), { nowMs: NOW + 3_600_001 }), "expired")
    assert.isUndefined(refused(bind(), { nowMs: NOW - 60_000 }))
    assert.strictEqual(refused(bind(), { nowMs: NOW - 60_001 }), "in_the_future")
    assert.strictEqual(refused(bind(), { lastIssuedAtMs: NOW }), "replayed")
    assert.strictEqual(refused(bind(), { lastIssuedAtMs: NOW + 1 }), "replayed")
    assert.isUndefined(refused(bind(), { lastIssuedAtMs: NOW - 1 }))
  })

  it("with one of the signatures by another, or both in each other's place, is refused", () => {
    assert.strictEqual(refused(bind({}, { wallet: otherWallet })), "wallet_signature")
    assert.strictEqual(refused(bind({}, { device: makeDevice() })), "device_signature")
    const { device_signature, wallet_signature, ...rest } = bind()
    const swapped = { ...rest, wallet_signature: device_signature, device_signature: wallet_signature }
    assert.strictEqual(refused(swapped), "malformed_signature")
    // A wallet that somebody else named, and that did sign: but the device did not sign for it.
    const stolen = bind({ wallet: EvmKey.addressOf(otherWallet) }, { wallet: otherWallet })
    assert.strictEqual(refused({ ...stolen, device_signature }), "device_signature")
  })

  it("with anything changed is refused", () => {
    const changes: ReadonlyArray<Partial<WalletBinding.WalletBinding>> = [
      { nonce: `0x${"6".repeat(64)}` },
      { issued_at_ms: NOW - 1 },
      { wallet: EvmKey.addressOf(otherWallet) },
    ]
    for (const change of changes) assert.strictEqual(refused({ ...bind(), ...change }), "wallet_signature")
    assert.strictEqual(refused({ ...bind(), device_signature: "" }), "device_signature")
  })

  it("with the higher s is refused", () => {
    const binding = bind()
    const s = BigInt(`0x${binding.wallet_signature.slice(66, 130)}`)
    const high = (secp256k1.Point.Fn.ORDER - s).toString(16).padStart(64, "0")
    const last = binding.wallet_signature.endsWith("1b") ? "1c" : "1b"
    const other = `${binding.wallet_signature.slice(0, 66)}${high}${last}`
    assert.strictEqual(refused({ ...binding, wallet_signature: other }), "high_s")
  })

  it("a device's word for a wallet is nothing else that a device signs", () => {
    const text = new TextDecoder().decode(WalletBinding.deviceBytes(statement, digestOf(statement)))
    assert.include(text, '"what":"guildhall-device-wallet-v1"')
    assert.notStrictEqual(createHash("sha256").update(text).digest("hex"), bytesToHex(digestOf(statement)))
  })
})
