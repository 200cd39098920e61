/**
 * Who holds how much of which token in memory, what they allow contracts to take, and whom a token refuses.
 *
 * @since 0.1.0
 */
import * as HashMap from "effect/HashMap"
import * as Result from "effect/Result"
import type { Address } from "../Address.ts"
import * as Step from "./Step.ts"

/** Balances and allowances, by token and account, and by token, owner and spender. @category models @since 0.1.0 */
export interface Balances {
  readonly held: HashMap.HashMap<string, bigint>
  readonly allowed: HashMap.HashMap<string, bigint>
  readonly blocked: HashMap.HashMap<string, true>
}

/** Nobody holds anything. @category constants @since 0.1.0 */
export const empty: Balances = { held: HashMap.empty(), allowed: HashMap.empty(), blocked: HashMap.empty() }

const of = (...parts: ReadonlyArray<string>): string => parts.join(" ")

/** What an account holds of a token. @category destructors @since 0.1.0 */
export const held = (balances: Balances, token: Address, account: Address): bigint =>
  Step.get(balances.held, of(token, account), 0n)

/** Gives an account tokens that were not there before. @category combinators @since 0.1.0 */
export const mint = (balances: Balances, token: Address, account: Address, amount: bigint): Balances => ({
  ...balances,
  held: Step.add(balances.held, of(token, account), amount),
})

/** Lets a contract take an amount from an account, whatever it could before. @category combinators @since 0.1.0 */
export const allow = (balances: Balances, { amount, owner, spender, token }: Allowance): Balances => ({
  ...balances,
  allowed: HashMap.set(balances.allowed, of(token, owner, spender), amount),
})

/** What an owner lets a spender take. @category models @since 0.1.0 */
export interface Allowance {
  readonly token: Address
  readonly owner: Address
  readonly spender: Address
  readonly amount: bigint
}

/** Has a token refuse an account from now on. @category combinators @since 0.1.0 */
export const block = (balances: Balances, token: Address, account: Address): Balances => ({
  ...balances,
  blocked: HashMap.set(balances.blocked, of(token, account), true),
})

/** Whether a token refuses an account. @category destructors @since 0.1.0 */
export const isBlocked = (balances: Balances, token: Address, account: Address): boolean =>
  HashMap.has(balances.blocked, of(token, account))

const allowedLess = (balances: Balances, transfer: Step.Transfer): Result.Result<Balances, Step.Refusal> => {
  if (transfer.isAllowed !== true) return Result.succeed(balances)
  const { amount, from: owner, to: spender, token } = transfer
  const allowance = Step.get(balances.allowed, of(token, owner, spender), 0n)
  return allowance < amount
    ? Step.refuse("ERC20InsufficientAllowance", { spender, allowance, needed: amount })
    : Result.succeed(allow(balances, { token, owner, spender, amount: allowance - amount }))
}

/** Moves tokens, or says which rule of the token forbids it. @category combinators @since 0.1.0 */
export const transfer = (balances: Balances, move: Step.Transfer): Result.Result<Balances, Step.Refusal> => {
  const { amount, from, to, token } = move
  if (isBlocked(balances, token, from) || isBlocked(balances, token, to)) {
    return Step.refuse("SafeERC20FailedOperation", { token })
  }
  return Result.flatMap(allowedLess(balances, move), (next) => {
    const balance = held(next, token, from)
    return balance < amount
      ? Step.refuse("ERC20InsufficientBalance", { sender: from, balance, needed: amount })
      : Result.succeed(mint(mint(next, token, from, -amount), token, to, amount))
  })
}
