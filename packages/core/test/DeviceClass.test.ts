import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import * as Hardware from "../src/Hardware.ts"
import * as DeviceClass from "../src/rules/DeviceClass.ts"

type Machine = Hardware.Hardware

const base: Machine = {
  gpus: [],
  cpu: { name: "Ryzen", cores: 16, architecture: "x64" },
  memoryMib: 32_000,
  diskFreeMib: 500_000,
  system: { platform: "linux", name: "Debian 12" },
}
const card = (memoryMib: number, changes: Partial<Hardware.Gpu> = {}): Hardware.Gpu => ({
  vendor: "nvidia",
  name: "card",
  memoryMib,
  memoryKind: "own",
  ...changes,
})
const machine = (...gpus: ReadonlyArray<Hardware.Gpu>): Machine => ({ ...base, gpus })
const classOf = (hardware: Machine, classes = DeviceClass.standard) =>
  DeviceClass.classify(hardware, classes).class?.name
const missesOf = (hardware: Machine, classes: DeviceClass.DeviceClasses) =>
  DeviceClass.classify(hardware, classes).misses.map(({ name, reasons }) => `${name}: ${reasons.join("; ")}`)

/** The hardware rule of S16, as a market writes it down. */
const S16: DeviceClass.DeviceClasses = [
  { name: "cpu", gpuMemoryGib: 0 },
  { name: "gpu", gpuMemoryGib: 16, requires: { gpuVendors: ["nvidia"], container: "nvidia" } },
]

describe("the usual classes", () => {
  // What drivers say of real cards, in MiB.
  it.each([
    ["Tesla P4, 8 GB", 7_611, "cpu"],
    ["RTX 3080, 10 GB", 10_240, "cpu"],
    ["RTX 3060, 12 GB", 12_288, "cpu"],
    ["Tesla T4, 16 GB with error correction", 15_109, "consumer"],
    ["RTX 4060 Ti, 16 GB", 16_380, "consumer"],
    ["A10, 24 GB with error correction", 22_731, "consumer"],
    ["RTX 4090, 24 GB", 24_564, "consumer"],
    ["RTX 5090, 32 GB", 32_607, "consumer"],
    ["Instinct MI100, 32 GB", 32_752, "consumer"],
    ["A100, 40 GB", 40_536, "workstation"],
    ["A40, 48 GB with error correction", 45_634, "workstation"],
    ["RTX 6000 Ada, 48 GB", 49_140, "workstation"],
    ["A100, 80 GB", 81_251, "datacenter"],
    ["H100, 80 GB", 81_559, "datacenter"],
    ["H200, 141 GB", 143_771, "datacenter"],
  ])("S3 · %s says %i MiB and is %s", (_, memoryMib, expected) => {
    assert.strictEqual(classOf(machine(card(memoryMib))), expected)
  })

  it("a machine without a GPU is cpu, one too small for that fits nothing, and is told all of it", () => {
    assert.strictEqual(classOf(base), "cpu")
    const tiny = { ...base, memoryMib: 1_900, cpu: { ...base.cpu, cores: 1 } }
    assert.isUndefined(classOf(tiny))
    assert.deepStrictEqual(missesOf(tiny, DeviceClass.standard), [
      "cpu: needs 2 processor cores; this machine has 1; needs 4 GiB of memory; this machine has 1.8",
      "consumer: needs 16 GiB of GPU memory; no GPU was found",
      "workstation: needs 40 GiB of GPU memory; no GPU was found",
      "datacenter: needs 80 GiB of GPU memory; no GPU was found",
    ])
  })

  it("memory that is shared with the processor is consumer, however much it is", () => {
    const studio = machine(card(147_456, { vendor: "apple", name: "Apple M2 Ultra", memoryKind: "shared" }))
    assert.strictEqual(classOf(studio), "consumer")
    assert.include(
      missesOf(studio, DeviceClass.standard)[1] ?? "",
      "needs a GPU with memory of its own; Apple M2 Ultra shares it with the processor",
    )
  })

  it("several cards count by the largest, not by their sum", () => {
    assert.strictEqual(classOf(machine(card(24_564), card(24_564), card(24_564), card(24_564))), "consumer")
    assert.strictEqual(classOf(machine(card(8_192), card(49_140), card(24_564))), "workstation")
  })
})

