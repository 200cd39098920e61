/** The code that creates each contract, with its arguments, and the address that follows from it. */
import { encodeDeployData, getContractAddress, keccak256, stringToHex } from "viem/utils"
import * as Address from "@guildhall/chain/Address"
import type { Contract } from "@guildhall/chain/ChainError"
import { abi as channelAbi } from "../abi/Channel.ts"
import { abi as insuranceAbi } from "../abi/InsurancePool.ts"
import { abi as bondAbi } from "../abi/ProviderBond.ts"
import { abi as settlementAbi } from "../abi/Settlement.ts"
import { abi as stakingAbi } from "../abi/Staking.ts"
import { abi as validatorsAbi } from "../abi/ValidatorRegistry.ts"
import { creation as channelCode } from "../bytecode/Channel.ts"
import { creation as insuranceCode } from "../bytecode/InsurancePool.ts"
import { creation as bondCode } from "../bytecode/ProviderBond.ts"
import { creation as settlementCode } from "../bytecode/Settlement.ts"
import { creation as stakingCode } from "../bytecode/Staking.ts"
import { creation as validatorsCode } from "../bytecode/ValidatorRegistry.ts"
import type { DeploySettings } from "../DeploySettings.ts"
import { type Bytes, bytes } from "./Viem.ts"

/**
 * The program that creates contracts at an address that follows from their code. It is on nearly every chain, put there by a
 * transaction that anybody could send and nobody could change.
 */
export const FACTORY = Address.Address.make("0x4e59b44847b379578588920cA78FbF26c0B4956C")

/** What is to be created, and where it will be. */
export interface Creation {
  readonly name: string
  readonly code: Bytes
  readonly salt: Bytes
  readonly address: Address.Address
}

/** Names a creation. The salt keeps two markets with the same settings apart. */
export const creation = (name: string, code: Bytes, salt = "guildhall"): Creation => {
  const salted = keccak256(stringToHex(salt))
  const address = getContractAddress({ opcode: "CREATE2", from: bytes(FACTORY), salt: salted, bytecode: code })
  return { name, code, salt: salted, address: Address.Address.make(address) }
}

/** Those that are created. `Settlement` creates the vault of roots itself. */
export type Name = Exclude<Contract, "RootVault">

export type Six = Readonly<Record<Name, Creation>>

/** In which order: what a contract asks another one as it is created is there before it. */
export const ORDER = [
  "Staking",
  "InsurancePool",
  "Settlement",
  "Channel",
  "ProviderBond",
  "ValidatorRegistry",
] as const satisfies ReadonlyArray<Name>

/** The six contracts of a market. */
export const of = ({
  bond,
  insurance,
  roleDelayS,
  roles,
  salt,
  settlement,
  staking,
  validators,
}: DeploySettings): Six => {
  const at = (name: string, code: Bytes) => creation(name, code, salt)
  const { governor, pauser } = { governor: bytes(roles.governor), pauser: bytes(roles.pauser) }
  const Staking = at(
    "Staking",
    encodeDeployData({
      abi: stakingAbi,
      bytecode: stakingCode,
      args: [
        bytes(staking.token),
        {
          cooldown: staking.cooldownS,
          minActive: staking.minActiveS,
          tierDelay: staking.tierDelayS,
          apyBps: staking.apyBps,
        },
        staking.tiers,
        roleDelayS,
        governor,
        pauser,
        bytes(roles.curator),
      ],
    }),
  )
  const InsurancePool = at(
    "InsurancePool",
    encodeDeployData({
      abi: insuranceAbi,
      bytecode: insuranceCode,
      args: [
        bytes(insurance.token),
        {
          epochLength: insurance.epochLengthS,
          challengeDelay: insurance.challengeDelayS,
          claimWindow: insurance.claimWindowS,
          epochCapBps: insurance.epochCapBps,
          incidentCap: insurance.incidentCap,
        },
        roleDelayS,
        governor,
        pauser,
        bytes(roles.adjuster),
        bytes(roles.challenger),
      ],
    }),
  )
  const ProviderBond = at(
    "ProviderBond",
    encodeDeployData({
      abi: bondAbi,
      bytecode: bondCode,
      args: [
        bytes(insurance.token),
        bytes(InsurancePool.address),
        {
          cooldown: bond.cooldownS,
          evidenceWindow: bond.evidenceWindowS,
          appealWindow: bond.appealWindowS,
          rulingWindow: bond.rulingWindowS,
          buffer: bond.bufferS,
          period: bond.periodS,
          capBps: bond.capBps,
          finderBps: bond.finderBps,
        },
        roleDelayS,
        {
          governor,
          pauser,
          slasher: bytes(roles.slasher),
          arbiter: bytes(roles.arbiter),
          verifier: bytes(roles.verifier),
          registrar: bytes(roles.registrar),
          curator: bytes(roles.curator),
        },
      ],
    }),
  )
  const Settlement = at("Settlement", settlementOf(settlement, roles, roleDelayS))
  const ValidatorRegistry = at(
    "ValidatorRegistry",
    encodeDeployData({
      abi: validatorsAbi,
      bytecode: validatorsCode,
      args: [
        bytes(insurance.token),
        bytes(InsurancePool.address),
        bytes(ProviderBond.address),
        {
          minBond: validators.minBond,
          epochLength: validators.epochLengthS,
          cooldown: validators.cooldownS,
          drawn: validators.perJob,
          quorum: validators.quorum,
          slashBps: validators.slashBps,
          reporterBps: validators.reporterBps,
        },
        roleDelayS,
        governor,
        pauser,
        bytes(roles.operator),
      ],
    }),
  )
  const Channel = at("Channel", encodeDeployData({ abi: channelAbi, bytecode: channelCode }))
  return { Staking, InsurancePool, ProviderBond, Settlement, ValidatorRegistry, Channel }
}

const settlementOf = (
  settlement: DeploySettings["settlement"],
  roles: DeploySettings["roles"],
  roleDelayS: number,
): Bytes =>
  encodeDeployData({
    abi: settlementAbi,
    bytecode: settlementCode,
    args: [
      roleDelayS,
      {
        governor: bytes(roles.governor),
        pauser: bytes(roles.pauser),
        curator: bytes(roles.curator),
        funder: bytes(roles.funder),
        operator: bytes(roles.operator),
        challenger: bytes(roles.challenger),
      },
      {
        epochLength: settlement.epochLengthS,
        challengeDelay: settlement.challengeDelayS,
        unfundDelay: settlement.unfundDelayS,
        voucherEpochs: settlement.voucherEpochs,
      },
      {
        fromEpoch: 0,
        providerBps: settlement.providerBps,
        treasury: bytes(settlement.treasury),
        voucherSigner: bytes(settlement.voucherSigner),
        shares: settlement.shares.map(({ bps, party }) => ({ party: bytes(party), bps })),
      },
    ],
  })
