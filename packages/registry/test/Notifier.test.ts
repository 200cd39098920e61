import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { Effect, Layer } from "effect"
import * as Devices from "../src/Devices.ts"
import * as DevicesSql from "../src/DevicesSql.ts"
import * as Notifier from "../src/Notifier.ts"
import * as NotifierSql from "../src/NotifierSql.ts"
import * as NotifierTest from "../src/testing/NotifierTest.ts"

const options = { allowPrivate: false }
const memory = Notifier.layerMemory.pipe(Layer.provideMerge(Devices.layerMemory(options)))
NotifierTest.suite("memory", memory)
NotifierTest.suite(
  "SQL",
  Layer.merge(NotifierSql.layer, DevicesSql.layer(options)).pipe(Layer.provide(TestDatabase.layer)),
)

type Service = Notifier.Notifier["Service"]
const broken = (change: (notifier: Service) => Partial<Service>) =>
  Layer.effect(
    Notifier.Notifier,
    Effect.map(Notifier.makeMemory, (notifier) => Notifier.Notifier.of({ ...notifier, ...change(notifier) })),
  ).pipe(Layer.provideMerge(Devices.layerMemory(options)))

let number = 0
NotifierTest.breaks(
  "each warning has a key of its own",
  broken(({ warn }) => ({ warn: (warning) => warn({ ...warning, key: `${warning.key}${number++}` }) })),
  1,
)
NotifierTest.breaks(
  "nobody sends anything",
  broken(({ outgoing }) => ({ outgoing: { ...outgoing, take: () => Effect.succeed([]) } })),
  2,
)
NotifierTest.breaks(
  "what was answered counts as delivered",
  broken(({ beat }) => ({
    beat: (one) => Effect.tap(beat(one), () => beat({ ...one, given: one.next })),
  })),
  3,
)
NotifierTest.breaks(
  "the last delivery counts",
  broken(({ find }) => ({
    find: (key) =>
      Effect.map(find(key), (found) =>
        found === undefined || found.delivery === null
          ? found
          : { ...found, delivery: { ...found.delivery, way: "beat" } },
      ),
  })),
  4,
)
NotifierTest.breaks(
  "what is taken stays there",
  broken(({ outgoing }) => ({
    outgoing: { ...outgoing, take: (options) => outgoing.take({ ...options, leaseMs: 0 }) },
  })),
  5,
)
NotifierTest.breaks(
  "nothing ever ends",
  broken(({ find }) => ({
    find: (key) =>
      Effect.map(find(key), (found) => (found === undefined ? found : { ...found, waysLeft: ["webhook"] })),
  })),
  6,
)
NotifierTest.breaks(
  "the oldest come first",
  broken(({ list }) => ({ list: (member) => Effect.map(list(member), (found) => found.toReversed()) })),
  7,
)
