import * as Fs from "node:fs"
import * as Os from "node:os"
import * as NodePath from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Schema } from "effect"
import { Hardware } from "@guildhall/core/Hardware"
import * as Detect from "../src/detect/Detect.ts"
import { Host, type HostFacts } from "../src/detect/Host.ts"
import * as PciBus from "../src/detect/PciBus.ts"
import * as Tool from "../src/detect/Tool.ts"
import { pathOf } from "./MachineFixture.ts"

/** A folder of tools that are shell scripts, gone when the scope closes. */
const toolFolder = (scripts: Readonly<Record<string, string>>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const folder = Fs.mkdtempSync(NodePath.join(Os.tmpdir(), "tools-"))
      for (const [name, script] of Object.entries(scripts)) {
        Fs.writeFileSync(NodePath.join(folder, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
      }
      return folder
    }),
    (folder) => Effect.sync(() => Fs.rmSync(folder, { recursive: true, force: true })),
  )

const say = (file: string) => `/bin/cat ${pathOf(file)}`

/** Runs with these tools and no others, on this machine or on one that differs. */
const withTools = <A, E, R>(
  scripts: Readonly<Record<string, string>>,
  effect: Effect.Effect<A, E, R>,
  changes: Partial<HostFacts> = {},
) =>
  Effect.gen(function* () {
    const toolPath = yield* toolFolder(scripts)
    const here = yield* Host
    return yield* Effect.provideService(effect, Host, { ...here, toolPath, ...changes })
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))

const directory = Os.tmpdir()

describe("a tool", () => {
  it.live("is run with what it writes and its exit code", () =>
    withTools(
      { good: "echo $LC_ALL $1", bad: "echo out; echo 'no \u001b[2J rights' >&2; exit 4", shy: "exit 3" },
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* Tool.run("good", ["a b"]), { text: "C a b\n", complaint: "C a b", exitCode: 0 })
        assert.deepStrictEqual(yield* Tool.run("bad", []), { text: "out\n", complaint: "no [2J rights", exitCode: 4 })
        const bad = yield* Effect.flip(Tool.succeed("bad", []))
        assert.strictEqual(bad.detail, "bad ended with exit code 4 and said: no [2J rights")
        const shy = yield* Effect.flip(Tool.succeed("shy", []))
        assert.strictEqual(shy.detail, "shy ended with exit code 3 and said nothing")
      }),
    ),
  )

  it.live("that is not there, or not allowed, says so", () =>
    withTools(
      { locked: "exit 0" },
      Effect.gen(function* () {
        assert.strictEqual((yield* Effect.flip(Tool.run("absent", []))).reason, "Missing")
        const { toolPath } = yield* Host
        Fs.chmodSync(NodePath.join(toolPath, "locked"), 0o644)
        assert.strictEqual((yield* Effect.flip(Tool.run("locked", []))).reason, "NotAllowed")
      }),
    ),
  )

  it.live("that hangs is killed with its children, whatever it does about it", () =>
    withTools(
      {
        hangs: `trap '' TERM; echo $$ > "$1"; while :; do /bin/sleep 1; done`,
        holds: `/bin/sleep 30 & echo $! > "$1"; exit 0`,
      },
      Effect.gen(function* () {
        const began = performance.now()
        const { toolPath } = yield* Host
        const file = NodePath.join(toolPath, "pid")
        // One that has ended may wait for its parent to look at it.
        const isGone = () => {
          const stat = `/proc/${Fs.readFileSync(file, "utf8").trim()}/stat`
          return !Fs.existsSync(stat) || /\) Z /.test(Fs.readFileSync(stat, "utf8"))
        }
        const hangs = yield* Effect.flip(Tool.run("hangs", [file], { timeoutMs: 300 }))
        assert.strictEqual(hangs.reason, "TimedOut")
        assert.strictEqual(hangs.detail, "hangs did not answer within 0.3 s.")
        assert.isTrue(process.platform !== "linux" || isGone())
        // A child of it holds its output open.
        const holds = yield* Effect.flip(Tool.run("holds", [file], { timeoutMs: 300 }))
        assert.strictEqual(holds.reason, "TimedOut")
        assert.isTrue(process.platform !== "linux" || isGone())
        assert.isBelow(performance.now() - began, 5_000)
      }),
    ),
  )

  it.live("that does not stop talking is stopped", () =>
    withTools(
      { endless: "while :; do echo 0123456789; done", curses: "while :; do echo 0123456789 >&2; done" },
      Effect.gen(function* () {
        for (const tool of ["endless", "curses"]) {
          const error = yield* Effect.flip(Tool.run(tool, [], { maxBytes: 100_000 }))
          assert.strictEqual(error.reason, "TooMuch")
        }
      }),
    ),
  )
})