describe("what a class asks for", () => {
  it("S16 · an NVIDIA GPU of 16 GB and a container runtime with the NVIDIA toolkit, each missing part named", () => {
    const docker = { runtime: "docker", nvidiaToolkit: true } as const
    assert.strictEqual(classOf({ ...machine(card(16_380)), container: docker }, S16), "gpu")
    assert.deepStrictEqual(missesOf(machine(card(8_192)), S16), [
      "gpu: needs 16 GiB of GPU memory; card has 8; needs a container runtime; none was found",
    ])
    const radeon = { ...machine(card(24_560, { vendor: "amd", name: "Radeon" })), container: docker }
    assert.deepStrictEqual(missesOf(radeon, S16), ["gpu: needs a GPU of nvidia; Radeon is of amd"])
    const plain = { ...machine(card(16_380)), container: { ...docker, nvidiaToolkit: false } }
    assert.deepStrictEqual(missesOf(plain, S16), [
      "gpu: needs a container runtime with the NVIDIA toolkit; docker has none",
    ])
  })

  it("is asked of one GPU, not of several together", () => {
    const mixed = machine(card(8_192), card(24_560, { vendor: "amd", name: "Radeon" }))
    const classes: DeviceClass.DeviceClasses = [
      { ...S16[1], name: "gpu", gpuMemoryGib: 16, requires: { gpuVendors: ["nvidia"] } },
    ]
    assert.isUndefined(classOf(mixed, classes))
  })

  it("versions, disk and speed are compared with figures", () => {
    const classes: DeviceClass.DeviceClasses = [
      {
        name: "strict",
        gpuMemoryGib: 8,
        requires: {
          cudaVersion: "12.10",
          computeCapability: "8.0",
          diskFreeGib: 1_000,
          downKbps: 100_000,
        },
      },
    ]
    const good = {
      ...machine(card(8_192, { cudaVersion: "13.0", computeCapability: "12.0" })),
      diskFreeMib: 1_024_000,
      bandwidth: { downKbps: 100_000, upKbps: 20_000 },
    }
    assert.strictEqual(classOf(good, classes), "strict")
    const bad = { ...machine(card(8_192, { cudaVersion: "12.9" })), bandwidth: { downKbps: 8_500 } }
    assert.deepStrictEqual(DeviceClass.classify(bad, classes).misses[0]?.reasons, [
      "needs a driver for CUDA 12.10; card has 12.9",
      "needs compute capability 8.0; card has none that is known",
      "needs 1000 GiB of free disk; 488.2 are free",
      "needs 100 Mbit/s from the market; 8.5 were measured",
    ])
  })
})

describe("the definition of classes", () => {
  const problem = (classes: unknown) =>
    Result.match(Schema.decodeUnknownResult(DeviceClass.DeviceClasses)(classes), {
      onFailure: (error) => error.message,
      onSuccess: () => undefined,
    })

  it("is read, and refuses two classes that begin at the same place, in another order, or under one name", () => {
    assert.isUndefined(problem(DeviceClass.standard))
    assert.include(
      problem([
        { name: "a", gpuMemoryGib: 8 },
        { name: "b", gpuMemoryGib: 8 },
      ]),
      "does not begin above",
    )
    assert.include(
      problem([
        { name: "a", gpuMemoryGib: 8 },
        { name: "b", gpuMemoryGib: 4 },
      ]),
      "does not begin above",
    )
    assert.include(
      problem([
        { name: "a", gpuMemoryGib: 8 },
        { name: "a", gpuMemoryGib: 9 },
      ]),
      "listed twice",
    )
  })

  it("refuses a class that needs no GPU and asks something of one", () => {
    assert.include(problem([{ name: "a", gpuMemoryGib: 0, requires: { cudaVersion: "12" } }]), "needs none")
  })

  it.prop(
    "gives every amount of memory to exactly one range",
    [DeviceClass.DeviceClasses, Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 20_000 })))],
    ([classes, gib]) => {
      const holding = classes.filter(({ name }) => {
        const { belowGib = Infinity, fromGib = Infinity } = DeviceClass.range(name, classes) ?? {}
        return fromGib <= gib && gib < belowGib
      })
      assert.strictEqual(holding.length, gib < classes[0].gpuMemoryGib ? 0 : 1)
    },
    { arbitrary: { seed: "device-class-ranges" } },
  )
})

