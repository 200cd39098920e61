/**
 * The contracts of a market on its chain for development, deployed at a start unless they are there, with money in them and on some
 * accounts. Which account holds which role follows from the number of its key in the mnemonic.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import type { Address } from "@guildhall/chain/Address"
import { anvil } from "@guildhall/chain-evm/chains/anvil"
import * as DevAccounts from "@guildhall/chain-evm/DevAccounts"
import * as Development from "@guildhall/chain-evm/Development"
import * as Rpc from "@guildhall/chain-evm/Rpc"
import * as Sender from "@guildhall/chain-evm/Sender"
import * as SenderStore from "@guildhall/chain-evm/SenderStore"
import * as Signer from "@guildhall/chain-evm/Signer"
import * as Token from "@guildhall/chain-evm/Token"
import type { MarketDefinition } from "@guildhall/core/MarketDefinition"
import type { ContractName } from "./ContractNames.ts"
import { BEGIN_ANEW } from "./embedded/ChainState.ts"
import { LaunchError, reasonOf } from "./LaunchError.ts"

/**
 * What stands on the chain, with the accounts to try it with: they have stake tokens and dollars.
 *
 * @category models
 * @since 0.1.0
 */
export interface DevContracts {
  readonly tokens: { readonly usd: Address; readonly stake: Address }
  readonly fromBlock: number
  readonly contracts: Readonly<Record<ContractName, Address>>
  readonly accounts: ReadonlyArray<Address>
}

/** The numbers of the roles' keys. The operator's is that of the gateway. */
export const ROLE = {
  governor: 0,
  operator: 1,
  challenger: 2,
  slasher: 3,
  arbiter: 4,
  verifier: 5,
  treasury: 6,
} as const

/** Keys of accounts that are nobody's: for providers and buyers who try it. */
const TRIED = [7, 8, 9]

const roles = (): Development.Options["roles"] => ({
  governor: DevAccounts.address(ROLE.governor),
  curator: DevAccounts.address(ROLE.governor),
  funder: DevAccounts.address(ROLE.governor),
  pauser: DevAccounts.address(ROLE.governor),
  operator: DevAccounts.address(ROLE.operator),
  challenger: DevAccounts.address(ROLE.challenger),
  slasher: DevAccounts.address(ROLE.slasher),
  adjuster: DevAccounts.address(ROLE.slasher),
  arbiter: DevAccounts.address(ROLE.arbiter),
  verifier: DevAccounts.address(ROLE.verifier),
  registrar: DevAccounts.address(ROLE.verifier),
})

const STAKE = 200_000n * 10n ** 18n
const DOLLARS = 10_000n * 10n ** 6n
const FUNDED = { funded: 1_000_000n * 10n ** 6n, boost: 100_000n * 10n ** 6n }

/** Gives money to the contract and the accounts, where they have none. */
const give = Effect.fnUntraced(function* (
  by: Address,
  { contracts, tokens }: Pick<DevContracts, "contracts" | "tokens">,
) {
  const { settlement } = contracts
  if ((yield* Token.balance(tokens.usd, settlement)) === 0n) {
    yield* Development.fund({ idempotencyKey: "fund", by, token: tokens.usd, settlement, ...FUNDED })
  }
  const wanted = TRIED.flatMap((index) => [
    { token: tokens.stake, to: DevAccounts.address(index), amount: STAKE },
    { token: tokens.usd, to: DevAccounts.address(index), amount: DOLLARS },
  ])
  yield* Effect.forEach(
    wanted,
    ({ amount, to, token }) =>
      Effect.gen(function* () {
        if ((yield* Token.balance(token, to)) > 0n) return
        yield* Development.mint({ idempotencyKey: `mint:${token}:${to}`, by, token, to, amount })
      }),
    { concurrency: "unbounded", discard: true },
  )
})

/**
 * Deploys what is not there yet.
 *
 * @category constructors
 * @since 0.1.0
 */
export const deploy = (
  rpcUrl: string,
  { chain }: Pick<MarketDefinition, "chain">,
): Effect.Effect<DevContracts, LaunchError> =>
  Effect.gen(function* () {
    const by = DevAccounts.address(ROLE.governor)
    const epochMs = chain?.settlement.epochMs
    const { contracts: deployed, tokens } = yield* Development.deploy(by, {
      roles: roles(),
      treasury: DevAccounts.address(ROLE.treasury),
      voucherSigner: DevAccounts.address(ROLE.operator),
      // What providers earned is split in the books already.
      providerBps: 10_000,
      ...(epochMs === undefined ? {} : { epochLengthS: epochMs / 1_000 }),
    })
    const { chainId: _, fromBlock, ...contracts } = deployed
    yield* give(by, { contracts, tokens })
    return { tokens, fromBlock, contracts, accounts: TRIED.map(DevAccounts.address) }
  }).pipe(
    Effect.provide(
      Sender.layer({ pollMs: 10 }).pipe(
        // What is sent here is looked for on the chain itself at the next start.
        Layer.provide(SenderStore.layerMemory),
        Layer.provideMerge(Signer.layerMemory([DevAccounts.key(ROLE.governor)])),
        Layer.provideMerge(Rpc.layer({ chain: anvil, endpoints: [Redacted.make(rpcUrl)] })),
        Layer.provide(FetchHttpClient.layer),
      ),
    ),
    Effect.mapError(
      (error) =>
        new LaunchError({
          what: "The contracts could not be deployed on the chain for development.",
          why: reasonOf(error),
          todo: BEGIN_ANEW,
        }),
    ),
  )
