/** Acts made from numbers: mostly such that can be done, sometimes such that cannot. */
import { Effect } from "effect"
import {
  Address,
  CumulativeTree,
  Entries,
  Hex,
  InsuranceVault,
  MemoryChain,
  PaymentChannel,
  ValidatorSet,
} from "@guildhall/chain"
import type { Act, BondVault, ChainError, Settlement, StakeBook } from "@guildhall/chain"

export const people = ["ann", "bob", "cat", "dan"].map(MemoryChain.addressOf)

interface Ports {
  readonly chain: MemoryChain.MemoryChain["Service"]
  readonly stakes: StakeBook.StakeBook["Service"]
  readonly bonds: BondVault.BondVault["Service"]
  readonly settlement: Settlement.Settlement["Service"]
  readonly insurance: InsuranceVault.InsuranceVault["Service"]
  readonly validators: ValidatorSet.ValidatorSet["Service"]
  readonly channels: PaymentChannel.PaymentChannel["Service"]
}

interface Numbers {
  readonly kind: number
  readonly who: number
  readonly size: number
}

interface Asked {
  readonly name: string
  readonly by: Address.Address
  readonly run: Effect.Effect<Act.Act, ChainError.ChainError>
}

const role = MemoryChain.addressOf
const pick = <A>(list: ReadonlyArray<A>, at: number, none: A): A => list[at % list.length] ?? none
const word = (value: number): Hex.Bytes32 => Hex.word(BigInt(value))

interface Place {
  readonly at: number
  readonly nowS: number
}

/** Acts of validators, and of those who have them judge. Every job is of one epoch and has the seed of that one. */
const judging = ({ chain, validators }: Ports, { kind, size, who }: Numbers, { at, nowS }: Place) => {
  const person = pick(people, who, Address.ZERO)
  const judge = pick(people, size, Address.ZERO)
  const { domain, terms } = validators
  const epoch = Math.floor(nowS / terms.epochLengthS)
  const seedOf = (of: number) => word(1_000 + of)
  const [job, verdict, other, salt] = [word(1 + (kind % 4)), word(1), word(2), word(7)]
  const commitment = ValidatorSet.commitmentOf(domain, { job, validator: person, verdict, salt })
  const signed = (by: Address.Address, said: Hex.Bytes32) => chain.sign(by, { _tag: "Verdict", job, verdict: said })
  const base = { idempotencyKey: `act ${at}` }
  const own = { ...base, by: person }
  const operator = { ...base, by: role("operator") }
  const [signatureA, signatureB] = [signed(judge, verdict), signed(judge, other)]
  const acts: ReadonlyArray<ValidatorSet.ValidatorAct> = [
    { _tag: "Register", ...own, amount: BigInt(size % 2_000) },
    { _tag: "Register", ...own, amount: terms.minBond },
    { _tag: "TopUp", ...own, amount: BigInt(size % 500) },
    { _tag: "RequestExit", ...own },
    { _tag: "Withdraw", ...own },
    { _tag: "FundRewards", ...own, amount: BigInt(size % 5_000) },
    { _tag: "CollectFinderShares", ...own },
    { _tag: "CommitSeed", ...operator, epoch, commitment: ValidatorSet.seedCommitmentOf(seedOf(epoch)) },
    { _tag: "OpenJob", ...operator, job, reward: BigInt(size % 1_000) },
    { _tag: "CommitVote", ...own, job, commitment },
    { _tag: "RevealSeed", ...own, epoch: epoch - 2, seed: seedOf(epoch - 2) },
    { _tag: "RevealVote", ...own, job, draw: kind % 3, verdict, salt, signature: signatureA },
    { _tag: "CloseJob", ...own, job },
    { _tag: "ShareFinding", ...operator, job, amount: BigInt(size % 300) },
    { _tag: "Report", ...own, validator: judge, job, verdictA: verdict, signatureA, verdictB: other, signatureB },
    { _tag: "ClaimCredit", ...own },
    { _tag: "SendToInsurance", ...own },
  ]
  return acts.map((act) => (): Asked => ({ name: `validators ${act._tag}`, by: act.by, run: validators.act(act) }))
}

