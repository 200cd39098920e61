import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import type { Address } from "@guildhall/chain/Address"
import { BondVault } from "@guildhall/chain/BondVault"
import type { ChainError } from "@guildhall/chain/ChainError"
import { Bytes32 } from "@guildhall/chain/Hex"
import type { EndpointVerified, Voucher } from "@guildhall/chain/Message"
import { Settlement } from "@guildhall/chain/Settlement"
import { StakeBook } from "@guildhall/chain/StakeBook"
import type * as Chain from "../src/Chain.ts"
import * as Deploy from "../src/Deploy.ts"
import * as Development from "../src/Development.ts"
import * as EvmBondVault from "../src/EvmBondVault.ts"
import * as EvmSettlement from "../src/EvmSettlement.ts"
import * as EvmStakeBook from "../src/EvmStakeBook.ts"
import { Rpc } from "../src/Rpc.ts"
import { Sender } from "../src/Sender.ts"
import * as SenderStore from "../src/SenderStore.ts"
import { Signer } from "../src/Signer.ts"
import * as Token from "../src/Token.ts"
import * as TypedMessage from "../src/TypedMessage.ts"
import * as Anvil from "@guildhall/tools/Anvil"
import { harbour } from "./chains/harbour.ts"
import * as DeployTrial from "./DeployTrial.ts"
import * as SenderTrial from "./SenderTrial.ts"

const { address } = SenderTrial

/** Everything of one chain. */
const parts = (chain: Chain.Chain) =>
  SenderTrial.sender().pipe(
    Layer.provideMerge(
      Layer.mergeAll(
        SenderTrial.rpc(chain),
        SenderTrial.signer("alice", "verifier", "operator", "curator"),
        Layer.fresh(SenderStore.layerMemory),
      ),
    ),
    Layer.provideMerge(Layer.fresh(Anvil.layer({ chainId: chain.id }))),
  )

const market = Effect.gen(function* () {
  return yield* Development.deploy(yield* address("alice"), yield* DeployTrial.options)
})

/** Another chain, on which the same market stands at the same addresses. */
class Elsewhere extends Context.Service<
  Elsewhere,
  Context.Context<Anvil.Anvil | Rpc | Sender | SenderStore.SenderStore | Signer>
>()("@guildhall/chain-evm/test/Elsewhere") {}

const reasonOf = <A, R>(effect: Effect.Effect<A, ChainError, R>) =>
  Effect.map(Effect.flip(effect), ({ reason }) => reason)

const refusedRule = <A, R>(effect: Effect.Effect<A, ChainError, R>) =>
  Effect.map(reasonOf(effect), (reason) => (reason._tag === "Refused" ? reason.rule : reason._tag))

const device = Bytes32.make(`0x${"d1".repeat(32)}`)
const MAX = 2n ** 128n - 1n

const scene = Layer.merge(parts(SenderTrial.chain), Layer.effect(Elsewhere, Layer.build(parts(harbour))))

