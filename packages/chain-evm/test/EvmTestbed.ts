/** A market's contracts on a chain of their own, for the suites of the ports: accounts that can sign, money, and time. */
import { Clock, Context, Effect, Layer, Option } from "effect"
import * as Address from "@guildhall/chain/Address"
import { Hex } from "@guildhall/chain/Hex"
import type { Message } from "@guildhall/chain/Message"
import { ChainTestbed } from "@guildhall/chain/testing"
import { encodeFunctionData } from "viem/utils"
import { abi as plainAbi } from "../src/abi/Plain18.ts"
import * as Deploy from "../src/Deploy.ts"
import type { Roles } from "../src/DeploySettings.ts"
import * as Development from "../src/Development.ts"
import * as EvmBondVault from "../src/EvmBondVault.ts"
import * as EvmInsuranceVault from "../src/EvmInsuranceVault.ts"
import * as EvmPaymentChannel from "../src/EvmPaymentChannel.ts"
import * as EvmSettlement from "../src/EvmSettlement.ts"
import * as EvmStakeBook from "../src/EvmStakeBook.ts"
import * as EvmValidatorSet from "../src/EvmValidatorSet.ts"
import { bytes } from "../src/internal/Viem.ts"
import * as Sender from "../src/Sender.ts"
import * as SenderStore from "../src/SenderStore.ts"
import * as Signer from "../src/Signer.ts"
import * as Token from "../src/Token.ts"
import * as TypedMessage from "../src/TypedMessage.ts"
import * as Anvil from "@guildhall/tools/Anvil"
import * as BlockingToken from "./BlockingToken.ts"
import * as DeployTrial from "./DeployTrial.ts"
import * as SenderTrial from "./SenderTrial.ts"

/** Keys of accounts that appear while the test runs. */
export class Keyring extends Context.Service<
  Keyring,
  { readonly account: (name: string) => Effect.Effect<Address.Address>; readonly signer: Signer.Signer["Service"] }
>()("@guildhall/chain-evm/test/Keyring") {}

const keyring = Effect.gen(function* () {
  const anvil = yield* Anvil.Anvil
  let signer = Signer.merge()
  const account = Effect.fnUntraced(function* (name: string) {
    const { address, privateKey } = yield* anvil.account(name)
    const known = Address.Address.make(address)
    if (!signer.addresses.includes(known)) signer = Signer.merge(signer, yield* Effect.orDie(Signer.make([privateKey])))
    return known
  })
  return Keyring.of({
    account,
    signer: {
      get addresses() {
        return signer.addresses
      },
      signTransaction: (by, transaction) => signer.signTransaction(by, transaction),
      signTypedData: (by, data) => signer.signTypedData(by, data),
    },
  })
})

/** The machine's clock, also where a suite's is virtual: blocks are made in their own time. */
const machine = Effect.runSync(Effect.clockWith(Effect.succeed))

/** Nothing is taken back here, and nobody but the test makes blocks: what is included need not be looked at again and again. */
const quiet = { ...SenderTrial.chain, blockTimeMs: 2_000, confirmations: 1, finalityDepth: 1 }

/** Rpc, sender and signer on a chain of the layer's own. */
export const chain = Layer.effect(
  Sender.Sender,
  Effect.provideService(Sender.make({ pollMs: 5, stuckMs: 60_000 }), Clock.Clock, machine),
).pipe(
  Layer.provideMerge(
    Layer.mergeAll(
      SenderTrial.rpc(quiet),
      SenderStore.layerMemory,
      Layer.effect(
        Signer.Signer,
        Effect.map(Keyring, ({ signer }) => signer),
      ),
    ),
  ),
  Layer.provideMerge(Layer.effect(Keyring, keyring)),
  Layer.provideMerge(Anvil.layer()),
)

/** Contracts, and who holds which role. */
export class Market extends Context.Service<
  Market,
  {
    readonly contracts: Deploy.Deployed
    readonly stake: Address.Address
    readonly roles: Roles & { readonly voucherSigner: Address.Address; readonly treasury: Address.Address }
  }
>()("@guildhall/chain-evm/test/Market") {}