describe("the cards in the machine", () => {
  const bus: Readonly<Record<string, readonly [vendor: string, kind: string, memory?: string]>> = {
    "0000:00:02.0": ["0x8086\n", "0x030000\n"],
    "0000:01:00.0": ["0x10de\n", "0x030000\n"],
    // The sound of the card before.
    "0000:01:00.1": ["0x10de\n", "0x040300\n"],
    "0000:02:00.0": ["0x10de\n", "0x030200\n"],
    "0000:03:00.0": ["0x1002\n", "0x120000\n", "17163091968\n"],
    // A processor's own.
    "0000:0c:00.0": ["0x1002\n", "0x030000\n", "536870912\n"],
    "0000:04:00.0": ["0x1af4\n", "0x030000\n"],
  }
  const layer = FileSystem.layerNoop({
    readDirectory: () => Effect.succeed(Object.keys(bus)),
    readFileString: (path) => {
      const [file = "", device = ""] = path.split("/").toReversed()
      const at = ["vendor", "class", "mem_info_vram_total"].indexOf(file)
      return Effect.succeed(bus[device]?.[at] ?? "")
    },
    exists: () => Effect.succeed(true),
  })

  it.live("are counted without a driver, and what drives them is told where it is missing", () =>
    Effect.gen(function* () {
      const cards = yield* PciBus.detect.pipe(Effect.provide(layer))
      assert.deepStrictEqual(cards, { intel: 1, nvidia: 2, amd: 1 })
      const { findings } = yield* Detect.detect({ directory }).pipe(Effect.provide(layer))
      assert.deepStrictEqual(
        findings.filter(({ reason }) => reason === "Missing").map(({ detail }) => detail),
        [
          "There are 2 NVIDIA cards here, and nvidia-smi is not installed.",
          "There is 1 AMD card here, and rocm-smi is not installed.",
        ],
      )
    }).pipe((effect) => withTools({}, effect, { platform: "linux" })),
  )
})

