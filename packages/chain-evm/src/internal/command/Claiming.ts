/** `chain claim`: checks a proof against the chain, and has the account paid. It needs no market. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Act from "@guildhall/chain/Act"
import type { Address } from "@guildhall/chain/Address"
import * as ChainError from "@guildhall/chain/ChainError"
import * as CumulativeTree from "@guildhall/chain/CumulativeTree"
import type { Settlement } from "@guildhall/chain/Settlement"
import { CommandFailure, tell } from "@guildhall/core/CommandFailure"
import { abi as vaultAbi } from "../../abi/RootVault.ts"
import type { Chain } from "../../Chain.ts"
import type * as ChainCommand from "../../ChainCommand.ts"
import * as ContractCheck from "../../ContractCheck.ts"
import * as EvmSettlement from "../../EvmSettlement.ts"
import * as Rpc from "../../Rpc.ts"
import { toChainError } from "../../RpcError.ts"
import { Signer } from "../../Signer.ts"
import * as Token from "../../Token.ts"
import * as ChainReads from "../ChainReads.ts"
import * as Reading from "../Reading.ts"
import * as TokenFacts from "../TokenFacts.ts"
import * as Problem from "./Problem.ts"
import * as ProofAnswer from "./ProofAnswer.ts"
import * as Site from "./Site.ts"
import * as Words from "./Words.ts"

type Answer = ProofAnswer.ProofAnswer
type Proof = Answer["proofs"][number]

/** The settlement that a vault belongs to; both are looked at, and each must name the other. */
const open = Effect.fnUntraced(function* ({ contract }: Answer) {
  yield* ContractCheck.check("RootVault", contract)
  const reads = ChainReads.make(yield* Rpc.Rpc)
  const head = yield* Effect.mapError(reads.head, toChainError)
  const of = yield* Reading.at(
    reads,
    { contract: "RootVault", address: contract, abi: vaultAbi },
    head,
  )("settlement", [])
  const settlement = yield* EvmSettlement.make({ address: yield* ProofAnswer.address(of) })
  if (settlement.domain.contract === contract) return settlement
  const reason = new ChainError.ForeignContract({ contract: "RootVault", address: contract })
  return yield* new ChainError.ChainError({ reason })
})

/** What one account can have. `owed` is what batches and payouts credited to it, which needs no proof. */
interface Due {
  readonly proof: Proof
  readonly byRoot: bigint
  readonly held: bigint
  readonly owed: bigint
}

const unproved = ({ epoch, root }: Answer, now: string, wasTrue: boolean): Problem.Problem =>
  wasTrue
    ? Problem.of(
        "BadProof",
        `The proof is of epoch ${epoch}, and the chain pays by another root now.`,
        `The proof leads to ${root}; the vault has ${now}. Nothing was sent.`,
        BigInt(now) === 0n
          ? "No epoch has been applied yet: wait until the market calls it claimable."
          : "Take the proof of the latest epoch, which holds all that was earned before: GET /v1/settlements/latest/proof.",
      )
    : Problem.of(
        "BadProof",
        `The proof does not fit what it says of epoch ${epoch}: account, amount or proof was changed.`,
        "Nothing was sent. Fetch it again from the market, or take another copy of it.",
      )

const dueOf = Effect.fnUntraced(function* (settlement: Settlement["Service"], answer: Answer, proof: Proof) {
  const { contract, root, token } = answer
  const { chainId } = settlement.domain
  const credit = yield* settlement.credit(token, proof.account)
  const none: Due = { proof, byRoot: 0n, held: 0n, owed: credit.owed }
  if (answer.kind === "batch") return none
  const now = (yield* settlement.token(token)).root
  const leaf = CumulativeTree.leaf({ chainId, contract, token }, proof)
  // What was paid already needs no proof any more: a later epoch may have replaced the root.
  if (proof.cumulative <= credit.rootClaimed) return none
  if (!CumulativeTree.isProved(now, leaf, proof.proof)) {
    const wasTrue = root !== null && CumulativeTree.isProved(root, leaf, proof.proof)
    return yield* unproved(answer, now, wasTrue)
  }
  const held = yield* Token.balance(token, contract)
  return { ...none, byRoot: proof.cumulative - credit.rootClaimed, held } satisfies Due
})

