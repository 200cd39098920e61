/** Puts the programs of `TestProgram.ts` together, in the folder that is named. */
import path from "node:path"
import { rolldown } from "rolldown"
import { bundled } from "./TestProgram.ts"

const [folder = ""] = process.argv.slice(2)

/** A source goes on finding what lies beside it: migrations, pages, other programs. */
const places = {
  name: "places",
  transform: (code: string, id: string) => {
    if (!code.includes("import.meta.") || !path.isAbsolute(id)) return null
    const at = JSON.stringify
    const placed = code
      .replaceAll("import.meta.dirname", at(path.dirname(id)))
      .replaceAll("import.meta.filename", at(id))
      .replaceAll("import.meta.url", at(`file://${id}`))
    // Columns of these lines move; nobody looks for a place in them.
    return { code: placed, map: null }
  },
}

const bundle = await rolldown({
  cwd: path.resolve(import.meta.dirname, ".."),
  input: bundled,
  platform: "node",
  resolve: { conditionNames: ["@guildhall/source", "node", "import", "default"] },
  // Other people's packages are loaded as Node does it: a bundler reads some of their exports in another way.
  external: (id) => !id.startsWith(".") && !path.isAbsolute(id) && !/^(effect|@effect|@guildhall)(\/|$)/.test(id),
  plugins: [places],
  logLevel: "warn",
})
await bundle.write({
  dir: folder,
  format: "esm",
  sourcemap: true,
  // Of another name Node would have to find out which format it is, which takes as long as half of the rest.
  entryFileNames: "[name].mjs",
  chunkFileNames: "[name]-[hash].mjs",
})
