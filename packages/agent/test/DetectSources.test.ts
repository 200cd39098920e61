import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import * as Hardware from "@guildhall/core/Hardware"
import * as DeviceClass from "@guildhall/core/rules/DeviceClass"
import * as ContainerRuntime from "../src/detect/ContainerRuntime.ts"
import * as NvidiaSmi from "../src/detect/NvidiaSmi.ts"
import * as OperatingSystem from "../src/detect/OperatingSystem.ts"
import * as Processor from "../src/detect/Processor.ts"
import * as RocmSmi from "../src/detect/RocmSmi.ts"
import * as SystemProfiler from "../src/detect/SystemProfiler.ts"
import * as XmlReader from "../src/detect/XmlReader.ts"
import { textOf } from "./MachineFixture.ts"

const SYSTEM_MIB = 124_610
const GIB = 1024

const classOf = (gpus: ReadonlyArray<Hardware.Gpu>) =>
  DeviceClass.classify(
    {
      gpus,
      cpu: { name: "any", cores: 16, architecture: "x64" },
      memoryMib: 32_000,
      diskFreeMib: 500_000,
      system: { platform: "linux", name: "any" },
    },
    DeviceClass.standard,
  ).class?.name

/** The same text, damaged in ways that tools and disks damage it. */
const damaged = (text: string): ReadonlyArray<string> => [
  "",
  "\u0000",
  text.slice(0, text.length / 2),
  text.slice(text.length / 2),
  text.replaceAll("</", "<"),
  text.replaceAll(/\d/g, "9".repeat(20)),
  text.replaceAll(/\d/g, "-"),
  text.replaceAll(/[a-z]/g, "\u001b"),
  text + text,
  "null",
  "[]",
  '{"card0":[]}',
  '{"SPDisplaysDataType":{}}',
  "<nvidia_smi_log></nvidia_smi_log>",
  "<".repeat(10_000),
]

const isFit = (gpus: ReadonlyArray<Hardware.Gpu>) =>
  gpus.every((gpu) => Result.isSuccess(Schema.decodeUnknownResult(Hardware.Gpu)(gpu)))

