/** What tools say of machines, from `fixtures/machines`. */
import * as Fs from "node:fs"
import * as NodePath from "node:path"

const folder = NodePath.join(import.meta.dirname, "fixtures", "machines")

export const pathOf = (name: string): string => NodePath.join(folder, name)
export const textOf = (name: string): string => Fs.readFileSync(pathOf(name), "utf8")
