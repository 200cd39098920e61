/** What the scripted hub publishes. */
import * as DemoModel from "../../src/demo/DemoModel.ts"
import type { HubRepo } from "./ScriptedHub.ts"

/** Bytes that are the same at each run and do not repeat. */
export const bytesOf = (seed: number, length: number): Uint8Array => {
  const bytes = new Uint8Array(length)
  let state = seed * 2_654_435_761 + 1
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    bytes[at] = state >>> 24
  }
  return bytes
}

export const base: HubRepo = {
  id: "Acme/Poet-8B",
  files: [
    { path: "config.json", bytes: bytesOf(1, 60), isSmall: true },
    { path: "model.safetensors", bytes: bytesOf(2, 200) },
  ],
  tags: ["safetensors", "license:apache-2.0"],
  card: { license: "apache-2.0" },
  downloads: 10,
}

export const Q4 = bytesOf(4, 100_000)

export const gguf: HubRepo = {
  id: "quanter/Poet-8B-GGUF",
  files: [
    { path: "README.md", bytes: bytesOf(5, 40), isSmall: true },
    { path: "Poet-8B-Q4_K_M.gguf", bytes: Q4 },
    { path: "Poet-8B-Q8_0.gguf", bytes: bytesOf(8, 150_000) },
    { path: "Poet-8B-IQ4_XS.gguf", bytes: bytesOf(9, 90_000) },
    { path: "mmproj-Poet-8B-F16.gguf", bytes: bytesOf(10, 500) },
    { path: "BF16/Poet-8B-BF16-00001-of-00003.gguf", bytes: bytesOf(11, 30_000) },
    { path: "BF16/Poet-8B-BF16-00002-of-00003.gguf", bytes: bytesOf(12, 31_000) },
    { path: "BF16/Poet-8B-BF16-00003-of-00003.gguf", bytes: bytesOf(13, 32_000) },
  ],
  tags: ["gguf", "base_model:Acme/Poet-8B", "base_model:quantized:Acme/Poet-8B", "license:apache-2.0"],
  card: { license: "apache-2.0", base_model: "Acme/Poet-8B" },
  downloads: 5_000,
}

export const own: HubRepo = {
  id: "Acme/Poet-8B-GGUF",
  files: [{ path: "poet-8b-q8_0.gguf", bytes: bytesOf(14, 70_000) }],
  tags: ["gguf", "base_model:Acme/Poet-8B", "base_model:quantized:Acme/Poet-8B", "license:apache-2.0"],
  downloads: 7,
}

/** A tune of it, whose name has the same words. */
export const tune: HubRepo = {
  id: "other/Poet-8B-Wild-GGUF",
  files: [{ path: "poet-wild-q4_k_m.gguf", bytes: bytesOf(15, 70_000) }],
  tags: ["gguf", "base_model:Acme/Poet-8B", "base_model:finetune:Acme/Poet-8B", "license:apache-2.0"],
  downloads: 900_000,
}

export const gated: HubRepo = {
  id: "shy/Secret-GGUF",
  files: [{ path: "secret-q4_k_m.gguf", bytes: bytesOf(16, 9_000) }],
  tags: ["gguf", "license:other"],
  card: { license: "other", license_name: "shy-community", license_link: "https://example.com/license" },
  gated: "manual",
}

/** Another tune, which says that it only quantises. */
export const liar: HubRepo = {
  id: "liar/Poet-8B-Uncensored-GGUF",
  files: [{ path: "poet-uncensored-q4_k_m.gguf", bytes: bytesOf(17, 60_000) }],
  tags: ["gguf", "base_model:quantized:Acme/Poet-8B", "license:apache-2.0"],
  downloads: 800_000,
}

/** One that an engine can load. */
export const demo = (): HubRepo => ({
  id: "tiny/Bigram-GGUF",
  files: [{ path: "bigram-F16.gguf", bytes: DemoModel.build() }],
  tags: ["gguf", "license:mit"],
  card: { license: "mit" },
})