describe("nvidia-smi", () => {
  const parse = (name: string) => NvidiaSmi.parse(textOf(name), SYSTEM_MIB)

  it("a card with a screen and somebody's processes on it", () => {
    const { findings, value } = parse("nvidia-rtx-4090.xml")
    assert.deepStrictEqual(findings, [])
    assert.deepStrictEqual(value, [
      {
        vendor: "nvidia",
        name: "NVIDIA GeForce RTX 4090",
        memoryMib: 24_564,
        memoryKind: "own",
        driverVersion: "550.144.03",
        cudaVersion: "12.4",
        uuid: "GPU-7c1f0a52-38d4-5be1-90aa-2f6d1c0be471",
      },
    ])
    assert.strictEqual(classOf(value), "consumer")
  })

  it("three cards of three kinds, with error correction and fields that say N/A", () => {
    const { findings, value } = parse("nvidia-mixed.xml")
    assert.deepStrictEqual(findings, [])
    assert.deepStrictEqual(
      value.map(({ memoryMib, name }) => [name, memoryMib]),
      [
        ["Tesla T4", 15_109],
        ["NVIDIA GeForce RTX 3090", 24_268],
        ["NVIDIA GeForce GTX 1060 6GB", 6_078],
      ],
    )
    assert.strictEqual(classOf(value), "consumer")
    assert.strictEqual(classOf(value.slice(0, 1)), "consumer")
    assert.strictEqual(classOf(value.slice(2)), "cpu")
  })

  it("a card in MIG mode is its slices, each GPU instance once, however many share it", () => {
    const { findings, value } = parse("nvidia-a100-mig.xml")
    assert.deepStrictEqual(findings, [])
    assert.deepStrictEqual(
      value.map(({ memoryMib, slice }) => [slice, memoryMib]),
      [
        ["1/0", 40_192],
        ["5/0", 19_968],
        ["13/0", 9_728],
      ],
    )
    // 40,192 MiB are most of what a card of 40 GB has.
    assert.strictEqual(classOf(value), "workstation")
    assert.strictEqual(classOf(value.slice(1)), "consumer")
  })

  it("a card in MIG mode without a slice is said to be of no use, with the command that helps", () => {
    const { findings, value } = parse("nvidia-a100-mig-empty.xml")
    assert.deepStrictEqual(value, [])
    assert.include(findings[0]?.detail ?? "", "is in MIG mode and has no slice")
    assert.include(findings[0]?.fix ?? "", "nvidia-smi mig -cgi")
  })

  it("two of the newest, one of which asks for a reset", () => {
    const { findings, value } = parse("nvidia-h200.xml")
    assert.strictEqual(value.length, 2)
    assert.strictEqual(classOf(value), "datacenter")
    assert.deepStrictEqual(
      findings.map(({ detail }) => detail),
      ["NVIDIA H200 (00000000:2D:00.0) asks for Drain and Reset before it works again."],
    )
  })

  it("a chip whose memory is the machine's has that, and it is shared", () => {
    const { findings, value } = parse("nvidia-gb10.xml")
    assert.deepStrictEqual(findings, [])
    assert.deepStrictEqual([value[0]?.memoryMib, value[0]?.memoryKind], [SYSTEM_MIB, "shared"])
    assert.strictEqual(classOf(value), "consumer")
  })

  it("a card that is lost is left out and named, and the other one counts", () => {
    const { findings, value } = parse("nvidia-lost.xml")
    assert.deepStrictEqual(
      value.map(({ name }) => name),
      ["NVIDIA GeForce RTX 3090"],
    )
    assert.deepStrictEqual(
      findings.map(({ detail }) => detail),
      ['NVIDIA GPU (00000000:02:00.0) says "[GPU is lost]" where its memory should be.'],
    )
  })

  it("what contradicts itself is not counted: more free than there is, one card twice, another number of cards", () => {
    const { findings, value } = parse("nvidia-false.xml")
    assert.strictEqual(value.length, 1)
    assert.deepStrictEqual(
      findings.map(({ detail, reason }) => [reason, detail]),
      [
        ["Contradiction", "nvidia-smi counts 4 GPUs and describes 3."],
        [
          "Contradiction",
          "NVIDIA H100 80GB HBM3 (00000000:01:00.0) says that it has 8192 MiB of memory, of which 5 are used and 81554 free.",
        ],
        [
          "Contradiction",
          "NVIDIA H100 80GB HBM3 (00000000:03:00.0) has the UUID of another card, GPU-91c7d3e4-0f86-2ab5-b1d9-73e60c5a8842, and is not counted.",
        ],
      ],
    )
  })

  it("damage is a finding or nothing, never a crash, and nothing that no schema takes", () => {
    for (const text of damaged(textOf("nvidia-mixed.xml"))) {
      const { findings, value } = NvidiaSmi.parse(text, SYSTEM_MIB)
      assert.isTrue(isFit(value))
      assert.isTrue(value.length + findings.length > 0 || text.includes("<nvidia_smi_log></"), text.slice(0, 80))
    }
  })

  it("compute capabilities by card", () => {
    const csv = 'GPU-a, 8.9\nGPU-b, [N/A]\n\nGPU-c, 12.0\nField "compute_cap" is not a valid field to query.'
    assert.deepStrictEqual(
      [...NvidiaSmi.parseCapabilities(csv)],
      [
        ["GPU-a", "8.9"],
        ["GPU-c", "12.0"],
      ],
    )
  })
})

