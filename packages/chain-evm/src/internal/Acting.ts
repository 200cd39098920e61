/** How an act of a port becomes a transaction, and what was included an answer. */
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import * as Act from "@guildhall/chain/Act"
import type { Address } from "@guildhall/chain/Address"
import * as ChainError from "@guildhall/chain/ChainError"
import { Bytes32, Hex } from "@guildhall/chain/Hex"
import { encodeFunctionData } from "viem/utils"
import * as ContractError from "../ContractError.ts"
import * as EventDecoder from "../EventDecoder.ts"
import type { Included, Sender } from "../Sender.ts"
import { type SenderError, toChainError as ofSender } from "../SenderError.ts"
import type { Signer } from "../Signer.ts"
import { abi as tokenAbi } from "../Token.ts"
import type * as ChainReads from "./ChainReads.ts"
import * as Reading from "./Reading.ts"
import { bytes, type Bytes } from "./Viem.ts"

/** What an act comes to: the call, of which contract, and the tokens that it takes from its account. */
export interface Order {
  readonly data: Bytes
  readonly to?: { readonly contract: ChainError.Contract; readonly address: Address } | undefined
  readonly takes?: { readonly token: Address; readonly amount: bigint } | undefined
}

/** The services that acts are done with. */
export interface Parts {
  readonly reads: ChainReads.ChainReads
  readonly sender: Sender["Service"]
  readonly signer: Signer["Service"]
}

type Call = Order & {
  readonly asked: Act.Asked
  readonly contract: ChainError.Contract
  readonly address: Address
}

/** How a token says that nobody let the contract take so much. Older ones only say a text, or nothing. */
const notAllowed = ["ERC20InsufficientAllowance", "SafeERC20FailedOperation", "Error", "Reverted", "Panic"]

/** How often tokens are granted anew, where another process used up what was granted. */
const GRANTS_MAX = 3

const approval = (spender: Address, amount: bigint): Bytes =>
  encodeFunctionData({ abi: tokenAbi, functionName: "approve", args: [bytes(spender), amount] })

const noSigner = ({ address, asked, data, takes }: Call, isGranted: boolean) => {
  const call = (to: Address, calldata: Bytes) => ({ to, data: Hex.make(calldata) })
  const grants = takes === undefined || isGranted ? [] : [call(takes.token, approval(address, takes.amount))]
  const calls = [...grants, call(address, data)]
  return new ChainError.ChainError({ reason: new ChainError.NoSigner({ account: asked.by, calls }) })
}

