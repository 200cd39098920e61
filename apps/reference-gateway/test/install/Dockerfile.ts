/**
 * A Dockerfile as a test reads it, and the folder that a build would see.
 */
import { spawnSync } from "node:child_process"
import { copyFileSync, mkdirSync, readFileSync } from "node:fs"
import path from "node:path"

/** An instruction: `COPY`, and what stands behind it, in one line. */
export interface Instruction {
  readonly name: string
  readonly rest: string
}

/** A stage: from which image or stage, and what is done. */
export interface Stage {
  readonly name: string
  readonly from: string
  readonly instructions: ReadonlyArray<Instruction>
}

const INSTRUCTIONS = /^(ARG|CMD|COPY|ENTRYPOINT|ENV|EXPOSE|FROM|HEALTHCHECK|RUN|USER|VOLUME|WORKDIR) (.+)$/s

/** The stages of a Dockerfile. Fails at a line that is no instruction. */
export const parse = (text: string): ReadonlyArray<Stage> => {
  const joined = text
    .split("\n")
    .filter((line) => !/^\s*#/.test(line))
    .join("\n")
    .replace(/\\\n\s*/g, "")
  const stages: Array<{ name: string; from: string; instructions: Array<Instruction> }> = []
  for (const line of joined.split("\n").filter((one) => one.trim() !== "")) {
    const [, name = "", rest = ""] = INSTRUCTIONS.exec(line) ?? []
    if (name === "") throw new Error(`This is no instruction: ${line}`)
    if (name === "FROM") {
      const [, from = "", stage = ""] = /^(\S+) AS (\S+)$/.exec(rest) ?? []
      stages.push({ name: stage, from, instructions: [] })
    } else stages.at(-1)?.instructions.push({ name, rest })
  }
  return stages
}

/** What the stage says of this name, in order. */
export const all = (stage: Stage, name: string): ReadonlyArray<string> =>
  stage.instructions.flatMap((one) => (one.name === name ? [one.rest] : []))

/** A command as a list of words, which is the form that needs no shell. */
export const words = (stage: Stage, name: string): ReadonlyArray<string> => {
  const [, list = "[]"] = /(\[.*\])$/s.exec(all(stage, name).at(-1) ?? "") ?? []
  return JSON.parse(list) as ReadonlyArray<string>
}

/** The variables that a stage sets. */
export const environment = (stage: Stage): Readonly<Record<string, string>> =>
  Object.fromEntries(
    all(stage, "ENV").flatMap((line) =>
      line.split(/\s+/).map((pair) => [pair.split("=")[0] ?? "", pair.slice(pair.indexOf("=") + 1)]),
    ),
  )

/** A file and the folders that it is in: who ignores a folder ignores all of it, dot files too. */
const withFolders = (file: string): ReadonlyArray<string> =>
  file.split("/").map((_, at, parts) => parts.slice(0, at + 1).join("/"))

/** The files of the repository that a build sees: what `.dockerignore` leaves. */
export const context = (root: string): ReadonlyArray<string> => {
  const ignored = readFileSync(path.join(root, ".dockerignore"), "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
  const listed = spawnSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  })
  return listed.stdout
    .split("\n")
    .filter((file) => file !== "")
    .filter((file) => ignored.every((one) => !withFolders(file).some((place) => path.matchesGlob(place, one))))
}

/** Copies these files of the repository. */
export const copy = (root: string, files: ReadonlyArray<string>, to: string): void => {
  for (const file of files) {
    mkdirSync(path.dirname(path.join(to, file)), { recursive: true })
    copyFileSync(path.join(root, file), path.join(to, file))
  }
}
