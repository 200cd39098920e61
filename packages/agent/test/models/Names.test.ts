import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { Quantization } from "@guildhall/core/Instance"
import * as WeightsFacts from "../../src/serving/WeightsFacts.ts"
import * as CanonicalId from "../../src/models/CanonicalId.ts"
import * as HumanText from "../../src/models/HumanText.ts"
import * as License from "../../src/models/License.ts"
import * as ModelReference from "../../src/models/ModelReference.ts"
import * as ProgressLine from "../../src/models/ProgressLine.ts"
import * as QuantName from "../../src/models/QuantName.ts"
import * as Variant from "../../src/models/Variant.ts"

describe("V7 · names of quantisations", () => {
  it.each([
    ["Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf", "Q4_K_M"],
    ["qwen2.5-0.5b-instruct-q4_k_m.gguf", "Q4_K_M"],
    ["llama-2-7b-chat.Q4_0.gguf", "Q4_0"],
    ["Phi-3-mini-4k-instruct-q4.gguf", "Q4"],
    ["Phi-3-mini-4k-instruct-fp16.gguf", "F16"],
    ["gpt-oss-20b-mxfp4.gguf", "MXFP4"],
    ["gpt-oss-120b-MXFP4_MOE.gguf", "MXFP4_MOE"],
    ["DeepSeek-R1-UD-IQ1_S-00001-of-00003.gguf", "UD-IQ1_S"],
    ["Model.i1-IQ2_XXS.gguf", "IQ2_XXS"],
    ["Q8_0/Model-Q8_0-00002-of-00002.gguf", "Q8_0"],
    ["BF16/Model-00001-of-00002.gguf", "BF16"],
    ["Model-Q4_0_4_4.gguf", "Q4_0_4_4"],
    ["Model-Q6_K_L.gguf", "Q6_K_L"],
    ["Model-TQ1_0.gguf", "TQ1_0"],
    ["Q4_K_M.gguf", "Q4_K_M"],
    ["Qwen3-8B.gguf", undefined],
    ["ggml-model-i2_s.gguf", undefined],
  ])("%s is %s", (path, name) => {
    assert.strictEqual(QuantName.fromPath(path.replace(/-\d{5}-of-\d{5}/, "")), name)
  })

  it("take any case, and nothing that is none", () => {
    for (const text of ["q4_k_m", "Q4_K_M", " iq4_xs ", "bf16", "FP16", "ud-q4_k_xl", "mxfp4"]) {
      assert.isDefined(QuantName.normalize(text))
    }
    for (const text of ["", "latest", "8b", "Q", "Q4-K", "Q4_K_M.gguf", "int4", "Q0_1"]) {
      assert.isUndefined(QuantName.normalize(text))
    }
  })

  it.effect("mean the same as what files say of themselves, where the market has a word", () =>
    Effect.gen(function* () {
      // llama.cpp's numbers of file types.
      const types: ReadonlyArray<readonly [number, string]> = [
        [0, "F32"],
        [1, "F16"],
        [2, "Q4_0"],
        [3, "Q4_1"],
        [7, "Q8_0"],
        [8, "Q5_0"],
        [10, "Q2_K"],
        [12, "Q3_K_M"],
        [14, "Q4_K_S"],
        [15, "Q4_K_M"],
        [17, "Q5_K_M"],
        [18, "Q6_K"],
        [19, "IQ2_XXS"],
        [25, "IQ4_NL"],
        [30, "IQ4_XS"],
        [32, "BF16"],
        [36, "TQ1_0"],
        [38, "MXFP4_MOE"],
        [39, "NVFP4"],
        [40, "Q1_0"],
      ]
      for (const [type, name] of types) {
        const { quantization } = yield* WeightsFacts.of(new Map([["general.file_type", type]]))
        assert.strictEqual(QuantName.toQuantization(name), quantization, name)
      }
      for (const name of ["NVFP4", "MXFP8", "BF16"])
        assert.include(Quantization.literals, QuantName.toQuantization(name))
    }).pipe(Effect.provide(NodeCrypto.layer)),
  )
})

