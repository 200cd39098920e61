/**
 * By which rails a member is paid, as it is asked for and shown.
 *
 * @since 0.1.0
 */
import type { InstanceId } from "@guildhall/core/Instance"
import type { MemberId } from "@guildhall/core/Member"
import type { ModelId } from "@guildhall/core/Model"
import type { Onboarding } from "@guildhall/core/ProviderRails"

/**
 * A rail of a member: whether it is on, and whether what it `needs` is set up.
 *
 * @category models
 * @since 0.1.0
 */
export interface RailView {
  readonly name: string
  readonly isOn: boolean
  readonly isReady: boolean
  readonly needs: Onboarding | undefined
}

/**
 * An instance with the rails that it is paid by, and those that were turned off for it alone.
 *
 * @category models
 * @since 0.1.0
 */
export interface InstanceRails {
  readonly id: InstanceId
  readonly model: ModelId
  readonly rails: ReadonlyArray<string>
  readonly off: ReadonlyArray<string>
}

/**
 * A member's rails. `targets` are where it is paid to, by what it has set up: an account's name, or a wallet's address.
 *
 * @category models
 * @since 0.1.0
 */
export interface MemberRailsView {
  readonly rails: ReadonlyArray<RailView>
  readonly targets: ReadonlyArray<{ readonly kind: Onboarding; readonly target: string; readonly atMs: number }>
  readonly instances: ReadonlyArray<InstanceRails>
}

/**
 * Rails to turn on or off, by their names: for all instances of a member, or for one of them.
 *
 * @category models
 * @since 0.1.0
 */
export interface RailToggle {
  readonly memberId: MemberId
  readonly instance?: InstanceId | undefined
  readonly rails: Readonly<Record<string, boolean>>
}

const TODO: Readonly<Record<Onboarding, string>> = {
  connect: "Set up the account that card payments are paid out to, in the market's dashboard, or ask its operator to.",
  wallet: "Prove the wallet that stablecoins are paid out to, in the market's dashboard, or ask its operator to.",
}

/**
 * What there is to do before a rail can be on.
 *
 * @category getters
 * @since 0.1.0
 */
export const todo = (needs: Onboarding): string => TODO[needs]