layer(scene, { excludeTestServices: true })("Bad input", (it) => {
  it.effect("a signature of another chain is refused, though the contract has the same address there", () =>
    Effect.gen(function* () {
      const elsewhere = yield* Elsewhere
      const here = yield* market
      const there = yield* Effect.provide(market, elsewhere)
      assert.strictEqual(there.contracts.bond, here.contracts.bond)
      assert.strictEqual(there.contracts.settlement, here.contracts.settlement)
      const signer = yield* Signer
      const [alice, verifier, operator] = [
        yield* address("alice"),
        yield* address("verifier"),
        yield* address("operator"),
      ]
      const curator = yield* address("curator")
      const by = alice
      const nowS = yield* Effect.flatMap(Anvil.Anvil, ({ nowS }) => nowS)
      const verified: EndpointVerified = {
        _tag: "EndpointVerified",
        device,
        provider: alice,
        classId: 1,
        expiryS: nowS + 3_600,
        nonce: 1n,
      }
      const sign = (contract: Address, chainId: number) =>
        Effect.map(
          Effect.orDie(signer.signTypedData(verifier, TypedMessage.make(verified, { chainId, contract }))),
          (signature) => signature as never,
        )
      const { bond, settlement } = here.contracts
      const stake = here.tokens.stake
      yield* Development.mint({ idempotencyKey: "bond money", by, token: stake, to: alice, amount: 100n })
      yield* Effect.gen(function* () {
        const bonds = yield* BondVault
        yield* bonds.act({ _tag: "AppendClass", by: curator, idempotencyKey: "class", classId: 1, minimum: 10n })
        yield* bonds.act({ _tag: "Bond", by, idempotencyKey: "bond", device, classId: 1, amount: 10n })
        const activate = (idempotencyKey: string, signature: never) =>
          bonds.act({ _tag: "Activate", by, idempotencyKey, verified, signature })
        assert.strictEqual(
          yield* refusedRule(activate("of harbour", yield* sign(bond, harbour.id))),
          "InvalidAttestation",
        )
        assert.strictEqual(
          yield* refusedRule(activate("of settlement", yield* sign(settlement, 31_337))),
          "InvalidAttestation",
        )
        const good = yield* sign(bond, 31_337)
        yield* activate("of this one", good)
        // Once is enough: shown again it is used up, or the bond is not pending any more.
        assert.include(["NonceUsed", "WrongDeviceState"], yield* refusedRule(activate("again", good)))
      }).pipe(Effect.provide(EvmBondVault.layer({ address: bond })))

      const usd = here.tokens.usd
      yield* Development.fund({ idempotencyKey: "funds", by, token: usd, settlement, funded: 1_000n, boost: 0n })
      yield* Effect.gen(function* () {
        const settlements = yield* Settlement
        const epoch = Math.floor(nowS / settlements.terms.epochLengthS)
        const voucher: Voucher = { _tag: "Voucher", provider: alice, token: usd, epoch, cumulative: 100n }
        const redeem = (idempotencyKey: string, chainId: number) =>
          Effect.gen(function* () {
            const typed = TypedMessage.make(voucher, { chainId, contract: settlement })
            const signature = yield* Effect.orDie(signer.signTypedData(operator, typed))
            return yield* settlements.act({
              _tag: "Redeem",
              by,
              idempotencyKey,
              voucher,
              signature: signature as never,
            })
          })
        assert.strictEqual(yield* refusedRule(redeem("voucher of harbour", harbour.id)), "InvalidVoucher")
        yield* redeem("voucher of this one", 31_337)
        const { owed } = yield* settlements.credit(usd, alice)
        assert.strictEqual(owed, 90n)
        yield* Effect.exit(redeem("a second time", 31_337))
        assert.strictEqual((yield* settlements.credit(usd, alice)).owed, 90n)
      }).pipe(Effect.provide(EvmSettlement.layer({ address: settlement })))
    }),
  )

  it.effect("a transaction of another chain is not taken", () =>
    Effect.gen(function* () {
      const elsewhere = yield* Elsewhere
      const sender = yield* Sender
      const sent = yield* sender.send(SenderTrial.pay(yield* address("alice"), "here"))
      const version = (yield* sender.find("here"))?.versions.find(({ hash }) => hash === sent.hash)
      const rpc = Context.get(elsewhere, Rpc)
      const { reason } = yield* Effect.flip(rpc.broadcast(version?.raw ?? "0x"))
      assert.strictEqual(reason._tag, "NodeRefused")
    }),
  )

  it.effect("nothing, and more than there can be, is refused before it is sent", () =>
    Effect.gen(function* () {
      const { contracts, tokens } = yield* market
      const by = yield* address("alice")
      yield* Development.mint({ idempotencyKey: "stake money", by, token: tokens.stake, to: by, amount: MAX / 2n })
      yield* Effect.gen(function* () {
        const stakes = yield* StakeBook
        const nonce = yield* SenderTrial.nonceOf(by)
        const stake = (idempotencyKey: string, amount: bigint) =>
          stakes.act({ _tag: "Stake", by, idempotencyKey, amount })
        assert.strictEqual(yield* refusedRule(stake("nothing", 0n)), "ZeroAmount")
        for (const amount of [-1n, MAX + 1n, 2n ** 256n]) {
          assert.strictEqual(yield* refusedRule(stake(`${amount}`, amount)), "InvalidInput")
        }
        const tooMuch = yield* Effect.flip(stake("more than one has", MAX))
        assert.isFalse(tooMuch.isRetryable)
        const withdrawn = stakes.act({ _tag: "RequestUnstake", by, idempotencyKey: "too much", amount: MAX })
        assert.strictEqual(yield* refusedRule(withdrawn), "NotEnoughActive")
        assert.strictEqual((yield* stakes.standing(by)).active, 0n)
        // A grant may have gone out for what was refused then; an act did not.
        assert.isAtMost((yield* SenderTrial.nonceOf(by)) - nonce, 1)
        yield* stake("as much as there is", yield* Token.balance(tokens.stake, by))
        assert.isTrue((yield* stakes.standing(by)).active > MAX / 3n)
      }).pipe(Effect.provide(EvmStakeBook.layer({ address: contracts.staking })))
    }),
  )

  it.effect("an address of a token at which another contract stands, or nothing, is refused and not waited for", () =>
    Effect.gen(function* () {
      const { contracts, tokens } = yield* market
      const nobody = yield* address("nobody")
      for (const foreign of [contracts.settlement, contracts.staking, contracts.rootVault, nobody]) {
        const { _tag, message } = yield* reasonOf(Token.check(foreign, { decimals: 6 }))
        assert.strictEqual(_tag, "InvalidInput")
        assert.include(message, `${foreign} is no token of`)
      }
      assert.strictEqual((yield* Token.check(tokens.usd, { decimals: 6 })).decimals, 6)
    }),
  )

  it.effect("a token that keeps a part of what is sent is refused by the contract as well", () =>
    Effect.gen(function* () {
      const by = yield* address("alice")
      const fee = yield* DeployTrial.feeToken(by)
      const { usd } = yield* Development.tokens(by)
      const options = { ...(yield* DeployTrial.options), salt: "with a fee" }
      const { staking } = yield* Deploy.deploy(by, Development.settings({ usd, stake: fee }, options))
      yield* Effect.gen(function* () {
        const stakes = yield* StakeBook
        const stake = stakes.act({ _tag: "Stake", by, idempotencyKey: "with a fee", amount: 500n })
        assert.strictEqual(yield* refusedRule(stake), "TokenTookFee")
        assert.strictEqual((yield* stakes.standing(by)).active, 0n)
      }).pipe(Effect.provide(EvmStakeBook.layer({ address: staking })))
      assert.strictEqual(yield* Token.balance(fee, by), 1_000n)
    }),
  )

  it.effect("a port over what is not its contract is not made", () =>
    Effect.gen(function* () {
      const { contracts } = yield* market
      for (const wrong of [contracts.bond, SenderTrial.nobody]) {
        const reason = yield* reasonOf(Layer.build(EvmStakeBook.layer({ address: wrong })))
        assert.deepInclude(reason, { _tag: "ForeignContract", contract: "Staking", address: wrong })
      }
    }).pipe(Effect.scoped),
  )
})