describe("V7 · what is typed for a model", () => {
  it.each([
    ["Qwen/Qwen3-8B", "Qwen/Qwen3-8B", false],
    ["Qwen/Qwen3-8B:q8_0", "Qwen/Qwen3-8B:Q8_0", false],
    ["hf.co/Qwen/Qwen3-8B-GGUF:Q4_K_M", "Qwen/Qwen3-8B-GGUF:Q4_K_M", true],
    ["https://huggingface.co/Qwen/Qwen3-8B-GGUF/", "Qwen/Qwen3-8B-GGUF", true],
    ["hf://Qwen/Qwen3-8B-GGUF@v1", "Qwen/Qwen3-8B-GGUF@v1", true],
    ["https://huggingface.co/o/m/blob/main/sub/m%20x-Q8_0.gguf?download=true", "o/m/sub/m x-Q8_0.gguf", true],
    ["https://huggingface.co/o/m/resolve/0123abc/m-Q8_0.gguf", "o/m/m-Q8_0.gguf@0123abc", true],
    ["o/m/m-Q8_0.gguf", "o/m/m-Q8_0.gguf", false],
  ])("%s is %s", (text, expected, isExplicit) => {
    const parsed = ModelReference.parse(text)
    assert.strictEqual(parsed === undefined ? undefined : ModelReference.toText(parsed), expected)
    assert.strictEqual(parsed?.isExplicit, isExplicit)
  })

  it.each([
    ...["", "llama3.1:8b", "model", "/abs/model.gguf", "a/b:latest", "a/../b", "a/b/../../c.gguf", "a--b/c", "a/b.git"],
    ...[
      "a/b/c.bin",
      "a/-b",
      "hf.co/a/b/resolve/../../etc/passwd.gguf",
      "a/b@..",
      "a b/c",
      "a/b\u001b[2J",
      `a/${"b".repeat(100)}`,
    ],
    ...["https://huggingface.co/a/b/resolve/main/%2e%2e/%2e%2e/x.gguf"],
  ])("%s names no model of a hub", (text) => {
    assert.isUndefined(ModelReference.parse(text))
  })

  it("tells files from models", () => {
    for (const text of ["./m.gguf", "../m", "/m.gguf", "~/m.gguf", "m.gguf", "C:\\m.gguf"]) {
      assert.isTrue(ModelReference.isPath(text))
    }
    for (const text of ["Qwen/Qwen3-8B", "hf.co/o/m/m-Q8_0.gguf"]) assert.isFalse(ModelReference.isPath(text))
  })
})

describe("V7 · the id on the market", () => {
  it.each([
    [
      "bartowski/Qwen_Qwen3-8B-GGUF",
      ["base_model:Qwen/Qwen3-8B", "base_model:quantized:Qwen/Qwen3-8B"],
      {},
      "Qwen/Qwen3-8B",
    ],
    ["Qwen/Qwen3-8B-GGUF", ["base_model:quantized:Qwen/Qwen3-8B"], {}, "Qwen/Qwen3-8B"],
    ["x/base-GGUF", [], { base_model: "org/Base" }, "org/Base"],
    ["x/Base-Q4_K_M-GGUF", [], { base_model: ["org/base"] }, "org/base"],
    ["mradermacher/Base-i1-GGUF", ["base_model:quantized:org/Base"], {}, "org/Base"],
    [
      "bartowski/Meta-Llama-3.1-8B-Instruct-GGUF",
      ["base_model:quantized:meta-llama/Llama-3.1-8B-Instruct"],
      {},
      "meta-llama/Llama-3.1-8B-Instruct",
    ],
    [
      "TheBloke/Llama-2-7B-Chat-GGUF",
      ["base_model:quantized:meta-llama/Llama-2-7b-chat-hf"],
      {},
      "meta-llama/Llama-2-7b-chat-hf",
    ],
    // What says that it quantises, and is named as something else.
    ["x/Qwen3-8B-abliterated-GGUF", ["base_model:quantized:Qwen/Qwen3-8B"], {}, "x/Qwen3-8B-abliterated"],
    ["unsloth/Qwen3-8B-128K-GGUF", ["base_model:quantized:Qwen/Qwen3-8B"], {}, "unsloth/Qwen3-8B-128K"],
    ["x/y-GGUF", [], { base_model: "org/base" }, "x/y"],
    // Two bases, another relation, or files that are no quantisation: its own id.
    ["x/base-GGUF", [], { base_model: ["org/base", "org/b"] }, "x/base"],
    ["x/a-GGUF", ["base_model:quantized:a/a", "base_model:quantized:b/b"], {}, "x/a"],
    ["x/base-GGUF", ["base_model:finetune:org/base"], { base_model: "org/base" }, "x/base"],
    ["x/base-GGUF", [], { base_model: "org/base", base_model_relation: "merge" }, "x/base"],
    ["x/base", [], { base_model: "org/base" }, "x/base"],
    // A base that is no id of a model.
    ["x/base-GGUF", [], { base_model: "base" }, "x/base"],
    ["x/y-GGUF", ["base_model:quantized:<script>/y"], {}, "x/y"],
    ["x/y_gguf", [], {}, "x/y"],
  ] as const)("%s %j %j is sold as %s", (repo, tags, card, id) => {
    assert.strictEqual<string>(CanonicalId.of({ repo, tags, card }), id)
  })

  it("weights are known by their digest, and by that of the list where they are split", () => {
    const [a, b] = ["A".repeat(64), "b".repeat(64)]
    assert.strictEqual(CanonicalId.weights([a]), "a".repeat(64))
    // printf '%s\\n' aaa… bbb… | sha256sum
    assert.strictEqual(CanonicalId.weights([a, b]), "913f9338fb6c17253f3a14816fc08d52522454bfc19a8c99538a197cfb23fb41")
    assert.notStrictEqual(CanonicalId.weights([a, b]), CanonicalId.weights([b, a]))
  })
})

