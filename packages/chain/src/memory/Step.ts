/**
 * What every contract in memory has in common: an act either changes its state, emits events and moves tokens, or is refused by the
 * name of a rule. All of it is pure.
 *
 * @since 0.1.0
 */
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type { Address } from "../Address.ts"
import type { Emitted } from "../ChainEvent.ts"
import type { Message, Signature } from "../Message.ts"

/**
 * Where an act happens: the second, the contract's own address, the chain, who holds which role, and how a signature is checked.
 *
 * @category models
 * @since 0.1.0
 */
export interface Scene {
  readonly nowS: number
  readonly chainId: number
  readonly contract: Address
  readonly roles: Readonly<Record<string, Address>>
  /** Thirty-two bytes that nobody knew before this act. */
  readonly entropy: string
  readonly isSigned: (by: Address, message: Message, signature: Signature) => boolean
  /** Whether a token would be delivered to an account. */
  readonly isDeliverable: (token: Address, to: Address) => boolean
}

/**
 * Tokens that go from one account to another. `isAllowed` where they are taken from somebody who does not act, by an allowance.
 *
 * @category models
 * @since 0.1.0
 */
export interface Transfer {
  readonly token: Address
  readonly from: Address
  readonly to: Address
  readonly amount: bigint
  readonly isAllowed?: boolean
}

/** What an act did. @category models @since 0.1.0 */
export interface Done<State> {
  readonly state: State
  readonly events: ReadonlyArray<Emitted>
  readonly transfers: ReadonlyArray<Transfer>
}

/**
 * The rule that forbids an act, and its figures by name.
 *
 * @category models
 * @since 0.1.0
 */
export interface Refusal {
  readonly rule: string
  readonly figures: Readonly<Record<string, unknown>>
}

/** What becomes of an act. @category models @since 0.1.0 */
export type Step<State> = Result.Result<Done<State>, Refusal>

/** It was done. @category constructors @since 0.1.0 */
export const done = <State>(
  state: State,
  events: ReadonlyArray<Emitted> = [],
  transfers: ReadonlyArray<Transfer> = [],
): Step<State> => Result.succeed({ state, events, transfers: transfers.filter(({ amount }) => amount > 0n) })

/** It is refused. @category constructors @since 0.1.0 */
export const refuse = (rule: string, figures: Readonly<Record<string, unknown>> = {}): Result.Result<never, Refusal> =>
  Result.fail({ rule, figures })

/**
 * Where a contract can be paused: until which second nothing comes in.
 *
 * @category models
 * @since 0.1.0
 */
export interface Pausable {
  readonly pausedUntilS: number
}

/** How long a pause is at most. @category constants @since 0.1.0 */
export const PAUSE_MAX_S = 604_800

const isPaused = (state: Pausable, scene: Scene): boolean => scene.nowS < state.pausedUntilS

/** Refuses what comes in while the contract is paused. @category rules @since 0.1.0 */
export const whenNotPaused = <A>(
  state: Pausable,
  scene: Scene,
  next: () => Result.Result<A, Refusal>,
): Result.Result<A, Refusal> => (isPaused(state, scene) ? refuse("IsPaused", { until: state.pausedUntilS }) : next())

/** Refuses who does not hold a role. @category rules @since 0.1.0 */
export const onlyRole = <A>(
  scene: Scene,
  role: string,
  caller: Address,
  next: () => Result.Result<A, Refusal>,
): Result.Result<A, Refusal> => (scene.roles[role] === caller ? next() : refuse("MissingRole", { role, caller }))

/** Pauses. @category transitions @since 0.1.0 */
export const pause = <State extends Pausable>(state: State, by: Address, scene: Scene): Step<State> =>
  onlyRole(scene, "pauser", by, () =>
    whenNotPaused(state, scene, () => done({ ...state, pausedUntilS: scene.nowS + PAUSE_MAX_S })),
  )

/** Ends a pause. @category transitions @since 0.1.0 */
export const unpause = <State extends Pausable>(state: State, by: Address, scene: Scene): Step<State> =>
  onlyRole(scene, "pauser", by, () =>
    isPaused(state, scene) ? done({ ...state, pausedUntilS: scene.nowS }) : refuse("NotPaused"),
  )

/** What a map has under a key, or what stands for nothing. @category destructors @since 0.1.0 */
export const get = <V>(map: HashMap.HashMap<string, V>, key: string, none: V): V =>
  Option.getOrElse(HashMap.get(map, key), () => none)

/** Adds to an amount in a map. @category combinators @since 0.1.0 */
export const add = (
  map: HashMap.HashMap<string, bigint>,
  key: string,
  amount: bigint,
): HashMap.HashMap<string, bigint> => HashMap.set(map, key, get(map, key, 0n) + amount)
