/**
 * `npm run build`: builds every publishable package, in the order of their dependencies. What has not changed comes from
 * turbo's local cache; nothing is sent anywhere.
 *
 * `node tools/buildAll.ts [turbo's own arguments]`
 */
import { spawn } from "node:child_process"
import path from "node:path"
import { root } from "./Workspace.ts"

const turbo = path.join(root, "node_modules/turbo/bin/turbo")

const child = spawn(process.execPath, [turbo, "run", "build", "--output-logs=errors-only", ...process.argv.slice(2)], {
  cwd: root,
  stdio: ["ignore", "inherit", "inherit"],
  env: {
    ...process.env,
    TURBO_TELEMETRY_DISABLED: "1",
    TURBO_NO_UPDATE_NOTIFIER: "1",
    // The scripts of the packages run under the same Node as this one.
    PATH: `${path.dirname(process.execPath)}${path.delimiter}${process.env["PATH"] ?? ""}`,
  },
})
child.once("exit", (code) => process.exit(code ?? 1))
