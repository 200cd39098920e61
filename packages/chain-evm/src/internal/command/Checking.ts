/** `chain check`: looks at the contracts that a market definition names, and says what is wrong and what to do about it. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Address from "@guildhall/chain/Address"
import type * as ChainError from "@guildhall/chain/ChainError"
import { CommandFailure, tell } from "@guildhall/core/CommandFailure"
import type { Contracts, MarketChain } from "@guildhall/core/MarketChain"
import { abi as settlementAbi } from "../../abi/Settlement.ts"
import type { Chain } from "../../Chain.ts"
import type * as ChainCommand from "../../ChainCommand.ts"
import * as ContractCheck from "../../ContractCheck.ts"
import * as Rpc from "../../Rpc.ts"
import { toChainError } from "../../RpcError.ts"
import * as Token from "../../Token.ts"
import * as ChainReads from "../ChainReads.ts"
import * as Reading from "../Reading.ts"
import * as ContractFacts from "./ContractFacts.ts"
import * as Judging from "./Judging.ts"
import * as Problem from "./Problem.ts"
import * as Site from "./Site.ts"
import * as Words from "./Words.ts"

const CONTRACTS = [
  ["settlement", "Settlement"],
  ["staking", "Staking"],
  ["bond", "ProviderBond"],
  ["insurance", "InsurancePool"],
  ["validators", "ValidatorRegistry"],
  ["channel", "Channel"],
] as const satisfies ReadonlyArray<readonly [keyof Contracts, ChainError.Contract]>

const isForeign = ({ reason }: ChainError.ChainError): boolean =>
  reason._tag === "ForeignContract" || reason._tag === "InvalidInput"

/** What is not so is written down; that the chain cannot be asked ends the command. */
const noted = <A, R>(
  effect: Effect.Effect<A, ChainError.ChainError, R>,
  into: Array<string>,
  todo: string,
): Effect.Effect<A | undefined, ChainError.ChainError, R> =>
  Effect.catchIf(effect, isForeign, ({ message }) => {
    into.push(`${message}${todo === "" ? "" : ` ${todo}`}`)
    return Effect.undefined
  })

const addressesOf = (texts: Contracts | undefined, { wrong }: Judging.Findings): Judging.Named => {
  const found: Partial<Record<keyof Contracts, Address.Address>> = {}
  for (const [name] of CONTRACTS) {
    const text = texts?.[name]
    if (text === undefined) continue
    const address = Address.fromText(text)
    if (Option.isSome(address)) found[name] = address.value
    else wrong.push(`chain.contracts.${name}: the checksum of ${text} is wrong. Copy it again.`)
  }
  return found
}

const tokensOf = Effect.fnUntraced(function* ({ tokens }: MarketChain, { wrong }: Judging.Findings) {
  const found: Map<string, Token.Found> = new Map()
  for (const [code, { address: text, decimals }] of Object.entries(tokens)) {
    const address = text === undefined ? Option.none() : Address.fromText(text)
    if (Option.isNone(address)) {
      if (text !== undefined) wrong.push(`chain.tokens.${code}: the checksum of ${text} is wrong. Copy it again.`)
      continue
    }
    const token = yield* noted(Token.check(address.value, { decimals }), wrong, `It is chain.tokens.${code}.`)
    if (token !== undefined) found.set(code, token)
  }
  return found
})

/** What each must have been made with, as far as the definition tells. */
const madeWith = (name: keyof Contracts, at: Judging.Named, stake: Address.Address | undefined): ContractCheck.Made => {
  const token = stake === undefined ? {} : { token: stake }
  const insurance = at.insurance === undefined ? {} : { insurance: at.insurance }
  const bond = at.bond === undefined ? {} : { bond: at.bond }
  switch (name) {
    case "staking":
    case "insurance":
      return token
    case "bond":
      return { ...token, ...insurance }
    case "validators":
      return { ...token, ...insurance, ...bond }
    default:
      return {}
  }
}

const FOREIGN =
  "The market would trust a stranger's program with money: it is another address, another chain, one that was made with other tokens or contracts, or of another version of Guildhall."

const contractsOf = Effect.fnUntraced(function* (
  at: Judging.Named,
  here: ContractFacts.At,
  findings: Judging.Findings,
) {
  const found: Array<ContractFacts.ContractFacts> = []
  for (const [name, contract] of CONTRACTS) {
    const address = at[name]
    if (address === undefined) continue
    const ours = ContractCheck.check(contract, address, madeWith(name, at, here.stake?.address))
    const isOurs = yield* noted(Effect.as(ours, true), findings.wrong, FOREIGN)
    if (isOurs === undefined) continue
    found.push(yield* ContractFacts.read(contract, address, here))
    if (contract !== "Settlement") continue
    const reads = ChainReads.make(yield* Rpc.Rpc)
    const text = yield* Reading.at(reads, { contract, address, abi: settlementAbi }, here.block)("rootVault", [])
    const vault = Address.Address.make(text)
    yield* noted(ContractCheck.check("RootVault", vault, { settlement: address }), findings.wrong, FOREIGN)
    found.push({ ...(yield* ContractFacts.read("RootVault", vault, here)) })
  }
  return found
})