describe("every source", () => {
  const Edit = Schema.Struct({
    at: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 40_000 }))),
    drop: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 400 }))),
    put: Schema.Union([
      Schema.Literals(["<", ">", "</gpu>", "<gpu>", "{", "}", '"', "N/A", "-1", "99999999999"]),
      Schema.String,
    ]),
  })
  const Edits = Schema.Array(Edit).pipe(Schema.check(Schema.isMaxLength(6)))
  const sources: ReadonlyArray<readonly [string, (text: string) => ReadonlyArray<Hardware.Gpu>]> = [
    ["nvidia-a100-mig.xml", (text) => NvidiaSmi.parse(text, SYSTEM_MIB).value],
    ["nvidia-mixed.xml", (text) => NvidiaSmi.parse(text, SYSTEM_MIB).value],
    ["amd-mi100.txt", (text) => RocmSmi.parse(text, undefined).value],
    ["apple-intel.txt", (text) => SystemProfiler.parse(text, 32 * GIB).value.gpus],
  ]

  it.prop(
    "whatever is changed in what it says, what comes of it is a machine that the schema takes",
    [Edits],
    ([edits]) => {
      for (const [name, gpusOf] of sources) {
        const text = edits.reduce(
          (said, { at, drop, put }) => said.slice(0, at % said.length) + put + said.slice((at % said.length) + drop),
          textOf(name),
        )
        const machine = {
          gpus: gpusOf(text),
          cpu: { name: "any", cores: 1, architecture: "x64" },
          memoryMib: 1,
          diskFreeMib: 0,
          system: { platform: "linux", name: "any" },
        }
        assert.isTrue(Result.isSuccess(Schema.decodeUnknownResult(Hardware.Hardware)(machine)), JSON.stringify(machine))
      }
    },
    { arbitrary: { seed: "detect-edits", runs: 300 } },
  )

  it("ends soon with the longest texts that a tool may write", () => {
    const size = 8 * 1024 * 1024
    const long = (piece: string) => piece.repeat(size / piece.length)
    for (const text of [long("<processes>"), long("<a "), long("<!--"), long("&amp;"), `{"card0":${long("[")}`]) {
      for (const [, gpusOf] of sources) assert.deepStrictEqual(gpusOf(text), [])
      ContainerRuntime.parseDocker({ text, complaint: "" })
    }
  })
})

describe("the XML reader", () => {
  const failure = (xml: string) => Result.getOrUndefined(Result.flip(XmlReader.read(xml)))

  it("reads what a tool writes", () => {
    const document = XmlReader.read(
      '\uFEFF<?xml version="1.0"?>\n<!DOCTYPE a SYSTEM "a.dtd">\n<a><!-- <b> --><b c="1 &lt; 2" d=\'\'>x &amp; y & z</b><b/></a>\n',
    )
    const root = Result.getOrThrow(document)
    assert.deepStrictEqual(
      XmlReader.all(root, "b").map(({ attributes, text }) => [{ ...attributes }, text]),
      [
        [{ c: "1 < 2", d: "" }, "x & y & z"],
        [{}, ""],
      ],
    )
  })

  it.each([
    ["", "no element"],
    ["words", "outside"],
    ["<a>", "ends within the element a"],
    ["<a></b>", "not closed where it should be"],
    ["</a>", "not closed where it should be"],
    ["<a/><b/>", "second outermost"],
    ["<a b=c/>", "character 0"],
    ["<a><![CDATA[x]]></a>", "character 3"],
    ['<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>', "character 0"],
    ["<a><?php x ?></a>", "character 3"],
    ["<a>".repeat(40), "more elements than a tool writes"],
  ])("refuses %s", (xml, why) => {
    assert.include(failure(xml) ?? "", why)
  })

  it("takes a large document in a time that grows with its length only", () => {
    const many = `<a>${"<b c='d'>e</b>".repeat(100_000)}</a>`
    assert.strictEqual(Result.getOrThrow(XmlReader.read(many)).children.length, 100_000)
    assert.isDefined(failure(`<a>${"<b ".repeat(100_000)}`))
    assert.isDefined(failure(`<a ${" ".repeat(100_000)}`))
    assert.isDefined(failure(`<a>${"<!--".repeat(100_000)}`))
  })
})