describe("classify", () => {
  const rankOf = (hardware: Machine, classes: DeviceClass.DeviceClasses) => {
    const found = DeviceClass.classify(hardware, classes).class
    return found === undefined ? -1 : classes.indexOf(found)
  }
  const More = Schema.Struct({
    gpuMib: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 100_000 }))),
    memoryMib: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 100_000 }))),
    diskMib: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000 }))),
    cores: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 64 }))),
    further: Schema.Array(Hardware.Gpu).pipe(Schema.check(Schema.isMaxLength(3))),
  })

  it.prop(
    "more of anything never leads to a lower class",
    [Hardware.Hardware, DeviceClass.DeviceClasses, More],
    ([hardware, classes, more]) => {
      const larger: Machine = {
        ...hardware,
        gpus: [...hardware.gpus.map((gpu) => ({ ...gpu, memoryMib: gpu.memoryMib + more.gpuMib })), ...more.further],
        cpu: { ...hardware.cpu, cores: hardware.cpu.cores + more.cores },
        memoryMib: hardware.memoryMib + more.memoryMib,
        diskFreeMib: hardware.diskFreeMib + more.diskMib,
      }
      assert.isAtLeast(rankOf(larger, classes), rankOf(hardware, classes))
    },
    { arbitrary: { seed: "device-class-monotone", runs: 300 } },
  )

  it.prop(
    "every class above the one that fits is named with its reasons, smallest first",
    [Hardware.Hardware, DeviceClass.DeviceClasses],
    ([hardware, classes]) => {
      const { misses } = DeviceClass.classify(hardware, classes)
      const above = classes.slice(rankOf(hardware, classes) + 1).map(({ name }) => name)
      assert.deepStrictEqual(
        misses.map(({ name }) => name),
        above,
      )
      for (const { reasons } of misses) for (const reason of reasons) assert.match(reason, /^needs .*; /)
    },
    { arbitrary: { seed: "device-class-misses", runs: 300 } },
  )
})

describe("Hardware", () => {
  const accepts = (gpus: ReadonlyArray<unknown>) =>
    Result.isSuccess(Schema.decodeUnknownResult(Hardware.Hardware)({ ...base, gpus }))

  it("a card is listed once: not twice, not whole and in slices, no slice twice", () => {
    const uuid = "GPU-513536b6-7d19-9063-b049-1e69664bb298"
    const slice = (name: string) => card(19_968, { uuid, slice: name })
    assert.isTrue(accepts([card(8_192), card(8_192), card(1, { uuid })]))
    assert.isTrue(accepts([slice("3/0"), slice("4/0")]))
    assert.isFalse(accepts([card(1, { uuid }), card(1, { uuid })]))
    assert.isFalse(accepts([slice("3/0"), slice("3/0")]))
    assert.isFalse(accepts([slice("3/0"), card(1, { uuid })]))
    assert.isFalse(accepts([card(1, { uuid }), slice("3/0")]))
  })

  it("nothing without a bound comes in", () => {
    const wrong = [
      { memoryMib: 0 },
      { memoryMib: -1 },
      { memoryMib: 1.5 },
      { memoryMib: 1e9 },
      { name: "" },
      { name: "a".repeat(101) },
      { name: "a\u001b[2J" },
      { name: " a" },
      { cudaVersion: "12.x" },
      { vendor: "nvidia " },
      { slice: "1" },
    ]
    for (const change of wrong) assert.isFalse(accepts([{ ...card(8_192), ...change }]), JSON.stringify(change))
    assert.isFalse(accepts(Array.from({ length: 129 }, () => card(8_192))))
  })

  it.prop(
    "any text of a tool becomes one that is accepted, or none",
    [Schema.String],
    ([raw]) => {
      const name = Hardware.text(raw)
      assert.isTrue(name === undefined || accepts([card(1, { name })]))
    },
    { arbitrary: { seed: "hardware-text" } },
  )
})