/** Acts of one contract. `others` are the contracts whose events its acts emit too. */
export const make = (
  { reads, sender, signer }: Parts,
  home: EventDecoder.Deployed & { readonly address: Address },
  others: ReadonlyArray<EventDecoder.Deployed> = [],
) => {
  const decode = EventDecoder.make([home, ...others])
  const turns = new Map<Address, Semaphore.Semaphore>()

  /** What one account grants, its next act could use up before this one does: they come one after the other. */
  const inTurn = (account: Address) => {
    const turn = turns.get(account) ?? Semaphore.makeUnsafe(1)
    turns.set(account, turn)
    return turn.withPermits(1)
  }

  const simulate = ({ address, asked, contract, data }: Call) =>
    Effect.mapError(reads.call({ from: asked.by, to: address, data }), Reading.failed(contract))

  /** The contract's own word, asked for now where the node gave none then. */
  const explained = Effect.fnUntraced(function* (call: Call, error: SenderError) {
    const { reason } = error
    if (reason._tag === "Reverted" && reason.data === null) {
      yield* Effect.mapError(simulate(call), (refused) =>
        reason.isSent ? ContractError.included(refused, reason) : refused,
      )
    }
    return yield* ContractError.toChainError(call.contract)(error)
  })

  const send = (call: Call): Effect.Effect<Included, ChainError.ChainError> => {
    const { address: to, asked, data } = call
    const { by, idempotencyKey } = asked
    return Effect.catch(sender.send({ idempotencyKey, by, to, data }), (error) => explained(call, error))
  }

  /** Whether the contract may take what the act takes. What is refused anyway is refused before anything is granted. */
  const isGranted = Effect.fnUntraced(function* (call: Call) {
    const { address: spender, asked, contract, takes } = call
    if (takes === undefined) return true
    const { amount, token } = takes
    const found = yield* Effect.mapError(
      Reading.funds(reads, { token, owner: asked.by, spender }),
      Reading.failed(contract),
    )
    // What is no token is refused by the contract itself.
    if (found === undefined || found.allowed >= amount) return true
    yield* Effect.catch(simulate(call), (error) =>
      ContractError.isRule(error, ...notAllowed) ? Effect.void : Effect.fail(error),
    )
    const { balance } = found
    if (balance >= amount) return false
    return yield* ChainError.refused(contract, "ERC20InsufficientBalance", {
      sender: asked.by,
      balance,
      needed: amount,
    })
  })

  const grant = Effect.fnUntraced(function* ({ address, asked, contract, takes }: Call, attempt: number) {
    if (takes === undefined) return
    const { by } = asked
    const idempotencyKey = `grant ${attempt} of ${asked.idempotencyKey}`
    yield* Effect.mapError(
      sender.send({ idempotencyKey, by, to: takes.token, data: approval(address, takes.amount) }),
      ContractError.toChainError(contract),
    )
  })

  const sendGranted = Effect.fnUntraced(function* (call: Call) {
    for (let attempt = 1; ; attempt++) {
      if (!(yield* isGranted(call))) yield* grant(call, attempt)
      const sent = yield* Effect.result(send(call))
      if (sent._tag === "Success") return sent.success
      const isUsedUp = ContractError.isRule(sent.failure, "ERC20InsufficientAllowance")
      if (!isUsedUp || attempt === GRANTS_MAX) return yield* sent.failure
    }
  })

  /** Without a key: what the contract thinks of it, and then what there is to sign. */
  const unsigned = Effect.fnUntraced(function* (call: Call) {
    const granted = yield* isGranted(call)
    if (granted) yield* simulate(call)
    return yield* noSigner(call, granted)
  })

  const answer = (asked: Act.Asked, included: Included): Act.Act => ({
    idempotencyKey: asked.idempotencyKey,
    transaction: included.hash,
    atS: included.atS,
    events: included.logs.flatMap((log) => {
      const event = decode({
        address: Hex.make(log.address.toLowerCase()),
        topics: log.topics.map((topic) => Bytes32.make(topic.toLowerCase())),
        data: Hex.make(log.data.toLowerCase()),
        blockNumber: Number(log.blockNumber),
        blockHash: Bytes32.make(log.blockHash.toLowerCase()),
        transaction: Bytes32.make(log.transactionHash.toLowerCase()),
        logIndex: Number(log.logIndex),
        atS: included.atS,
      })
      return event === undefined ? [] : [event]
    }),
  })

  return Effect.fnUntraced(function* (asked: Act.Asked, orderOf: () => Order) {
    const problem = Act.problemOf(asked)
    if (problem !== undefined) return yield* ChainError.invalid(problem)
    const { to = home, ...order } = yield* Effect.mapError(Effect.try(orderOf), () =>
      ChainError.invalid("One of its fields does not fit into what the contract reads. Check their sizes."),
    )
    const call: Call = { asked, contract: to.contract, address: to.address, ...order }
    const before = yield* Effect.mapError(sender.find(asked.idempotencyKey), ofSender)
    if (before !== undefined) return answer(asked, yield* send(call))
    if (!signer.addresses.includes(asked.by)) return yield* unsigned(call)
    return answer(asked, yield* order.takes === undefined ? send(call) : inTurn(asked.by)(sendGranted(call)))
  })
}