describe("rocm-smi", () => {
  it("a card and the processor's own graphics, after a warning", () => {
    const { findings, value } = RocmSmi.parse(textOf("amd-rx-7900-xtx.txt"), "6.2.4")
    assert.deepStrictEqual(findings, [])
    assert.deepStrictEqual(value[0], {
      vendor: "amd",
      name: "Navi 31 [Radeon RX 7900 XT/7900 XTX/7900M]",
      memoryMib: 24_560,
      memoryKind: "own",
      driverVersion: "6.8.0-51-generic",
      rocmVersion: "6.2.4",
      uuid: "0xe7c15a90b4d2381f",
    })
    assert.deepStrictEqual([value[1]?.name, value[1]?.memoryMib, value[1]?.uuid], ["Raphael", 512, undefined])
    assert.strictEqual(value[1]?.memoryKind, "shared")
    assert.strictEqual(classOf(value), "consumer")
  })

  it("four cards of another version, in their order", () => {
    const { findings, value } = RocmSmi.parse(textOf("amd-mi100.txt"), undefined)
    assert.deepStrictEqual(findings, [])
    assert.strictEqual(value.length, 4)
    assert.deepStrictEqual([value[0]?.name, value[0]?.memoryMib], ["Arcturus GL-XL [Instinct MI100]", 32_752])
    assert.strictEqual(value[2]?.uuid, "0x5d20c7e19a005613")
  })

  it("memory that is set apart for a processor's graphics is still the machine's", () => {
    const halo = { "Card Series": "Radeon 8060S", "GFX Version": "gfx1151", "VRAM Total Memory (B)": "103079215104" }
    const { value } = RocmSmi.parse(JSON.stringify({ card0: halo }), undefined)
    assert.deepStrictEqual([value[0]?.memoryMib, value[0]?.memoryKind], [98_304, "shared"])
    assert.strictEqual(classOf(value), "consumer")
  })

  it("a card without memory and a card that is there twice are left out and said to be", () => {
    const card = { "Card Series": "Navi", "VRAM Total Memory (B)": "17163091968", "Unique ID": "0x1" }
    const { findings, value } = RocmSmi.parse(
      JSON.stringify({
        card0: card,
        card1: card,
        card2: { ...card, "Unique ID": "0x2", "VRAM Total Memory (B)": "N/A" },
      }),
      undefined,
    )
    assert.strictEqual(value.length, 1)
    assert.deepStrictEqual(
      findings.map(({ reason }) => reason),
      ["Contradiction", "Unreadable"],
    )
  })

  it("damage is a finding or nothing, never a crash", () => {
    for (const text of damaged(textOf("amd-mi100.txt"))) assert.isTrue(isFit(RocmSmi.parse(text, undefined).value))
  })
})

describe("system_profiler", () => {
  it("T13 · Apple's chip lets its GPU have three quarters of a large memory, and two thirds of a small one", () => {
    const large = SystemProfiler.parse(textOf("apple-m2-max.txt"), 64 * GIB).value
    assert.strictEqual(large.chip, "Apple M2 Max")
    assert.deepStrictEqual(large.gpus, [
      { vendor: "apple", name: "Apple M2 Max", memoryMib: 48 * GIB, memoryKind: "shared" },
    ])
    assert.strictEqual(classOf(large.gpus), "consumer")
    const small = SystemProfiler.parse(textOf("apple-m1.txt"), 16 * GIB).value
    // The name was not translated.
    assert.deepStrictEqual([small.gpus[0]?.name, small.gpus[0]?.memoryMib], ["Apple M1", 10_922])
    assert.strictEqual(classOf(small.gpus), "cpu")
  })

  it("the owner's limit counts, and no more than there is", () => {
    const gpus = (limitMib: number) => SystemProfiler.parse(textOf("apple-m1.txt"), 16 * GIB, limitMib).value.gpus
    assert.strictEqual(gpus(14 * GIB)[0]?.memoryMib, 14 * GIB)
    assert.strictEqual(gpus(99 * GIB)[0]?.memoryMib, 16 * GIB)
    assert.strictEqual(gpus(0)[0]?.memoryMib, 10_922)
  })

  it("an older Mac has cards with memory of their own", () => {
    const { findings, value } = SystemProfiler.parse(textOf("apple-intel.txt"), 32 * GIB)
    assert.deepStrictEqual(findings, [])
    assert.deepStrictEqual(
      value.gpus.map(({ memoryKind, memoryMib, vendor }) => [vendor, memoryMib, memoryKind]),
      [
        ["intel", 1_536, "shared"],
        ["amd", 4_096, "own"],
      ],
    )
  })

  it("damage is a finding or nothing, never a crash", () => {
    for (const text of damaged(textOf("apple-m2-max.txt"))) {
      assert.isTrue(isFit(SystemProfiler.parse(text, 64 * GIB).value.gpus))
    }
  })
})