const market = Effect.gen(function* () {
  const keys = yield* Keyring
  const anvil = yield* Anvil.Anvil
  yield* anvil.request("anvil_autoImpersonateAccount", [true])
  const entries = yield* Effect.forEach([...DeployTrial.names, "voucherSigner", "treasury"] as const, (name) =>
    Effect.map(keys.account(name), (address) => [name, address] as const),
  )
  // One entry for each name, and no other.
  const roles = Object.fromEntries(entries) as Record<keyof Market["Service"]["roles"], Address.Address>
  const by = yield* keys.account("deployer")
  const tokens = yield* Development.tokens(by)
  const { treasury, voucherSigner } = roles
  const settings = Development.settings(tokens, { roles, treasury, voucherSigner })
  const contracts = yield* Deploy.deploy(by, settings)
  return Market.of({ contracts, stake: tokens.stake, roles })
})

interface Receipt {
  readonly contractAddress: string | null
}

/** What anybody does, without a key. A block is made a moment after the answer. */
export const impersonate = Effect.fnUntraced(function* (from: string, to: string | null, data: string) {
  const anvil = yield* Anvil.Anvil
  const hash = yield* anvil.request("eth_sendTransaction", [{ from, ...(to === null ? {} : { to }), data }])
  const ask = Effect.map(anvil.request("eth_getTransactionReceipt", [hash]), (receipt) => receipt as Receipt | null)
  for (;;) {
    const receipt = yield* ask
    if (receipt !== null) return receipt
  }
})

const testbed = Effect.gen(function* () {
  const keys = yield* Keyring
  const anvil = yield* Anvil.Anvil
  const context = yield* Effect.context<Anvil.Anvil | Effect.Services<ReturnType<typeof Token.balance>>>()
  const { contracts, roles } = yield* Market
  const by = yield* keys.account("minter")
  let count = 0
  const at = {
    Staking: contracts.staking,
    ProviderBond: contracts.bond,
    Settlement: contracts.settlement,
    RootVault: contracts.rootVault,
    InsurancePool: contracts.insurance,
    ValidatorRegistry: contracts.validators,
    Channel: contracts.channel,
  }
  const homes = {
    EndpointVerified: at.ProviderBond,
    Voucher: at.Settlement,
    ChannelVoucher: at.Channel,
    Verdict: at.ValidatorRegistry,
  }
  const send = (from: string, to: string, data: string) =>
    Effect.asVoid(Effect.provide(impersonate(from, to, data), context))
  return ChainTestbed.ChainTestbed.of({
    contracts: at,
    roles: { ...roles },
    account: Effect.suspend(() => keys.account(`account ${++count}`)),
    token: Effect.gen(function* () {
      const { contractAddress } = yield* Effect.provide(impersonate(by, null, BlockingToken.creation), context)
      return Option.getOrThrow(Address.fromText(contractAddress ?? ""))
    }),
    fund: (account, token, amount) =>
      send(by, token, encodeFunctionData({ abi: plainAbi, functionName: "mint", args: [bytes(account), amount] })),
    allow: (owner, token, amount) => {
      const args = [bytes(at.Settlement), amount] as const
      return send(owner, token, encodeFunctionData({ abi: plainAbi, functionName: "approve", args }))
    },
    refuse: (token, account) => {
      const args = [bytes(account), BlockingToken.ANSWERS_FALSE] as const
      return send(by, token, encodeFunctionData({ abi: BlockingToken.abi, functionName: "block_", args }))
    },
    balance: (account, token) => Effect.provide(Token.balance(token, account), context),
    sign: (signedBy, message: Message) =>
      keys.signer
        .signTypedData(
          signedBy,
          TypedMessage.make(message, { chainId: contracts.chainId, contract: homes[message._tag] }),
        )
        .pipe(
          Effect.map((signature) => Hex.make(signature)),
          Effect.orDie,
        ),
    nowS: anvil.nowS,
    advance: anvil.advance,
  })
})

/** All six ports over these contracts. */
const ports = Layer.unwrap(
  Effect.map(Market, ({ contracts }) =>
    Layer.mergeAll(
      EvmStakeBook.layer({ address: contracts.staking }),
      EvmBondVault.layer({ address: contracts.bond }),
      EvmInsuranceVault.layer({ address: contracts.insurance }),
      EvmSettlement.layer({ address: contracts.settlement }),
      EvmValidatorSet.layer({ address: contracts.validators }),
      EvmPaymentChannel.layer({ address: contracts.channel }),
    ),
  ),
)

/** A market with its six ports, on a chain of its own. */
export const layer = Layer.mergeAll(Layer.effect(ChainTestbed.ChainTestbed, testbed), ports).pipe(
  Layer.provideMerge(Layer.effect(Market, market)),
  Layer.provideMerge(chain),
)
