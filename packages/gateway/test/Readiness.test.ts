import { afterEach, assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { LedgerError, Unavailable } from "@guildhall/ledger/LedgerError"
import * as LedgerStore from "@guildhall/ledger/LedgerStore"
import * as LedgerStoreMemory from "@guildhall/ledger/LedgerStoreMemory"
import * as TestControl from "./TestControl.ts"

const open: Array<TestControl.TestControl> = []
afterEach(async () => {
  for (const market of open.splice(0)) await market.close()
})

/** What the store keeps: all, what adds nothing, or nothing; or it says nothing at all. */
type Disk = "roomy" | "full" | "away" | "silent"

const full = new LedgerError({ reason: new Unavailable({ cause: new Error("No space left on device") }) })

const addsNothing = ({ _tag }: LedgerStore.Command): boolean =>
  _tag === "Preview" || _tag === "Renew" || _tag === "Expire"

/** A market whose books are on a disk of this kind; and every batch that it was given. */
const market = async (disk: Disk) => {
  const state = { disk, batches: [] as Array<ReadonlyArray<LedgerStore.Command>> }
  const store = Layer.effect(
    LedgerStore.LedgerStore,
    Effect.map(Effect.service(LedgerStore.LedgerStore), (memory) =>
      LedgerStore.LedgerStore.of({
        ...memory,
        commit: (commands) =>
          Effect.suspend(() => {
            state.batches.push(commands)
            if (state.disk === "silent") return Effect.never
            const keeps = state.disk === "roomy" || (state.disk === "full" && commands.every(addsNothing))
            return keeps ? memory.commit(commands) : Effect.fail(full)
          }),
      }),
    ),
  ).pipe(Layer.provide(LedgerStoreMemory.layer))
  const control = await TestControl.start({ store })
  open.push(control)
  const ready = async (): Promise<number> => (await control.call("GET", "/readyz")).status
  /** A proof counts for a second of the server's own clock, so that much time has to pass. */
  const later = () => new Promise((resolve) => setTimeout(resolve, 1_050))
  /** How often it is not ready before it is. */
  const untilReady = async (): Promise<number> => {
    for (let times = 0; ; times++) {
      if ((await ready()) === 200) return times
      if (times > 8) throw new Error("It does not become ready.")
      await later()
    }
  }
  return { control, state, ready, later, untilReady }
}

describe("a gateway is not ready", () => {
  it.each(["away", "silent"] as const)("while the ledger's store is %s", async (disk) => {
    const { control, state, untilReady } = await market(disk)
    const reply = await control.call("GET", "/readyz")
    assert.strictEqual(reply.status, 503)
    assert.strictEqual(reply.json.code, "service_unavailable")
    assert.match(reply.json.message ?? reply.json.detail, /keeps nothing that is written.*look after the database/)
    assert.strictEqual((await control.call("GET", "/healthz")).status, 200)
    // What was never answered stands in the way of what comes after it, for as long as a store's own patience.
    if (disk === "silent") return
    state.disk = "roomy"
    assert.isAtLeast(await untilReady(), 1)
  })

  it("where a hold was not kept, until one would be", async () => {
    const { control, later, ready, state, untilReady } = await market("full")
    assert.strictEqual(await ready(), 200)
    const refused = await control.run(Effect.flip(control.ledger.link([])))
    assert.strictEqual(refused.reason._tag, "Unavailable")
    await later()
    assert.strictEqual(await ready(), 503)
    state.disk = "roomy"
    assert.isAtLeast(await untilReady(), 1)
  })
})

describe("asking whether a gateway is ready", () => {
  it("asks the ledger once a second at most, and adds nothing to the books", async () => {
    const { control, ready, state } = await market("roomy")
    const answers = await Promise.all(Array.from({ length: 50 }, ready))
    assert.isTrue(answers.every((status) => status === 200))
    assert.lengthOf(state.batches, 1)
    assert.isTrue(state.batches.flat().every(addsNothing))
    assert.lengthOf(await control.run(control.ledger.accounts()), 0)
  })
})