describe("container runtimes", () => {
  const docker = (name: string, complaint = "") => ContainerRuntime.parseDocker({ text: textOf(name), complaint })

  it("S16 · Docker with the NVIDIA toolkit, by its runtime or by its devices, and without", () => {
    assert.deepStrictEqual(docker("docker-plain.txt").value, {
      runtime: "docker",
      version: "27.5.1",
      nvidiaToolkit: false,
    })
    assert.isTrue(docker("docker-nvidia.txt").value?.nvidiaToolkit)
    assert.isTrue(docker("docker-cdi.txt").value?.nvidiaToolkit)
  })

  it("Docker whose service is away, or is not for this user, says so", () => {
    const away = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
    const stopped = docker("docker-away.txt", away)
    assert.isUndefined(stopped.value)
    assert.include(stopped.findings[0]?.detail ?? "", away)
    assert.include(stopped.findings[0]?.fix ?? "", "systemctl")
    const forbidden = docker(
      "docker-away.txt",
      "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock",
    )
    assert.strictEqual(forbidden.findings[0]?.reason, "NotAllowed")
    assert.include(forbidden.findings[0]?.fix ?? "", "group docker")
    assert.strictEqual(docker("docker-away.txt").findings[0]?.reason, "Failed")
  })

  it("Podman knows GPUs by their description", () => {
    const text = textOf("podman.txt")
    assert.deepStrictEqual(ContainerRuntime.parsePodman(text, true).value, {
      runtime: "podman",
      version: "5.2.5",
      nvidiaToolkit: true,
    })
    assert.isFalse(ContainerRuntime.parsePodman(text, false).value?.nvidiaToolkit)
  })

  it("damage is a finding, never a crash", () => {
    for (const text of damaged(textOf("docker-plain.txt"))) {
      ContainerRuntime.parseDocker({ text, complaint: "" })
      ContainerRuntime.parsePodman(text, true)
    }
  })
})

describe("processor and system", () => {
  it("names in /proc/cpuinfo, where there are any", () => {
    assert.strictEqual(Processor.nameIn(textOf("cpuinfo-x64.txt")), "AMD Ryzen 9 7950X 16-Core Processor")
    assert.strictEqual(Processor.nameIn(textOf("cpuinfo-arm-board.txt")), "Raspberry Pi 5 Model B Rev 1.0")
    assert.isUndefined(Processor.nameIn(textOf("cpuinfo-arm-server.txt")))
  })

  it("a system's name", () => {
    assert.strictEqual(
      OperatingSystem.nameIn('NAME="x"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n'),
      "Debian GNU/Linux 12 (bookworm)",
    )
    assert.strictEqual(OperatingSystem.nameIn("PRETTY_NAME=Alpine\u001b[2J\n"), "Alpine [2J")
    assert.isUndefined(OperatingSystem.nameIn("NAME=x"))
  })
})
