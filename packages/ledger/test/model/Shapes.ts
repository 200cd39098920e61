/** What the oracle remembers, and what it is asked. Everything in it is replaced, never changed. */
import type { Account as StoredAccount } from "../../src/Account.ts"
import type { Json } from "effect/Schema"
import type { HoldState } from "../../src/Hold.ts"
import type { Command } from "../../src/LedgerStore.ts"
import type { Posting } from "../../src/Posting.ts"

/** What is asked of both. */
export type Asked = Command

/** What was done, or every reason against it. */
export type Answer = string | ReadonlyArray<string>

export type Account = Omit<StoredAccount, "id">

/** What of a hold is on one account. */
export interface Part {
  readonly account: string
  readonly amount: bigint
  readonly drawn: bigint
}

export interface Hold {
  readonly asked: string
  readonly owner: string
  readonly parts: ReadonlyArray<Part>
  /** When it ends if nobody renews it. */
  readonly untilMs: number
  readonly state: HoldState
  readonly claimed: boolean
  readonly context: Json
}

export interface Payout {
  readonly hold: string
  readonly rail: string
  readonly to: number
  readonly isPending: boolean
}

/** The books, and what was found against the command that is being done in them. */
export interface Books {
  nowMs: number
  readonly accounts: Map<string, Account>
  readonly holds: Map<string, Hold>
  /** The last one of each account. */
  readonly payouts: Map<string, Payout>
  /** Until when each owner renewed; under the name "closed", until when the books are. */
  readonly times: Map<string, number>
  /** What was asked under each key: as many as there are entries. */
  readonly keys: Map<
    string,
    { readonly done: string; readonly asked: string; readonly sequence: number; readonly posting: Posting | undefined }
  >
  /** The attachments, as text. */
  attached: ReadonlyArray<string>
  readonly why: Array<string>
}