describe("a machine", () => {
  const detect = Detect.detect({ directory })

  it.live("with NVIDIA cards and Docker is told as it is, and fits the schema", () =>
    withTools(
      {
        "nvidia-smi": `case "$1" in -q) ${say("nvidia-rtx-4090.xml")};; *) echo 'GPU-7c1f0a52-38d4-5be1-90aa-2f6d1c0be471, 8.9';; esac`,
        docker: say("docker-nvidia.txt"),
      },
      detect,
      {
        platform: "linux",
        cpuName: "AMD Ryzen 9 7950X 16-Core Processor            ",
        parallelism: 32,
        memoryMib: 64_000,
      },
    ).pipe(
      Effect.map(({ findings, hardware }) => {
        assert.deepStrictEqual(findings, [])
        assert.strictEqual(hardware.gpus[0]?.computeCapability, "8.9")
        assert.strictEqual(hardware.cpu.name, "AMD Ryzen 9 7950X 16-Core Processor")
        assert.deepStrictEqual(hardware.container, { runtime: "docker", version: "27.5.1", nvidiaToolkit: true })
        assert.isAbove(hardware.diskFreeMib, 0)
        const json = Schema.toCodecJson(Hardware)
        const text = JSON.stringify(Schema.encodeSync(json)(hardware))
        assert.deepStrictEqual(Schema.decodeUnknownSync(json)(JSON.parse(text)), hardware)
      }),
    ),
  )

  it.live("with cards of two makers has them all", () =>
    withTools({ "nvidia-smi": say("nvidia-mixed.xml"), "rocm-smi": say("amd-rx-7900-xtx.txt") }, detect, {
      platform: "linux",
    }).pipe(
      Effect.map(({ findings, hardware }) => {
        assert.deepStrictEqual(findings, [])
        assert.deepStrictEqual(
          hardware.gpus.map(({ vendor }) => vendor),
          ["nvidia", "nvidia", "nvidia", "amd", "amd"],
        )
      }),
    ),
  )

  it.live("whose second tool names the card of the first has it once, and is told", () =>
    withTools(
      {
        "nvidia-smi": say("nvidia-rtx-4090.xml"),
        "rocm-smi": `echo '{"card0":{"VRAM Total Memory (B)":"17163091968","Unique ID":"GPU-7c1f0a52-38d4-5be1-90aa-2f6d1c0be471"}}'`,
      },
      detect,
      { platform: "linux" },
    ).pipe(
      Effect.map(({ findings, hardware }) => {
        assert.deepStrictEqual(
          hardware.gpus.map(({ vendor }) => vendor),
          ["nvidia"],
        )
        assert.include(findings.find(({ reason }) => reason === "Contradiction")?.detail ?? "", "of another maker")
      }),
    ),
  )

  it.live("that is a Mac asks no other tools", () =>
    withTools(
      {
        system_profiler: say("apple-m2-max.txt"),
        sysctl: "exit 1",
        sw_vers: "echo 15.3.1",
        "nvidia-smi": "exit 9",
      },
      detect,
      { platform: "darwin", architecture: "arm64", memoryMib: 65_536 },
    ).pipe(
      Effect.map(({ findings, hardware }) => {
        assert.deepStrictEqual(findings, [])
        assert.strictEqual(hardware.gpus[0]?.name, "Apple M2 Max")
        assert.strictEqual(hardware.cpu.name, "Apple M2 Max")
        assert.deepStrictEqual(hardware.system, { platform: "darwin", name: "macOS 15.3.1" })
      }),
    ),
  )

  it.live("without any tool has its processor, and nothing is wrong with it", () =>
    withTools({}, detect, { platform: "linux", cpuName: "" }).pipe(
      Effect.map(({ findings, hardware }) => {
        assert.deepStrictEqual(
          findings.filter(({ reason }) => reason !== "Missing"),
          [],
        )
        assert.deepStrictEqual(hardware.gpus, [])
        assert.isAtLeast(hardware.cpu.cores, 1)
        assert.notStrictEqual(hardware.cpu.name, "")
      }),
    ),
  )

  const broken = [
    {
      words: "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.",
      exitCode: 9,
      fix: "Load the driver",
    },
    { words: "Failed to initialize NVML: Driver/library version mismatch", exitCode: 18, fix: "restart the machine" },
    { words: "Failed to initialize NVML: Insufficient Permissions", exitCode: 4, fix: "/dev/nvidia*" },
    { words: "No devices were found", exitCode: 6, fix: "has power" },
    { words: "Failed to initialize NVML: Unknown Error", exitCode: 255, fix: "--gpus all" },
    { words: "garbage", exitCode: 0, fix: "Update the driver" },
  ]
  it.live.each(broken)("whose nvidia-smi says: $words", ({ exitCode, fix, words }) =>
    withTools({ "nvidia-smi": `echo "${words}"; exit ${exitCode}` }, detect, { platform: "linux" }).pipe(
      Effect.map(({ findings, hardware }) => {
        assert.deepStrictEqual(hardware.gpus, [])
        const finding = findings.find(({ source }) => source === "nvidia-smi")
        assert.strictEqual(finding?.reason, exitCode === 0 ? "Unreadable" : "Failed")
        assert.include(finding?.fix ?? "", fix)
        if (exitCode !== 0) assert.include(finding?.detail ?? "", words)
      }),
    ),
  )

  it.live("whose nvidia-smi ends in the middle", () =>
    withTools({ "nvidia-smi": `/usr/bin/head -c 3000 ${pathOf("nvidia-mixed.xml")}` }, detect, {
      platform: "linux",
    }).pipe(
      Effect.map(({ findings, hardware }) => {
        assert.deepStrictEqual(hardware.gpus, [])
        assert.strictEqual(findings.find(({ source }) => source === "nvidia-smi")?.reason, "Unreadable")
      }),
    ),
  )

  it.live.skipIf(process.env["GPU"] !== "1")(
    "of the one who runs this test has an NVIDIA GPU (not run without GPU=1: it needs the card)",
    () =>
      Detect.detect({ directory }).pipe(
        Effect.provide(NodeServices.layer),
        Effect.map(({ findings, hardware }) => {
          assert.deepStrictEqual(
            findings.filter(({ source }) => source === "nvidia-smi"),
            [],
          )
          const nvidia = hardware.gpus.filter(({ vendor }) => vendor === "nvidia")
          assert.isNotEmpty(nvidia)
          for (const gpu of nvidia) {
            assert.match(gpu.uuid ?? "", /^GPU-/)
            assert.isDefined(gpu.driverVersion)
            assert.isDefined(gpu.cudaVersion)
            assert.isDefined(gpu.computeCapability)
          }
        }),
      ),
  )
})