const listed = (name: string, figures: ReadonlyArray<ContractFacts.Figure>): ReadonlyArray<ReadonlyArray<string>> =>
  figures.length === 0 ? [] : [[name, figures.map((figure) => figure.join(" ")).join(", ")]]

const words = (
  chain: Chain,
  block: bigint,
  tokens: ReadonlyMap<string, Token.Found>,
  contracts: ReadonlyArray<ContractFacts.ContractFacts>,
  { notes, wrong }: Judging.Findings,
): ReadonlyArray<string> => [
  `${chain.name} (${chain.id}), block ${block}`,
  ...Words.table(
    [...tokens].map(([code, { address, decimals, symbol }]) => [code, address, `${symbol}, ${decimals} decimals`]),
  ),
  ...contracts.flatMap(({ address, contract, funds, pausedUntilS, roles, windows }) => [
    "",
    `${contract}  ${address}  ours${pausedUntilS === null ? "" : `, PAUSED until ${Judging.date(pausedUntilS)} UTC`}`,
    ...Words.table([
      ...Object.entries(roles).map(([role, holder]) => [role, holder]),
      ...listed("windows", windows),
      ...listed("money", funds),
    ]),
  ]),
  "",
  ...notes.map((note) => `note   ${note}`),
  ...wrong.map((one) => `WRONG  ${one}`),
  wrong.length === 0
    ? `ok     ${contracts.length} contracts are ours and fit the definition.`
    : `${wrong.length} ${wrong.length === 1 ? "thing is" : "things are"} wrong. Mend ${wrong.length === 1 ? "it" : "them"} before the market starts.`,
]

const work = Effect.fnUntraced(function* (
  chain: Chain,
  definition: ChainCommand.Market & { readonly chain: MarketChain },
  json: boolean,
) {
  const terms = definition.chain
  const findings: Judging.Findings = { wrong: [], notes: [] }
  const block = yield* Effect.mapError((yield* Rpc.Rpc).head, toChainError)
  const tokens = yield* tokensOf(terms, findings)
  const at = addressesOf(terms.contracts, findings)
  const stake = definition.stakeAsset === undefined ? undefined : tokens.get(definition.stakeAsset)
  const paid = tokens.get(terms.settlement.asset)
  const here = { block, stake, paid, tokens: [...(paid === undefined ? [] : [paid])] }
  const contracts = yield* contractsOf(at, here, findings)
  if (contracts.length === 0 && findings.wrong.length === 0) {
    findings.wrong.push("The definition names no contracts. Deploy them: guildhall chain deploy.")
  }
  for (const facts of contracts) Judging.roles(facts, findings)
  yield* Judging.key(contracts, findings)
  yield* Judging.start(terms, contracts, findings)
  const hasSettlement = contracts.some(({ contract }) => contract === "Settlement")
  if (hasSettlement) yield* Judging.money(terms, at, here, findings)
  yield* Judging.endpoints(chain, findings)
  const ok = findings.wrong.length === 0
  if (json) {
    const found = contracts.map(({ funds, windows, ...facts }) => ({
      ...facts,
      windows: Object.fromEntries(windows),
      funds: Object.fromEntries(funds),
    }))
    yield* Console.log(JSON.stringify({ ok, chainId: chain.id, block: `${block}`, contracts: found, ...findings }))
  } else for (const line of words(chain, block, tokens, contracts, findings)) yield* Console.log(line)
  if (!ok) return yield* new CommandFailure({ detail: "Something of the market's chain is wrong." })
})

/** Runs it; what goes wrong is told. */
export const run = <E extends ChainCommand.Failure, R>(
  options: ChainCommand.Options<E, R>,
  flags: ChainCommand.CheckFlags,
) =>
  Effect.gen(function* () {
    const definition = yield* options.definition(flags.definition)
    const terms = definition.chain
    if (terms === undefined) {
      return yield* Problem.of(
        "NoChain",
        `The market "${definition.name}" has no chain, so there is nothing to look at.`,
        "Name a definition with a section `chain` (--definition), or deploy first: guildhall chain deploy.",
      )
    }
    const chain = yield* Site.find(yield* options.chains, `${terms.id}`)
    const ground = Layer.merge(options.signer, Site.rpc(chain, options))
    yield* Effect.provide(work(chain, { ...definition, chain: terms }, flags.json), ground)
  }).pipe(Effect.catch((error) => tell(error, flags.json)))
