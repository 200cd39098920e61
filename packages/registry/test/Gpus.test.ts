import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { Effect, Layer } from "effect"
import * as Gpus from "../src/Gpus.ts"
import * as GpusSql from "../src/GpusSql.ts"
import * as GpusTest from "../src/testing/GpusTest.ts"

const options = { perMember: GpusTest.PER_MEMBER }
GpusTest.suite("memory", Gpus.layerMemory(options))
GpusTest.suite("SQL", GpusSql.layer(options).pipe(Layer.provide(TestDatabase.layer)))

type Service = Gpus.Gpus["Service"]
const broken = (change: (gpus: Service) => Partial<Service>) =>
  Layer.effect(
    Gpus.Gpus,
    Effect.map(Gpus.Gpus, (gpus) => Gpus.Gpus.of({ ...gpus, ...change(gpus) })),
  ).pipe(Layer.provide(Gpus.layerMemory(options)))

const id = Gpus.GpuId.make(`gpu_${"1".repeat(24)}`)
GpusTest.breaks(
  "all have one id",
  broken(({ register }) => ({ register: (gpu) => Effect.map(register(gpu), (made) => ({ ...made, id })) })),
  1,
)
GpusTest.breaks(
  "regions are not looked at",
  broken(({ list }) => ({ list: ({ owner }) => list({ owner }) })),
  2,
)
GpusTest.breaks(
  "devices are not looked at",
  broken(({ change }) => ({ change: (gpu, { memberId }, what) => change(gpu, { memberId }, what) })),
  3,
)
GpusTest.breaks(
  "a price of nothing is no price",
  broken(({ change }) => ({
    change: (gpu, owner, { basePrice, ...what }) =>
      change(gpu, owner, basePrice === 0n || basePrice === undefined ? what : { ...what, basePrice }),
  })),
  4,
)
GpusTest.breaks(
  "everybody has room",
  broken(({ register }) => ({
    register: (gpu) =>
      Effect.catch(register(gpu), () => Effect.succeed({ ...gpu, id, createdAtMs: 0, changedAtMs: 0 })),
  })),
  5,
)
