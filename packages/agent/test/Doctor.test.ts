import * as Os from "node:os"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import type { Gpu, Hardware } from "@guildhall/core/Hardware"
import * as DeviceClass from "@guildhall/core/rules/DeviceClass"
import type { Market, Subject } from "../src/checks/Check.ts"
import * as LocalChecks from "../src/checks/LocalChecks.ts"
import type { Finding } from "../src/detect/Finding.ts"
import { Host } from "../src/detect/Host.ts"
import * as DoctorCommand from "../src/DoctorCommand.ts"
import * as DoctorReport from "../src/DoctorReport.ts"
import * as ToldMarket from "./ToldMarket.ts"

const NodeLayer = Layer.mergeAll(NodeServices.layer, NodeHttpClient.layerNodeHttp)

const base: Hardware = {
  gpus: [],
  cpu: { name: "Ryzen", cores: 16, architecture: "x64" },
  memoryMib: 32_000,
  diskFreeMib: 500_000,
  system: { platform: "linux", name: "Debian 12" },
}
const rtx: Gpu = {
  vendor: "nvidia",
  name: "NVIDIA GeForce RTX 4090",
  memoryMib: 24_564,
  memoryKind: "own",
  driverVersion: "550.144.03",
  cudaVersion: "12.4",
  computeCapability: "8.9",
}

const S16 = [
  { name: "cpu", gpuMemoryGib: 0 },
  { name: "gpu", gpuMemoryGib: 16, requires: { container: "nvidia" } },
] as const satisfies DeviceClass.DeviceClasses

interface Case {
  readonly hardware?: Partial<Hardware>
  readonly findings?: ReadonlyArray<Finding>
  readonly classes?: DeviceClass.DeviceClasses
  readonly market?: Market
}

const subjectOf = ({ classes = DeviceClass.standard, findings = [], market, hardware }: Case): Subject => {
  const machine = { ...base, ...hardware }
  return {
    detected: { hardware: machine, findings },
    classes,
    classification: DeviceClass.classify(machine, classes),
    market: market ?? { _tag: "None" },
    home: Os.tmpdir(),
  }
}

const verdictOf = (name: string, one: Case) =>
  Effect.suspend(() => {
    const check = LocalChecks.all.find((each) => each.name === name)
    return check === undefined ? Effect.die(`no check ${name}`) : check.run(subjectOf(one))
  }).pipe(Effect.provide(NodeLayer))

const found = (clockAheadMs: number | undefined): Market => ({
  _tag: "Found",
  url: "http://market",
  terms: { name: "mine", deviceClasses: DeviceClass.standard, roundTripMs: 12, clockAheadMs },
})

describe("checks", () => {
  it.effect.each([
    { name: "Class", one: {}, state: "passed", says: "cpu, by the usual classes; it asks for no GPU." },
    {
      name: "Class",
      one: { hardware: { gpus: [rtx] }, market: found(0) },
      state: "passed",
      says: "consumer, on the market mine; it takes GPUs of 16 GiB to below 40.",
    },
    {
      name: "Class",
      one: { hardware: { memoryMib: 2_000 } },
      state: "failed",
      says: "None, by the usual classes. Nearest is cpu, which needs 4 GiB of memory; this machine has 1.9.",
    },
    { name: "GPU", one: {}, state: "skipped", says: "No GPU was found" },
    { name: "GPU", one: { hardware: { gpus: [rtx] } }, state: "passed", says: "1 GPU" },
    {
      name: "GPU",
      one: { findings: [{ source: "nvidia-smi", reason: "TimedOut", detail: "It hangs." }] },
      state: "failed",
      says: "It hangs.",
    },
    {
      name: "GPU",
      one: {
        hardware: { gpus: [rtx] },
        findings: [{ source: "nvidia-smi", reason: "Failed", detail: "One is lost." }],
      },
      state: "warned",
      says: "1 GPU can be used. One is lost.",
    },
    {
      name: "GPU",
      one: { findings: [{ source: "rocm-smi", reason: "Missing", detail: "There is 1 AMD card here." }] },
      state: "warned",
      says: "There is 1 AMD card here.",
    },
    { name: "Containers", one: {}, state: "skipped", says: "It would not change this machine's class." },
    {
      name: "Containers",
      one: { hardware: { container: { runtime: "podman", nvidiaToolkit: false } } },
      state: "passed",
      says: "Podman.",
    },
    { name: "Containers", one: { classes: S16 }, state: "skipped", says: "It would not change this machine's class." },
    {
      name: "Containers",
      one: { hardware: { gpus: [rtx] }, classes: S16 },
      state: "warned",
      says: "There is no container runtime. With it this machine would be gpu.",
    },
    {
      name: "Containers",
      one: {
        hardware: { gpus: [rtx], container: { runtime: "docker", version: "27.5.1", nvidiaToolkit: false } },
        classes: [S16[1]],
      },
      state: "failed",
      says: "Docker 27.5.1 cannot hand NVIDIA GPUs to containers. With it this machine would be gpu.",
    },
    { name: "Disk", one: { hardware: { diskFreeMib: 3_000 } }, state: "warned", says: "2 GiB are free" },
    { name: "Home", one: {}, state: "passed", says: "can be written" },
    { name: "Market", one: {}, state: "skipped", says: "--market" },
    { name: "Clock", one: { market: found(-400) }, state: "passed", says: "As the market's." },
    { name: "Clock", one: { market: found(30_000) }, state: "warned", says: "30 s ahead of the market's." },
    { name: "Clock", one: { market: found(-90_000) }, state: "failed", says: "90 s behind the market's." },
    { name: "Clock", one: { market: found(undefined) }, state: "skipped", says: "No market told its time." },
    {
      name: "Connection",
      one: { hardware: { bandwidth: { downKbps: 93_400 } } },
      state: "passed",
      says: "93.4 Mbit/s",
    },
    {
      name: "Connection",
      one: { classes: [{ name: "fast", gpuMemoryGib: 0, requires: { downKbps: 50_000 } }] },
      state: "warned",
      says: "a class of this market asks for it",
    },
  ] as ReadonlyArray<{ name: string; one: Case; state: string; says: string }>)(
    "$name is $state: $says",
    ({ name, one, says, state }) =>
      Effect.gen(function* () {
        const verdict = yield* verdictOf(name, one)
        assert.strictEqual(verdict.state, state)
        assert.include(verdict.detail, says)
        if (verdict.state === "failed" && name !== "GPU") assert.isDefined(verdict.fix)
      }),
  )
})

