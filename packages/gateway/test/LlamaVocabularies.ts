/**
 * Real vocabularies with texts and their tokens, from llama.cpp's own tests: its sources come with `node-llama-cpp`, as a
 * bundle that git reads.
 */
import { spawnSync } from "node:child_process"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import path from "node:path"

export interface Vocabulary {
  readonly gguf: Buffer
  readonly cases: ReadonlyArray<{ readonly text: string; readonly tokens: ReadonlyArray<number> }>
}

const bundle = (): string | undefined => {
  const require = createRequire(import.meta.url)
  for (const folder of require.resolve.paths("node-llama-cpp") ?? []) {
    const file = path.join(folder, "node-llama-cpp/llama/gitRelease.bundle")
    if (existsSync(file)) return file
  }
  return undefined
}

/** Opens the bundle; `undefined`, and a line that says why, where there is none or no git. */
export const open = (): { read: (name: string) => Vocabulary; close: () => void } | undefined => {
  const file = bundle()
  const folder = mkdtempSync(path.join(tmpdir(), "guildhall-vocabularies-"))
  const close = () => rmSync(folder, { recursive: true, force: true })
  const cloned = file === undefined ? undefined : spawnSync("git", ["clone", "-q", "--bare", file, folder])
  if (cloned?.status !== 0) {
    process.stderr.write(`Vocabularies are left out: ${file === undefined ? "node-llama-cpp" : "git"} is not there.\n`)
    close()
    return undefined
  }
  const show = (name: string): Buffer => {
    const shown = spawnSync("git", ["show", `HEAD:models/${name}`], { cwd: folder, maxBuffer: 64 * 1024 * 1024 })
    if (shown.status !== 0) throw new Error(`There is no ${name}.`)
    return shown.stdout
  }
  return {
    close,
    read: (name) => {
      const texts = show(`ggml-vocab-${name}.gguf.inp`).toString("utf8").split("\n__ggml_vocab_test__\n")
      const tokens = show(`ggml-vocab-${name}.gguf.out`).toString("utf8").split("\n")
      const cases = texts.map((text, index) => ({
        text,
        tokens: (tokens[index] ?? "").match(/\d+/g)?.map(Number) ?? [],
      }))
      return { gguf: show(`ggml-vocab-${name}.gguf`), cases }
    },
  }
}
