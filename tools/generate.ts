/**
 * `npm run generate`: writes the files that are made from other files. With `--check` it writes nothing and fails when
 * one is not as it should be. Names of folders (`packages/core`) restrict it to files below them.
 *
 * `node tools/generate.ts [--check] [folder…]`
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import path from "node:path"
import { agentDocument } from "./generate/AgentDocument.ts"
import { barrels } from "./generate/Barrels.ts"
import { contractFiles } from "./generate/Contracts.ts"
import { reasonsDocument, settingsInReadme } from "./generate/Documents.ts"
import type { Generated } from "./generate/Generated.ts"
import { green, line, red } from "./Terminal.ts"
import { root } from "./Workspace.ts"

const stale = ({ file, text }: Generated): boolean => {
  const where = path.join(root, file)
  return !existsSync(where) || readFileSync(where, "utf8") !== text
}

const write = (changed: ReadonlyArray<Generated>): void => {
  for (const { file, text } of changed) {
    mkdirSync(path.dirname(path.join(root, file)), { recursive: true })
    writeFileSync(path.join(root, file), text)
    line(`${green("✓")} wrote ${file}`)
  }
}

const main = async (args: ReadonlyArray<string>): Promise<void> => {
  const isCheck = args.includes("--check")
  const folders = args.filter((arg) => !arg.startsWith("-")).map((folder) => folder.replace(/\/$/, ""))
  const isWanted = ({ file }: Generated): boolean =>
    folders.length === 0 || folders.some((folder) => file.startsWith(`${folder}/`))
  const ofContracts = (await contractFiles()).filter(isWanted).filter(stale)
  // Barrels list these files too, so they come first.
  if (!isCheck) write(ofContracts)
  const others = [...barrels(root), reasonsDocument(), await agentDocument(), ...(await settingsInReadme(root))]
  const different = others.filter(isWanted).filter(stale)
  if (isCheck) {
    const wrong = [...ofContracts, ...different]
    for (const { file } of wrong) line(`${red("✗")} ${file} is not up to date. Run \`npm run generate\`.`)
    if (wrong.length > 0) process.exitCode = 1
    return
  }
  write(different)
  if (ofContracts.length + different.length === 0) line("Everything is up to date.")
}

await main(process.argv.slice(2))
