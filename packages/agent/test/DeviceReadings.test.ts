import { assert, describe, it } from "@effect/vitest"
import { NodeServices } from "@effect/platform-node"
import { Context, Duration, Effect, FileSystem, Layer, Path } from "effect"
import * as Gauges from "../src/detect/Gauges.ts"
import { Host } from "../src/detect/Host.ts"
import * as NvidiaSmi from "../src/detect/NvidiaSmi.ts"
import * as RocmSmi from "../src/detect/RocmSmi.ts"
import * as DeviceReadings from "../src/DeviceReadings.ts"

describe("nvidia-smi", () => {
  it("tells load, temperature, memory and driver of each card", () => {
    assert.deepStrictEqual(NvidiaSmi.parseGauges("37, 61, 20480, 570.133.20\n"), {
      loadPercent: 37,
      temperatureCelsius: 61,
      vramUsedMib: 20_480,
      driver: "570.133.20",
    })
    const two = NvidiaSmi.parseGauges("100, 80, 70000, 570.133.20\n0, 35, 500, 570.133.20\n")
    assert.deepStrictEqual(two, {
      loadPercent: 50,
      temperatureCelsius: 80,
      vramUsedMib: 70_500,
      driver: "570.133.20",
    })
  })

  it("leaves out what a card does not say, and what no card can be", () => {
    // A partitioned card has no load; one without a sensor no temperature.
    assert.deepStrictEqual(NvidiaSmi.parseGauges("[N/A], 44, 81, 535.54\n"), {
      temperatureCelsius: 44,
      vramUsedMib: 81,
      driver: "535.54",
    })
    assert.deepStrictEqual(NvidiaSmi.parseGauges("400, 9999, -5, x\n"), {})
    assert.deepStrictEqual(NvidiaSmi.parseGauges("No devices were found\n"), {})
    assert.deepStrictEqual(NvidiaSmi.parseGauges(""), {})
  })
})

describe("rocm-smi", () => {
  it("tells load, temperature and memory of each card, after warnings", () => {
    const card = {
      "Temperature (Sensor edge) (C)": "48.0",
      "Temperature (Sensor junction) (C)": "55.0",
      "GPU use (%)": "12",
      "VRAM Total Memory (B)": "25753026560",
      "VRAM Total Used Memory (B)": "1073741824",
    }
    const other = { "GPU use (%)": "88", "Temperature (Sensor edge) (C)": "N/A", "VRAM Total Used Memory (B)": "0" }
    const text = `WARNING: something\n${JSON.stringify({ card0: card, card1: other, system: { "Driver version": "6" } })}`
    assert.deepStrictEqual(RocmSmi.parseGauges(text), {
      loadPercent: 50,
      temperatureCelsius: 55,
      vramUsedMib: 1024,
    })
    assert.isUndefined(RocmSmi.parseGauges("it broke"))
  })
})

describe("T13 · any machine", () => {
  it("without a GPU says how busy its processors are", () => {
    const idle = { busy: 1_000, idle: 9_000 }
    assert.strictEqual(DeviceReadings.cpuLoad(idle, { busy: 1_750, idle: 9_250 }), 75)
    assert.isUndefined(DeviceReadings.cpuLoad(idle, idle))
    // A machine that slept has its counters set back.
    assert.isUndefined(DeviceReadings.cpuLoad(idle, { busy: 0, idle: 20_000 }))
    assert.deepStrictEqual(Gauges.together([]), {})
  })

  /** Readings of a machine that has one tool, which does as a script says. */
  const reading = Effect.fnUntraced(function* (script: string | undefined) {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const folder = yield* fs.makeTempDirectoryScoped()
    if (script !== undefined) {
      yield* fs.writeFileString(path.join(folder, "nvidia-smi"), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
    }
    const host = {
      platform: "linux",
      architecture: "x64",
      release: "6",
      cpuName: "x",
      parallelism: 4,
      memoryMib: 1_000,
      toolPath: script === undefined ? folder : `${folder}:/usr/bin:/bin`,
    }
    const context = yield* Layer.build(DeviceReadings.layer).pipe(Effect.provideService(Host, host))
    return Context.get(context, DeviceReadings.DeviceReadings)
  })
  const first = (readings: DeviceReadings.DeviceReadings["Service"]) =>
    Effect.gen(function* () {
      for (let tries = 0; tries < 200; tries++) {
        const latest = yield* readings.latest
        if (Object.keys(latest).length > 0) return latest
        yield* Effect.sleep(25)
      }
      return assert.fail("nothing was read in time")
    })

  it.live("says what its tool says", () =>
    Effect.gen(function* () {
      const latest = yield* first(yield* reading("echo '63, 70, 12000, 580.65.06'"))
      assert.deepStrictEqual(latest, {
        loadPercent: 63,
        temperatureCelsius: 70,
        vramUsedMib: 12_000,
        driver: "580.65.06",
      })
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
  )

  it.live("answers at once while its tool hangs", () =>
    Effect.gen(function* () {
      const readings = yield* reading("exec sleep 60")
      yield* Effect.sleep(100)
      const [took, latest] = yield* Effect.timed(readings.latest)
      assert.isBelow(Duration.toMillis(took), 50)
      assert.deepStrictEqual(latest, {})
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
  )
})
