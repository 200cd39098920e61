import { Effect } from "effect"
import { Address, ValidatorSet } from "@guildhall/chain"
import { ChainTestbed, ValidatorSetTest } from "../src/testing/index.ts"
import { broken, forgetful } from "./Broken.ts"

const Port = ValidatorSet.ValidatorSet

ValidatorSetTest.suite("memory", ChainTestbed.layerMemory())

ValidatorSetTest.breaks(
  "it forgets its keys",
  broken(Port, ({ act }) => ({ act: forgetful(act) })),
  1,
)
ValidatorSetTest.breaks(
  "it lists at once",
  broken(Port, ({ listed }) => ({ listed: (epoch) => listed(epoch + 1) })),
  2,
)
ValidatorSetTest.breaks(
  "one is drawn twice",
  broken(Port, ({ job }) => ({
    job: (id) =>
      Effect.map(job(id), (known) => ({ ...known, drawn: known.drawn.map(() => known.drawn[0] ?? Address.ZERO) })),
  })),
  3,
)
ValidatorSetTest.breaks(
  "it takes any vote",
  broken(Port, ({ act }) => ({
    act: (asked) => (asked._tag === "RevealVote" ? act({ ...asked, _tag: "RequestExit" }) : act(asked)),
  })),
  4,
)
ValidatorSetTest.breaks(
  "one is enough",
  broken(Port, ({ terms }) => ({ terms: { ...terms, quorum: 1 } })),
  5,
)
ValidatorSetTest.breaks(
  "who is silent pays",
  broken(Port, ({ validator }, { nowS }) => ({
    validator: (account) =>
      Effect.zipWith(validator(account), nowS, (known, atS) => ({ ...known, bonded: known.bonded - BigInt(atS) })),
  })),
  6,
)
ValidatorSetTest.breaks(
  "it cuts too much",
  broken(Port, ({ terms }) => ({ terms: { ...terms, slashBps: 1 } })),
  7,
)
ValidatorSetTest.breaks(
  "time cuts bonds",
  broken(Port, ({ validator }, { nowS }) => ({
    validator: (account) =>
      Effect.zipWith(validator(account), nowS, (known, atS) => ({ ...known, bonded: known.bonded - BigInt(atS) })),
  })),
  8,
)
ValidatorSetTest.breaks(
  "it loses what is for the insurance",
  broken(Port, ({ totals }) => ({ totals: Effect.map(totals, (known) => ({ ...known, insurance: 0n })) })),
  9,
)