describe("the report", () => {
  const results: ReadonlyArray<DoctorReport.Result> = [
    { name: "Class", verdict: { state: "passed", detail: "consumer." } },
    {
      name: "GPU",
      verdict: { state: "warned", detail: "A card \u001b[2J is lost and this is a long text.", fix: "Restart it." },
    },
    { name: "Market", verdict: { state: "skipped", detail: "None was named." } },
  ]
  const subject = subjectOf({ hardware: { gpus: [rtx, rtx] } })

  it("for a person: the machine, equal cards once, the next class, each check with its fix, and the sum", () => {
    const text = DoctorReport.text(subject, results, { isColourful: false, columns: undefined })
    assert.strictEqual(
      text,
      `This machine
    System      Debian 12, x64
    Processor   Ryzen, 16 cores
    Memory      31.2 GiB
    Disk        488.2 GiB free
    GPU         2 × NVIDIA GeForce RTX 4090, 23.9 GiB, driver 550.144.03, CUDA 12.4, compute 8.9
    Containers  none found
    Class       consumer by the usual classes
                workstation needs 40 GiB of GPU memory; NVIDIA GeForce RTX 4090 has 23.9

Checks
  ✓ Class       consumer.
  ! GPU         A card \ufffd[2J is lost and this is a long text.
                → Restart it.
  - Market      None was named.

This machine can serve, 1 worth a look.`,
    )
  })

  it("is folded to a terminal's columns, and has colours only where it may", () => {
    const text = DoctorReport.text(subject, results, { isColourful: true, columns: 50 })
    assert.include(text, "\u001b[32m✓\u001b[0m")
    const plain = [0, 1, 2, 31, 32, 33].reduce((left, code) => left.replaceAll(`\u001b[${code}m`, ""), text)
    assert.include(plain, "  ! GPU         A card \ufffd[2J is lost and this is a\n                long text.\n")
    assert.notInclude(plain, "\u001b")
  })

  it("for a program: one object, which says whether all is well", () => {
    const good = JSON.parse(DoctorReport.json(subject, results))
    assert.deepStrictEqual([good.ok, good.class, good.checks.length], [true, "consumer", 3])
    assert.deepStrictEqual(good.hardware, subject.detected.hardware)
    const bad = JSON.parse(
      DoctorReport.json(subject, [{ name: "Market", verdict: { state: "failed", detail: "It is away." } }]),
    )
    assert.isFalse(bad.ok)
  })
})

describe("doctor", () => {
  const examine = (market: string | undefined) =>
    Effect.gen(function* () {
      const here = yield* Host
      return yield* DoctorCommand.examine({ market, home: Os.tmpdir(), isMeasured: false }).pipe(
        // No tools: the same on every machine that runs this.
        Effect.provideService(Host, { ...here, toolPath: "/nowhere", memoryMib: 32_000, parallelism: 16 }),
      )
    }).pipe(Effect.provide(NodeLayer))

  it.live("works before anything is set up, and without a market", () =>
    Effect.map(examine(undefined), ({ results, subject }) => {
      assert.strictEqual(subject.classification.class?.name, "cpu")
      assert.isTrue(DoctorReport.isGood(results))
      assert.sameOrderedMembers(
        results.map(({ name }) => name),
        LocalChecks.all.map(({ name }) => name),
      )
    }),
  )

  it.live("goes by the classes of the market that is named, and says where that is away", () =>
    Effect.gen(function* () {
      const { url } = yield* ToldMarket.make((_, response) =>
        response.end(JSON.stringify({ name: "gpus-only", deviceClasses: [{ name: "gpu", gpuMemoryGib: 16 }] })),
      )
      const strict = yield* examine(url)
      assert.isUndefined(strict.subject.classification.class)
      assert.isFalse(DoctorReport.isGood(strict.results))
      const verdict = strict.results.find(({ name }) => name === "Class")?.verdict
      assert.strictEqual(
        verdict?.detail,
        "None, on the market gpus-only. Nearest is gpu, which needs 16 GiB of GPU memory; no GPU was found.",
      )
      const away = yield* examine("http://127.0.0.1:1")
      assert.strictEqual(away.results.find(({ name }) => name === "Market")?.verdict.state, "failed")
      assert.strictEqual(away.subject.classification.class?.name, "cpu")
    }).pipe(Effect.scoped),
  )
})
