/** A chain of a test's own with a market's contracts, and what people do on it with their own keys. */
import { Effect, Layer, ManagedRuntime, Redacted } from "effect"
import { FetchHttpClient } from "effect/http"
import { Hex } from "@guildhall/chain"
import { BondVault } from "@guildhall/chain/BondVault"
import { StakeBook } from "@guildhall/chain/StakeBook"
import * as Deploy from "@guildhall/chain-evm/Deploy"
import * as DevAccounts from "@guildhall/chain-evm/DevAccounts"
import * as Development from "@guildhall/chain-evm/Development"
import * as EvmBondVault from "@guildhall/chain-evm/EvmBondVault"
import * as EvmStakeBook from "@guildhall/chain-evm/EvmStakeBook"
import * as Rpc from "@guildhall/chain-evm/Rpc"
import * as Sender from "@guildhall/chain-evm/Sender"
import * as SenderStore from "@guildhall/chain-evm/SenderStore"
import * as Signer from "@guildhall/chain-evm/Signer"
import * as TypedMessage from "@guildhall/chain-evm/TypedMessage"
import { anvil } from "@guildhall/chain-evm/chains/anvil"
import { ROLE } from "../src/DevContracts.ts"

/** The wallet of the test's provider, and a stranger's. */
export const provider = { key: 7, address: DevAccounts.address(7) } as const
export const stranger = { key: 9, address: DevAccounts.address(9) } as const

const at = DevAccounts.address
const roles = {
  governor: at(0),
  curator: at(0),
  funder: at(0),
  pauser: at(0),
  operator: at(ROLE.operator),
  challenger: at(ROLE.challenger),
  slasher: at(ROLE.slasher),
  adjuster: at(ROLE.slasher),
  arbiter: at(ROLE.arbiter),
  verifier: at(ROLE.verifier),
  registrar: at(ROLE.verifier),
}

const whole = 10n ** 18n
export const CLASS = { classId: 1, minimum: 500n * whole }

/** Deploys with times that a test can wait for, and gives the provider something to stake and bond. */
const deploy = Effect.gen(function* () {
  const by = at(0)
  const tokens = yield* Development.tokens(by)
  const usual = Development.settings(tokens, {
    roles,
    treasury: at(ROLE.treasury),
    voucherSigner: at(ROLE.operator),
    epochLengthS: 60,
  })
  const contracts = yield* Deploy.deploy(by, {
    ...usual,
    staking: { ...usual.staking, minActiveS: 1 },
    settlement: { ...usual.settlement, challengeDelayS: 1 },
  })
  const { settlement } = contracts
  yield* Development.fund({ idempotencyKey: "fund", by, token: tokens.usd, settlement, funded: 10n ** 12n, boost: 0n })
  const stake = { by, token: tokens.stake, to: provider.address, amount: 100_000n * whole }
  yield* Development.mint({ idempotencyKey: "stake", ...stake })
  return { tokens, contracts }
})

/** Puts the contracts on the chain at an address; answers what people do there. */
export const start = async (rpcUrl: string) => {
  const keys = Array.from({ length: 10 }, (_, index) => DevAccounts.key(index))
  const ground = Sender.layer({ pollMs: 20 }).pipe(
    Layer.provide(SenderStore.layerMemory),
    Layer.provideMerge(Signer.layerMemory(keys)),
    Layer.provideMerge(Rpc.layer({ chain: anvil, endpoints: [Redacted.make(rpcUrl)] })),
    Layer.provide(FetchHttpClient.layer),
  )
  const runtime = ManagedRuntime.make(ground)
  const { contracts, tokens } = await runtime.runPromise(deploy)
  const ports = Layer.merge(
    EvmStakeBook.layer({ address: contracts.staking }),
    EvmBondVault.layer({ address: contracts.bond }),
  )
  const run = <A, E>(effect: Effect.Effect<A, E, BondVault | StakeBook | Layer.Success<typeof ground>>): Promise<A> =>
    runtime.runPromise(Effect.provide(effect, ports))
  let acts = 0
  const asked = (by: number) => ({ by: at(by), idempotencyKey: `test:${++acts}` })
  await run(Effect.flatMap(BondVault, ({ act }) => act({ ...asked(0), _tag: "AppendClass", ...CLASS })))

  return {
    contracts,
    tokens,
    stake: (amount: bigint) =>
      run(
        Effect.flatMap(StakeBook, ({ act }) => act({ ...asked(provider.key), _tag: "Stake", amount: amount * whole })),
      ),
    /** Bonds a device of the provider, and activates the bond by the word of the market's verifier. */
    bond: (devicePublicKey: Uint8Array<ArrayBuffer>) =>
      run(
        Effect.gen(function* () {
          const digest = yield* Effect.promise(() => crypto.subtle.digest("SHA-256", devicePublicKey))
          const device = Hex.bytes32(new Uint8Array(digest))
          const { act } = yield* BondVault
          const { signTypedData } = yield* Signer.Signer
          const { classId, minimum } = CLASS
          yield* act({ ...asked(provider.key), _tag: "Bond", device, classId, amount: minimum })
          const verified = {
            _tag: "EndpointVerified",
            device,
            provider: provider.address,
            classId,
            expiryS: Math.floor(Date.now() / 1_000) + 3_600,
            nonce: BigInt(acts),
          } as const
          const domain = { chainId: contracts.chainId, contract: contracts.bond }
          const signature = yield* signTypedData(at(ROLE.verifier), TypedMessage.make(verified, domain))
          yield* act({ ...asked(provider.key), _tag: "Activate", verified, signature: Hex.Hex.make(signature) })
        }),
      ),
    close: () => runtime.dispose(),
  }
}