const file = (path: string, sizeBytes: number): Variant.RepoFile => ({ path, sizeBytes, sha256: "0".repeat(64) })
const labels = (files: ReadonlyArray<Variant.RepoFile>) => Variant.of(files).map(({ label }) => label)

describe("V7 · the variants of a repository", () => {
  it("are single files and whole split ones, without what belongs to a model and is none", () => {
    const files = [
      file("m-Q8_0.gguf", 9),
      file("m-Q4_K_M-00002-of-00002.gguf", 2),
      file("m-Q4_K_M-00001-of-00002.gguf", 2),
      file("m-Q2_K-00001-of-00002.gguf", 1),
      file("mmproj-m-F16.gguf", 1),
      file("m.imatrix.gguf", 1),
      file("mtp-m-Q8_0.gguf", 1),
      file("README.md", 1),
    ]
    assert.deepStrictEqual(labels(files), ["Q4_K_M", "Q8_0"])
    assert.deepStrictEqual(
      Variant.of(files)[0]?.files.map(({ path }) => path),
      ["m-Q4_K_M-00001-of-00002.gguf", "m-Q4_K_M-00002-of-00002.gguf"],
    )
  })

  it("are named by their paths where several have one quantisation, or none", () => {
    assert.deepStrictEqual(labels([file("a-Q8_0.gguf", 1), file("b-Q8_0.gguf", 2), file("c.gguf", 3)]), [
      "a-Q8_0.gguf",
      "b-Q8_0.gguf",
      "c.gguf",
    ])
  })

  it("are chosen by file, by quantisation, or by what is preferred, and never by chance", () => {
    const chosen = (files: ReadonlyArray<Variant.RepoFile>, wish: Partial<Variant.Wish>) =>
      Result.match(Variant.choose(Variant.of(files), { quant: undefined, file: undefined, ...wish }), {
        onSuccess: ({ label }) => label,
        onFailure: ({ reason }) => reason,
      })
    const usual = [
      file("m-Q4_K_M.gguf", 4),
      file("m-Q8_0.gguf", 8),
      file("m-UD-Q4_K_XL.gguf", 5),
      file("m-Q2_K.gguf", 2),
    ]
    assert.strictEqual(chosen(usual, {}), "Q4_K_M")
    assert.strictEqual(chosen(usual.slice(1), {}), "Q8_0")
    assert.strictEqual(chosen(usual.slice(2), {}), "Several")
    assert.strictEqual(chosen(usual.slice(3), {}), "Q2_K")
    assert.strictEqual(chosen([], {}), "None")
    assert.strictEqual(chosen(usual, { quant: "q2_k" }), "Q2_K")
    assert.strictEqual(chosen(usual, { quant: "Q4_K_XL" }), "UD-Q4_K_XL")
    assert.strictEqual(chosen(usual, { quant: "UD-Q4_K_M" }), "None")
    assert.strictEqual(chosen(usual, { quant: "Q4" }), "None")
    assert.strictEqual(chosen([...usual, file("m-UD-Q8_0.gguf", 9)], { quant: "Q8_0" }), "Q8_0")
    assert.strictEqual(chosen([file("a-Q8_0.gguf", 1), file("b-Q8_0.gguf", 2)], {}), "Several")
    assert.strictEqual(chosen([file("a-Q8_0.gguf", 1), file("b-Q8_0.gguf", 2)], { file: "b-q8_0.gguf" }), "b-Q8_0.gguf")
    const split = [file("m-Q8_0-00001-of-00002.gguf", 1), file("m-Q8_0-00002-of-00002.gguf", 1)]
    assert.strictEqual(chosen(split, { file: "m-Q8_0-00002-of-00002.gguf" }), "Q8_0")
  })
})

