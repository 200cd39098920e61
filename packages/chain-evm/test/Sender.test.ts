import { assert, layer } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { Address } from "@guildhall/chain/Address"
import { Sender } from "../src/Sender.ts"
import { SenderStore } from "../src/SenderStore.ts"
import { Signer } from "../src/Signer.ts"
import * as Anvil from "@guildhall/tools/Anvil"
import * as SenderTrial from "./SenderTrial.ts"

const { address, nonceOf, paid, pay, until } = SenderTrial

/** A sending under its key. */
const found = (key: string) =>
  Effect.gen(function* () {
    const sender = yield* Sender
    return (yield* sender.find(key)) ?? assert.fail(`${key} was not sent`)
  })

const versions = (key: string) => Effect.map(found(key), (sending) => sending.versions)

/** Makes blocks until a key's transaction is in one. */
const mined = (key: string) =>
  Effect.gen(function* () {
    const anvil = yield* Anvil.Anvil
    yield* until(
      Effect.andThen(
        anvil.mine(1),
        Effect.map(found(key), ({ place }) => place !== null),
      ),
    )
  })

/** With no block made but by the test; what is in the pool is in a block at the end. */
const byHand = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Anvil.Anvil, (anvil) =>
    Effect.andThen(anvil.request("evm_setAutomine", [false]), effect).pipe(
      Effect.ensuring(Effect.andThen(anvil.request("evm_setAutomine", [true]), anvil.mine(1))),
    ),
  )

const reverting = Address.make("0x1111111111111111111111111111111111111111")