/** What an act paid. */
const paidBy = ({ events }: Act.Act, account: Address): bigint => {
  let sum = 0n
  for (const event of events) {
    const isPayment = event._tag === "RootVault.RootClaimed" || event._tag === "Settlement.Claimed"
    if (isPayment && event.account === account) sum += event.amount
  }
  return sum
}

const pay = Effect.fnUntraced(function* (settlement: Settlement["Service"], answer: Answer, due: Due, by: Address) {
  const { token } = answer
  const { account, cumulative, proof } = due.proof
  const paid: Array<{ readonly amount: bigint; readonly transaction: string }> = []
  const done = (act: Act.Act) => paid.push({ amount: paidBy(act, account), transaction: act.transaction })
  if (due.byRoot > 0n && due.held > 0n) {
    const asked = { by, idempotencyKey: `claim ${token} ${account} ${cumulative}` }
    done(yield* settlement.act({ _tag: "ClaimRoot", ...asked, token, account, cumulative, proof }))
  }
  if (due.owed > 0n) {
    const asked = { by, idempotencyKey: `credit ${token} ${account} ${due.owed}` }
    done(yield* settlement.act({ _tag: "ClaimFor", ...asked, token, account }))
  }
  return paid
})

const payer = Effect.gen(function* () {
  const { addresses } = yield* Signer
  return yield* Site.account(addresses, Option.none())
})

const noKey = ({ detail, reason }: Problem.Problem, { call }: Proof) =>
  Problem.of(
    reason,
    detail,
    "Anybody may send it, and the account of the proof is paid. Without a key here, any wallet can:",
    call === null ? "" : `to ${call.to}, data ${call.data}`,
  )

const work = Effect.fnUntraced(function* (flags: ChainCommand.ClaimFlags, chain: Chain, answer: Answer) {
  const { dryRun, json } = flags
  const settlement = yield* open(answer)
  const found = yield* TokenFacts.find(answer.token)
  const shown = (units: bigint) => Words.amount(units, found)
  const say = (line: string) => (json ? Effect.void : Console.log(line))
  const results: Array<Record<string, unknown>> = []
  for (const proof of answer.proofs) {
    const { account } = proof
    const due = yield* dueOf(settlement, answer, proof)
    const claimable = (due.byRoot < due.held ? due.byRoot : due.held) + due.owed
    const left = due.byRoot + due.owed - claimable
    const result = { account, token: answer.token, claimable: `${claimable}`, notThereYet: `${left}` }
    if (due.byRoot + due.owed === 0n) yield* say(`${account}  nothing is left to claim: all of it was paid`)
    if (left > 0n)
      yield* say(`${account}  ${shown(left)} are not in the vault yet: claim them later with the same proof`)
    if (claimable === 0n || dryRun) {
      if (claimable > 0n)
        yield* say(`${account}  can claim ${shown(claimable)} on ${chain.name}; nothing was sent (--dry-run)`)
      results.push({ ...result, paid: "0", transactions: [] })
      continue
    }
    const by = yield* Effect.catchTag(payer, "Problem", (problem) => Effect.fail(noKey(problem, proof)))
    yield* Site.untilIdle(by, !json)
    const paid = yield* pay(settlement, answer, due, by)
    const sum = paid.reduce((all, { amount }) => all + amount, 0n)
    yield* say(`${account}  was paid ${shown(sum)} on ${chain.name}`)
    for (const { transaction } of paid) {
      yield* say(`  transaction ${chain.explorerUrl === null ? "" : `${chain.explorerUrl}/tx/`}${transaction}`)
    }
    results.push({ ...result, paid: `${sum}`, transactions: paid.map(({ transaction }) => transaction) })
  }
  if (json) yield* Console.log(JSON.stringify({ ok: true, chainId: chain.id, epoch: answer.epoch, dryRun, results }))
})

/** Runs it; what goes wrong is told. */
export const run = <E extends ChainCommand.Failure, R>(
  options: ChainCommand.Options<E, R>,
  flags: ChainCommand.ClaimFlags,
) =>
  Effect.gen(function* () {
    const answer = yield* ProofAnswer.read(flags)
    const chain = yield* Site.find(yield* options.chains, `${answer.chainId}`)
    const ground = Site.sender(options.signer).pipe(Layer.provideMerge(Site.rpc(chain, options)))
    yield* Effect.provide(work(flags, chain, answer), ground)
  }).pipe(Effect.catch((error) => (error instanceof CommandFailure ? Effect.fail(error) : tell(error, flags.json))))
