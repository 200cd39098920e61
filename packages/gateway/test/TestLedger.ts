import { Effect, Layer } from "effect"
import { Ledger } from "@guildhall/ledger"
import { type Account, AccountId } from "@guildhall/ledger/Account"
import type { Hold } from "@guildhall/ledger/Hold"
import { HoldNotAvailable, InsufficientFunds, LedgerError, UnknownAccount } from "@guildhall/ledger/LedgerError"
import type { Attached } from "@guildhall/ledger/LedgerStore"
import type { Attachment, Posting } from "@guildhall/ledger/Posting"

/** Interim. */
export const TestLedger = Layer.sync(Ledger.Ledger, () => {
  const accounts = new Map<string, Account & { balance: bigint; held: bigint }>()
  const holds = new Map<string, Hold & { state: Hold["state"] }>()
  const attached: Array<Attached> = []
  const last = new Map<string, bigint>()
  let sequence = 0n
  const attach = (list: ReadonlyArray<Attachment>) => {
    for (const attachment of list) attached.push({ sequence: BigInt(attached.length + 1), attachment, attachedAtMs: 0 })
  }
  const move = (posting: Posting) => {
    for (const leg of posting.legs) {
      const account = accounts.get(leg.account)
      if (account === undefined) throw new LedgerError({ reason: new UnknownAccount({ account: leg.account }) })
      account.balance += leg.amount
      last.set(account.id, account.balance - account.held)
    }
    attach(posting.attachments)
    sequence += 1n
    return { sequence, replayed: false }
  }
  const sync = <A>(f: () => A) =>
    Effect.andThen(Effect.yieldNow, Effect.try({ try: f, catch: (e) => e as LedgerError }))
  const take = (id: string, wanted: "posted" | "voided") => {
    const hold = holds.get(id)
    if (hold?.state !== "pending") {
      throw new LedgerError({
        reason: new HoldNotAvailable({ hold: id as Hold["id"], state: hold?.state ?? null, wanted: "pending" }),
      })
    }
    hold.state = wanted
    const account = accounts.get(hold.account)!
    account.held -= hold.amount
    last.set(account.id, account.balance - account.held)
  }
  return Ledger.Ledger.of({
    open: (account) =>
      sync(() => {
        const found = accounts.get(account.id)
        if (found !== undefined) return found
        const made: Account & { balance: bigint; held: bigint } = { ...account, state: "open", balance: 0n, held: 0n }
        accounts.set(account.id, made)
        return made
      }),
    post: (posting) => sync(() => move(posting)),
    hold: (request) =>
      sync(() => {
        const account = accounts.get(request.account)
        if (account === undefined) throw new LedgerError({ reason: new UnknownAccount({ account: request.account }) })
        const available = account.balance - account.held
        if (account.floor !== null && available - request.amount < account.floor) {
          throw new LedgerError({
            reason: new InsufficientFunds({ account: account.id, available, needed: request.amount }),
          })
        }
        account.held += request.amount
        last.set(account.id, available - request.amount)
        const hold: Hold = { ...request, state: "pending", claimed: false, expiresAtMs: 0 }
        holds.set(hold.id, { ...hold })
        return { hold, available: available - request.amount }
      }),
    settle: (id, posting) =>
      sync(() => {
        take(id, "posted")
        return move(posting)
      }),
    void: (id, attachments) =>
      sync(() => {
        take(id, "voided")
        attach(attachments)
      }),
    claim: (_, posting) => sync(() => move(posting)),
    renew: (owner) => sync(() => [...holds.values()].filter((h) => h.owner === owner && h.state === "pending").length),
    expire: () => Effect.succeed([]),
    account: (id) =>
      sync(() => {
        const found = accounts.get(id)
        if (found === undefined) throw new LedgerError({ reason: new UnknownAccount({ account: AccountId.make(id) }) })
        return { ...found }
      }),
    accounts: () => sync(() => [...accounts.values()].map((a) => ({ ...a }))),
    findHold: (id) => sync(() => holds.get(id)),
    attachments: () => sync(() => [...attached]),
    lastAvailable: (id) => last.get(id),
  })
})