describe("V7 · licences", () => {
  it.each([
    ["apache-2.0", true, false],
    ["mit", true, false],
    ["llama3.1", false, false],
    ["gemma", false, false],
    ["cc-by-nc-4.0", false, true],
    ["cc-by-nc-sa-4.0", false, true],
    ["openrail++", false, false],
    ["agpl-3.0", true, false],
  ])("%s is open: %s, forbids commerce: %s", (license, isOpen, forbidsCommerce) => {
    const found = License.of({ license }, [])
    assert.deepStrictEqual([found.isOpen, found.forbidsCommerce], [isOpen, forbidsCommerce])
  })

  it("are read from the card first, then from the tags, and a name of its own is shown", () => {
    assert.strictEqual(License.of({ license: ["MIT"] }, ["license:gemma"]).id, "mit")
    assert.strictEqual(License.of(undefined, ["license:gemma"]).id, "gemma")
    const own = License.of({ license: "other", license_name: "acme-non-commercial", license_link: "https://x" }, [])
    assert.deepStrictEqual(own, {
      id: "other",
      title: "acme-non-commercial",
      link: "https://x",
      isOpen: false,
      forbidsCommerce: true,
    })
    assert.strictEqual(License.of({ license: 7 }, []).id, undefined)
  })
})

describe("V7 · what is shown", () => {
  it.each([
    [0, "0 B"],
    [999, "999 B"],
    [1_000, "1.00 kB"],
    [99_949, "99.9 kB"],
    [999_999, "1.00 MB"],
    [4_920_739_232, "4.92 GB"],
    [1.5e15, "1500 TB"],
  ])("%i bytes are %s", (bytes, text) => {
    assert.strictEqual(HumanText.bytes(bytes), text)
  })

  it("a line of progress fits its terminal, and its bar does not jump", () => {
    const seen = {
      file: "Some-Very-Long-Name-Of-A-Model-Q4_K_M.gguf",
      bytes: 5e8,
      total: 4e9,
      bytesPerSecond: 123_456_789,
    }
    for (const columns of [20, 40, 80, 200]) {
      for (const bytes of [0, 1, 5e8, 4e9]) {
        assert.isBelow(ProgressLine.bar({ ...seen, bytes }, columns).length, columns)
      }
    }
    const place = (bytesPerSecond: number | undefined) =>
      ProgressLine.bar({ ...seen, bytesPerSecond }, 100).indexOf("▏")
    assert.strictEqual(place(undefined), place(1e9))
    // A hundred is said only where nothing is missing.
    assert.include(ProgressLine.plain({ ...seen, bytes: 4e9 - 1 }), "99 %")
    assert.notInclude(ProgressLine.bar({ ...seen, file: "a\u001b[2Jb" }, 80), "\u001b")
  })

  it("speed is that of the last seconds", () => {
    let speed = ProgressLine.measure(undefined, 0, 0)
    for (let second = 1; second <= 20; second++) speed = ProgressLine.measure(speed, second * 1_000, second * 1_000)
    assert.approximately(speed.bytesPerSecond ?? 0, 1_000, 1)
    for (let second = 21; second <= 40; second++)
      speed = ProgressLine.measure(speed, 20_000 + (second - 20) * 5_000, second * 1_000)
    assert.approximately(speed.bytesPerSecond ?? 0, 5_000, 20)
    // A file that began anew has no speed yet.
    assert.isUndefined(ProgressLine.measure(speed, 0, 41_000).bytesPerSecond)
  })
})