layer(Anvil.layer(), { excludeTestServices: true })("Sender", (it) => {
  it.effect("sends once under a key, and answers alike; another transaction under it is refused", () =>
    Effect.gen(function* () {
      const sender = yield* Sender
      const alice = yield* address("alice")
      const before = yield* paid
      const first = yield* sender.send(pay(alice, "rent"))
      assert.deepStrictEqual(yield* sender.send(pay(alice, "rent")), first)
      assert.strictEqual((yield* paid) - before, 1n)
      const reason = (yield* Effect.flip(sender.send(pay(alice, "rent", 2n)))).reason
      assert.strictEqual(reason._tag, "KeyUsed")
      // Many at once under one key are one.
      const all = yield* Effect.forEach(Array.from({ length: 8 }), () => sender.send(pay(alice, "milk")), {
        concurrency: "unbounded",
      })
      assert.strictEqual(new Set(all.map(({ hash }) => hash)).size, 1)
      assert.strictEqual((yield* paid) - before, 2n)
    }).pipe(Effect.provide(SenderTrial.layer())),
  )

  it.effect("uses nonces one after the other, however many are sent at once", () =>
    Effect.gen(function* () {
      const sender = yield* Sender
      const bob = yield* address("bob")
      const first = yield* nonceOf(bob)
      const keys = Array.from({ length: 20 }, (_, at) => `at once ${at}`)
      yield* Effect.forEach(keys, (key) => sender.send(pay(bob, key)), { concurrency: "unbounded" })
      const nonces = yield* Effect.forEach(keys, (key) => Effect.map(found(key), ({ nonce }) => nonce))
      assert.deepStrictEqual(
        nonces.sort((a, b) => a - b),
        keys.map((_, at) => first + at),
      )
    }).pipe(Effect.provide(SenderTrial.layer())),
  )

  it.effect("sends nothing that the contract refuses, or that the account cannot pay for", () =>
    Effect.gen(function* () {
      const anvil = yield* Anvil.Anvil
      const sender = yield* Sender
      const alice = yield* address("alice")
      // PUSH4 0xdeadbeef, MSTORE, REVERT with its four bytes.
      yield* anvil.request("anvil_setCode", [reverting, "0x63deadbeef6000526004601cfd"])
      const before = yield* nonceOf(alice)
      const refused = (yield* Effect.flip(sender.send({ ...pay(alice, "refused"), to: reverting, valueWei: 0n })))
        .reason
      if (refused._tag !== "Reverted") return assert.fail(refused._tag)
      assert.strictEqual(refused.data, "0xdeadbeef")
      assert.isFalse(refused.isSent)
      assert.isUndefined(yield* sender.find("refused"))
      const poor = yield* address("bob")
      const had = String(yield* anvil.request("eth_getBalance", [poor, "latest"]))
      yield* anvil.request("anvil_setBalance", [poor, "0x10"])
      const broke = (yield* Effect.flip(sender.send(pay(poor, "too poor")))).reason
      assert.include(["NoGas", "NodeRefused"], broke._tag)
      yield* anvil.request("anvil_setBalance", [poor, had])
      yield* sender.send(pay(poor, "too poor"))
      const stranger = (yield* Effect.flip(sender.send(pay(reverting, "no key", 0n)))).reason
      assert.include(["NoKey", "NoGas"], stranger._tag)
      assert.strictEqual(yield* nonceOf(alice), before)
    }).pipe(Effect.provide(SenderTrial.layer())),
  )

  it.effect("tells of a transaction that failed in its block, now and whenever it is asked", () =>
    byHand(
      Effect.gen(function* () {
        const anvil = yield* Anvil.Anvil
        const sender = yield* Sender
        const alice = yield* address("alice")
        const target = Address.make("0x2222222222222222222222222222222222222222")
        yield* anvil.request("anvil_setCode", [target, "0x00"])
        const sent = yield* Effect.forkChild(Effect.flip(sender.send({ ...pay(alice, "late", 0n), to: target })))
        yield* until(Effect.map(sender.find("late"), (sending) => sending !== undefined))
        // It refuses from now on.
        yield* anvil.request("anvil_setCode", [target, "0x63deadbeef6000526004601cfd"])
        yield* mined("late")
        const { reason } = yield* Fiber.join(sent)
        if (reason._tag !== "Reverted") return assert.fail(reason._tag)
        assert.isTrue(reason.isSent)
        assert.strictEqual(reason.data, "0xdeadbeef")
        const again = (yield* Effect.flip(sender.send({ ...pay(alice, "late", 0n), to: target }))).reason
        assert.strictEqual(again._tag, "Reverted")
      }),
    ).pipe(Effect.provide(SenderTrial.layer())),
  )

  it.effect("bids more under the same nonce when it waits too long, and watches every version", () =>
    byHand(
      Effect.gen(function* () {
        const anvil = yield* Anvil.Anvil
        const sender = yield* Sender
        const alice = yield* address("alice")
        const before = yield* paid
        const sent = yield* Effect.forkChild(sender.send(pay(alice, "stuck")))
        yield* until(Effect.map(sender.find("stuck"), (sending) => (sending?.versions.length ?? 0) >= 3))
        const { nonce, versions } = yield* found("stuck")
        const bids = versions.map(({ price }) => (price.style === "eip1559" ? price.maxFeeWei : 0n))
        for (const [at, bid] of bids.entries()) if (at > 0) assert.isTrue(bid * 10n >= (bids[at - 1] ?? 0n) * 11n)
        // The pool lost all but the first version: that one is included, and found.
        for (const { hash } of versions) yield* Effect.exit(anvil.request("anvil_dropTransaction", [hash]))
        yield* Effect.exit(anvil.request("eth_sendRawTransaction", [versions[0]?.raw]))
        yield* mined("stuck")
        const { hash } = yield* Fiber.join(sent)
        assert.include(
          (yield* found("stuck")).versions.map((version) => version.hash),
          hash,
        )
        assert.strictEqual((yield* found("stuck")).nonce, nonce)
        assert.strictEqual((yield* paid) - before, 1n)
      }),
    ).pipe(Effect.provide(SenderTrial.layer({ stuckMs: 60 }))),
  )

  it.effect("bids up to its cap and no further, and is included when gas is cheaper again", () =>
    byHand(
      Effect.gen(function* () {
        const anvil = yield* Anvil.Anvil
        const sender = yield* Sender
        const alice = yield* address("alice")
        const cap = 5_000_000_000n
        yield* anvil.request("anvil_setNextBlockBaseFeePerGas", ["0x3b9aca00"])
        yield* anvil.mine(1)
        const sent = yield* Effect.forkChild(sender.send(pay(alice, "dear")))
        yield* until(Effect.map(sender.find("dear"), (sending) => sending !== undefined))
        yield* anvil.request("anvil_setNextBlockBaseFeePerGas", [`0x${(20n * cap).toString(16)}`])
        yield* anvil.mine(1)
        yield* until(Effect.map(versions("dear"), (all) => all.length > 1))
        // It looks as often as it likes.
        for (let looks = 0; looks < 20; looks++) yield* sender.look
        const bids = (yield* versions("dear")).map(({ price }) => (price.style === "eip1559" ? price.maxFeeWei : 0n))
        assert.isAbove(bids.length, 1)
        for (const bid of bids) assert.isTrue(bid <= cap)
        const waiting = yield* found("dear")
        assert.strictEqual(waiting.state, "Pending")
        yield* anvil.request("anvil_setNextBlockBaseFeePerGas", ["0x3b9aca00"])
        yield* until(
          Effect.andThen(
            anvil.mine(1),
            Effect.map(found("dear"), ({ place }) => place !== null),
          ),
        )
        yield* Fiber.join(sent)
      }),
    ).pipe(Effect.provide(SenderTrial.layer({ stuckMs: 30, maxFeeCapWei: 5_000_000_000n }))),
  )

  it.effect("gives a transaction to the pool again that the pool dropped", () =>
    byHand(
      Effect.gen(function* () {
        const anvil = yield* Anvil.Anvil
        const sender = yield* Sender
        const alice = yield* address("alice")
        const sent = yield* Effect.forkChild(sender.send(pay(alice, "dropped")))
        yield* until(Effect.map(sender.find("dropped"), (sending) => sending !== undefined))
        const [version] = yield* versions("dropped")
        const known = Effect.map(anvil.request("eth_getTransactionByHash", [version?.hash]), (seen) => seen !== null)
        yield* until(known)
        // What is dropped is told: it may be there again before one can look.
        assert.strictEqual(yield* anvil.request("anvil_dropTransaction", [version?.hash]), version?.hash)
        yield* until(known)
        yield* mined("dropped")
        assert.strictEqual((yield* Fiber.join(sent)).hash, version?.hash)
      }),
    ).pipe(Effect.provide(SenderTrial.layer())),
  )

  it.effect("sends again what a reorganisation took out, until it is too deep to be taken out", () =>
    Effect.gen(function* () {
      const anvil = yield* Anvil.Anvil
      const sender = yield* Sender
      const alice = yield* address("alice")
      const before = yield* paid
      const first = yield* sender.send(pay(alice, "washed away"))
      yield* anvil.mine(3)
      yield* until(Effect.map(found("washed away"), ({ state }) => state === "Confirmed"))
      yield* anvil.reorg(4)
      yield* until(
        Effect.map(found("washed away"), ({ place }) => place !== null && place.blockHash !== first.blockHash),
      )
      assert.strictEqual((yield* paid) - before, 1n)
      const again = yield* sender.send(pay(alice, "washed away"))
      assert.strictEqual(again.hash, first.hash)
      assert.notStrictEqual(again.blockHash, first.blockHash)
      yield* anvil.mine(SenderTrial.chain.finalityDepth)
      yield* until(Effect.map(found("washed away"), ({ state }) => state === "Final"))
      // What is final is still answered by its key.
      assert.strictEqual((yield* sender.send(pay(alice, "washed away"))).hash, first.hash)
      assert.strictEqual((yield* paid) - before, 1n)
    }).pipe(Effect.provide(SenderTrial.layer())),
  )

  it.effect("sends again what is gone with a chain that was restored from an earlier state", () =>
    Effect.gen(function* () {
      const anvil = yield* Anvil.Anvil
      const sender = yield* Sender
      const alice = yield* address("alice")
      yield* sender.send(pay(alice, "kept"))
      const before = yield* paid
      const snapshot = yield* anvil.snapshot
      const keys = ["lost 1", "lost 2", "lost 3"]
      yield* Effect.forEach(keys, (key) => sender.send(pay(alice, key)))
      yield* anvil.revert(snapshot)
      assert.strictEqual(yield* paid, before)
      yield* until(Effect.map(paid, (now) => now === before + 3n))
      yield* Effect.forEach(keys, (key) => sender.send(pay(alice, key)))
      assert.strictEqual(yield* paid, before + 3n)
    }).pipe(Effect.provide(SenderTrial.layer())),
  )

  it.effect("fills nonces that were never used", () =>
    Effect.gen(function* () {
      const sender = yield* Sender
      const store = yield* SenderStore
      const signer = yield* Signer
      const bob = yield* address("bob")
      const before = yield* paid
      const next = yield* nonceOf(bob)
      const price = { style: "eip1559", maxFeeWei: 10_000_000_000n, tipWei: 1n } as const
      const order = {
        chainId: SenderTrial.chain.id,
        idempotencyKey: "ahead",
        content: "ahead",
        by: bob,
        to: SenderTrial.nobody,
        data: "0x",
        valueWei: 1n,
        gas: 21_000n,
      } as const
      // As after a backup that had lost three.
      yield* store.open(order, { exact: next + 3 }, (nonce) =>
        Effect.map(Effect.orDie(signer.signTransaction(bob, { ...order, nonce, price })), (signed) => ({
          ...signed,
          price,
          signedAtMs: Date.now(),
        })),
      )
      yield* until(
        Effect.andThen(
          Effect.ignore(sender.look),
          Effect.map(found("ahead"), ({ place }) => place !== null),
        ),
      )
      assert.strictEqual(yield* nonceOf(bob), next + 4)
      assert.strictEqual((yield* paid) - before, 1n)
    }).pipe(Effect.provide(SenderTrial.layer())),
  )

  it.effect("takes another nonce when another program used its own, once that cannot be undone", () =>
    byHand(
      Effect.gen(function* () {
        const anvil = yield* Anvil.Anvil
        const sender = yield* Sender
        const signer = yield* Signer
        const alice = yield* address("alice")
        const before = yield* paid
        const sent = yield* Effect.forkChild(sender.send(pay(alice, "overtaken")))
        yield* until(Effect.map(sender.find("overtaken"), (sending) => sending !== undefined))
        yield* SenderTrial.pooled(1)
        const { nonce, versions } = yield* found("overtaken")
        yield* anvil.request("anvil_dropTransaction", [versions[0]?.hash])
        const { raw } = yield* signer.signTransaction(alice, {
          chainId: SenderTrial.chain.id,
          nonce,
          to: alice,
          data: "0x",
          valueWei: 0n,
          gas: 21_000n,
          price: { style: "eip1559", maxFeeWei: 100_000_000_000n, tipWei: 50_000_000_000n },
        })
        yield* anvil.request("eth_sendRawTransaction", [raw])
        yield* anvil.mine(2)
        for (let looks = 0; looks < 3; looks++) yield* sender.look
        assert.strictEqual((yield* found("overtaken")).nonce, nonce)
        yield* anvil.mine(SenderTrial.chain.finalityDepth)
        yield* until(Effect.map(found("overtaken"), (sending) => sending.nonce === nonce + 1))
        yield* mined("overtaken")
        yield* Fiber.join(sent)
        assert.strictEqual((yield* paid) - before, 1n)
      }),
    ).pipe(Effect.provide(SenderTrial.layer())),
  )
})