/** The act of these numbers, in this place of a trace. */
export const actOf = (ports: Ports, { kind, size, who }: Numbers, place: Place) =>
  Effect.sync((): Asked => {
    const { bonds, chain, channels, insurance, settlement, stakes } = ports
    const { at, nowS } = place
    const person = pick(people, who, Address.ZERO)
    const other = pick(people, who + 1, Address.ZERO)
    const key = `act ${at}`
    const amount = BigInt(size % 5_000)
    const { token } = chain
    const device = word(1 + (size % 3))
    const offenceId = word(1 + (kind % 7))
    const epoch = Math.floor(nowS / settlement.terms.epochLengthS)
    const verified = {
      _tag: "EndpointVerified",
      device,
      provider: person,
      classId: 1,
      expiryS: nowS + 10,
      nonce: BigInt(at),
    } as const
    const signature = chain.sign(role("verifier"), verified)
    const voucher = { _tag: "Voucher", provider: person, token, epoch, cumulative: amount } as const
    const entries = [
      { account: person, amount: BigInt(1 + (size % 400)) },
      { account: other, amount: 7n },
    ]
    const gross = (entries.reduce((all, entry) => all + entry.amount, 0n) * 10n) / 9n + 1n
    const leaf = { account: person, cumulative: amount }
    const tree = CumulativeTree.make({ ...settlement.domain, token }, [leaf])
    const claim = {
      epoch: Math.floor(nowS / insurance.terms.epochLengthS),
      incident: word(1),
      account: person,
      amount: 5n,
    }
    const names = { payer: person, payee: other, token, salt: word(size % 4), authorizedSigner: Address.ZERO }
    const channelId = PaymentChannel.idOf(channels.domain, names)
    const granted = { _tag: "ChannelVoucher", channelId, cumulativeAmount: amount } as const
    const grant = { channelId, cumulativeAmount: amount, signature: chain.sign(person, granted) }
    const base = { idempotencyKey: key }
    const own = { ...base, by: person }
    const of = (name: string) => ({ ...base, by: role(name) })
    const stake = (act: StakeBook.StakeAct): Asked => ({ name: act._tag, by: act.by, run: stakes.act(act) })
    const bond = (act: BondVault.BondAct): Asked => ({ name: act._tag, by: act.by, run: bonds.act(act) })
    const settle = (act: Settlement.SettlementAct): Asked => ({ name: act._tag, by: act.by, run: settlement.act(act) })
    const insure = (act: InsuranceVault.InsuranceAct): Asked => ({
      name: act._tag,
      by: act.by,
      run: insurance.act(act),
    })
    const pay = (act: PaymentChannel.ChannelAct): Asked => ({ name: act._tag, by: act.by, run: channels.act(act) })
    const slash = { device, offenceId, offenceTimeS: nowS, evidenceHash: word(9), finder: other }
    const acts: ReadonlyArray<() => Asked> = [
      () => stake({ _tag: "Stake", ...own, amount }),
      () => stake({ _tag: "RequestUnstake", ...own, amount }),
      () => stake({ _tag: "CancelUnstake", ...own }),
      () => stake({ _tag: "Withdraw", ...own }),
      () => stake({ _tag: "FundRewards", ...own, amount }),
      () => stake({ _tag: "ClaimRewards", ...own }),
      () => bond({ _tag: "AppendClass", ...of("curator"), classId: 1, minimum: 100n }),
      () => bond({ _tag: "Bond", ...own, device, classId: 1, amount }),
      () => bond({ _tag: "BondVerified", ...own, verified, amount, signature }),
      () => bond({ _tag: "Activate", ...own, verified, signature }),
      () => bond({ _tag: "TopUp", ...own, device, amount }),
      () => bond({ _tag: "RequestUnbond", ...own, device }),
      () => bond({ _tag: "Withdraw", ...own, device }),
      () => bond({ _tag: "ProposeSlash", ...of("slasher"), ...slash, rateBps: size % 3_000 }),
      () => bond({ _tag: "Appeal", ...own, offenceId }),
      () => bond({ _tag: "Finalise", ...own, offenceId }),
      () => bond({ _tag: "Uphold", ...of("arbiter"), offenceId }),
      () => bond({ _tag: "Overturn", ...of("arbiter"), offenceId }),
      () => bond({ _tag: "Lapse", ...own, offenceId }),
      () => bond({ _tag: "ClaimCredit", ...own }),
      () => bond({ _tag: "SendToInsurance", ...own }),
      () => settle({ _tag: "Fund", ...own, token, amount }),
      () => settle({ _tag: "FundBoost", ...own, token, amount }),
      () => settle({ _tag: "Settle", ...of("operator"), provider: person, token, amount, requestId: word(at) }),
      () => settle({ _tag: "Redeem", ...own, voucher, signature: chain.sign(role("voucherSigner"), voucher) }),
      () => settle({ _tag: "Claim", ...own, token }),
      () =>
        settle({
          _tag: "ProposeEpoch",
          ...of("operator"),
          token,
          epoch: epoch - 1,
          kind: size % 2 === 0 ? "Root" : "Batch",
          commitment: size % 2 === 0 ? tree.root : Entries.commitment(entries),
          gross: size % 2 === 0 ? amount : gross,
          boost: 0n,
        }),
      () => settle({ _tag: "CancelEpoch", ...of("challenger"), token, epoch: epoch - 1 }),
      () => settle({ _tag: "ApplyRoot", ...own, token, epoch: epoch - 2 }),
      () => settle({ _tag: "ApplyBatch", ...own, token, epoch: epoch - 2, entries }),
      () => settle({ _tag: "ClaimRoot", ...own, token, ...leaf, proof: tree.proofs[0] ?? [] }),
      () => settle({ _tag: "PayMany", ...of("operator"), token, batchId: word(at), entries }),
      () => settle({ _tag: "RequestUnfund", ...of("funder"), token, funded: amount, boost: amount }),
      () => settle({ _tag: "Unfund", ...of("funder"), token }),
      () => insure({ _tag: "Deposit", ...own, amount }),
      () =>
        insure({
          _tag: "ProposeClaims",
          ...of("adjuster"),
          epoch: claim.epoch,
          incident: claim.incident,
          root: InsuranceVault.leaf(insurance.domain, claim),
          total: 5n,
        }),
      () => insure({ _tag: "CancelClaims", ...of("challenger"), epoch: claim.epoch, incident: claim.incident }),
      () => insure({ _tag: "Claim", ...own, ...claim, proof: [] }),
      () => insure({ _tag: "ExpireClaims", ...own, epoch: claim.epoch - 5, incident: claim.incident }),
      () => pay({ _tag: "Open", ...own, ...names, deposit: amount }),
      () => pay({ _tag: "TopUp", ...own, channelId, amount }),
      () => pay({ _tag: "Settle", ...base, by: other, ...grant }),
      () => pay({ _tag: "Close", ...base, by: other, ...grant }),
      () => pay({ _tag: "RequestClose", ...own, channelId }),
      () => pay({ _tag: "Withdraw", ...own, channelId }),
      ...judging(ports, { kind, size, who }, place),
    ]
    // The first acts open what later ones need.
    const first = [6, 21, 34, 22, 0, 8]
    const chosen = at < first.length ? (first[at] ?? 0) : kind
    return pick(acts, chosen, () => stake({ _tag: "Withdraw", ...own }))()
  })
