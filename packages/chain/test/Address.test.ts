import { assert, describe, it } from "@effect/vitest"
import { Option, Schema } from "effect"
import { Act, Address, ChainEvent, Entries, Hex, Keccak, MemoryChain } from "@guildhall/chain"

describe("Address", () => {
  // The examples of EIP-55.
  it.each([
    "0x52908400098527886E0F7030069857D2E4169EE7",
    "0xde709f2102306220921060314715629080e2fb77",
    "0x27b1fdb04752bbc536007a920d24acb045561c26",
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
  ])("reads %s in one case and in its own, and no other", (text) => {
    const right = Option.some(Address.Address.make(text))
    assert.deepStrictEqual(Address.fromText(text), right)
    assert.deepStrictEqual(Address.fromText(text.toLowerCase()), right)
    assert.deepStrictEqual(Address.fromText(`0x${text.slice(2).toUpperCase()}`), right)
    const swapped = text
      .slice(2)
      .replace(/[a-fA-F]/, (letter) => (letter === letter.toUpperCase() ? letter.toLowerCase() : letter.toUpperCase()))
    // Where all letters were of one case but one, the checksum is wrong.
    if (/[a-f]/.test(swapped) && /[A-F]/.test(swapped)) assert.isTrue(Option.isNone(Address.fromText(`0x${swapped}`)))
  })

  it("refuses what is no address", () => {
    for (const text of ["", "0x", "0x00", `0x${"0".repeat(39)}`, `0x${"g".repeat(40)}`, "0".repeat(42)]) {
      assert.isTrue(Option.isNone(Address.fromText(text)), text)
    }
  })

  it("has the bytes that it was made from", () => {
    const bytes = Uint8Array.from({ length: 20 }, (_, at) => at * 13)
    assert.deepStrictEqual(Address.toBytes(Address.fromBytes(bytes)), bytes)
  })
})

describe("Keccak", () => {
  it("is the hash of Ethereum, not that of SHA-3", () => {
    const hash = Keccak.ofBytes(new TextEncoder().encode("testing"))
    assert.strictEqual(hash, "0x5f16f4c7f149ac4f9510d9cf8cf384038ad348b3bcdc01915f95de12df9d1b02")
  })
})

describe("Entries", () => {
  it("are read as they were packed", () => {
    const entries = [
      { account: MemoryChain.addressOf("ann"), amount: 1n },
      { account: MemoryChain.addressOf("bob"), amount: Entries.MAX_AMOUNT },
    ]
    assert.deepStrictEqual(Entries.unpack(Entries.pack(entries)), entries)
    assert.strictEqual(Entries.pack(entries).length, 2 + 2 * 64)
    assert.throws(() => Entries.pack([{ account: Address.ZERO, amount: Entries.MAX_AMOUNT + 1n }]), RangeError)
  })
})

describe("ChainEvent", () => {
  const position = {
    blockNumber: 7,
    blockHash: Hex.word(1n),
    transaction: Hex.word(2n),
    logIndex: 3,
    atS: 1_800_000_000,
  }
  const [ann, device] = [MemoryChain.addressOf("ann"), Hex.word(9n)]

  it("is read from what a client decoded, whatever its numbers and letters are like", () => {
    const args = { device: device.toUpperCase().replace("0X", "0x"), offenceId: device, reason: 3n }
    const read = ChainEvent.fromArguments("ProviderBond", "SlashIgnored", args, position)
    assert.deepStrictEqual(read, {
      _tag: "ProviderBond.SlashIgnored",
      position,
      device,
      offenceId: device,
      reason: "TooLate",
    })
  })

  it("is not read where a field is missing, or no contract emits it", () => {
    assert.isUndefined(ChainEvent.fromArguments("Staking", "Staked", { account: ann, amount: 5n }, position))
    assert.isUndefined(ChainEvent.fromArguments("Staking", "Slashed", { account: ann }, position))
  })

  it("is the same after it was JSON", () => {
    const shares = [{ party: ann, bps: 300 }]
    const terms = { fromEpoch: 4, providerBps: 9_000, treasury: ann, voucherSigner: ann, shares }
    const event = ChainEvent.fromArguments("Settlement", "TermsAppended", terms, position)
    const json: unknown = JSON.parse(JSON.stringify(Schema.encodeUnknownSync(ChainEvent.ChainEvent)(event)))
    assert.deepStrictEqual(Schema.decodeUnknownSync(ChainEvent.ChainEvent)(json), event)
  })
})

describe("Act", () => {
  const by = MemoryChain.addressOf("ann")
  const asked = { _tag: "Stake", by, idempotencyKey: "a", amount: 1n } as const

  const changed = (change: object): typeof asked => ({ ...asked, ...change })

  it("is checked before a contract sees it", () => {
    assert.isUndefined(Act.problemOf(asked))
    const wrong = [
      { idempotencyKey: "" },
      { idempotencyKey: "a".repeat(201) },
      { amount: -1n },
      { amount: 1n << 128n },
      { epoch: -1 },
      { epoch: 0.5 },
      { epoch: Number.NaN },
      { epoch: 2 ** 60 },
      { entries: [{ account: by, amount: 1n << 96n }] },
    ]
    for (const change of wrong) assert.isDefined(Act.problemOf(changed(change)), Object.keys(change).join())
  })

  it("has one digest for one content", () => {
    const { _tag, amount, idempotencyKey } = asked
    const digest = Act.digestOf("Staking", asked)
    const otherwise = { amount, by, _tag, idempotencyKey }
    assert.strictEqual(Act.digestOf("Staking", otherwise), digest)
    assert.notStrictEqual(Act.digestOf("Staking", changed({ amount: 2n })), digest)
    assert.notStrictEqual(Act.digestOf("ProviderBond", asked), digest)
  })
})
