/**
 * A proxy of fastify and `@fastify/http-proxy`, as its guide has it, out of a folder that is not ours.
 *
 * `node tools/bench/FastifyProxy.ts <origin> <folder>`, as a child process that sends its port.
 */
import { createRequire } from "node:module"
import path from "node:path"

interface Fastify {
  readonly register: (plugin: unknown, options: object) => Promise<unknown>
  readonly listen: (options: { readonly port: number; readonly host: string }) => Promise<string>
}

if (import.meta.main) {
  const [, , upstream, folder = ""] = process.argv
  const require = createRequire(path.join(folder, "package.json"))
  // What a package exports that is not a dependency can only be told here.
  const { fastify } = require("fastify") as { readonly fastify: (options: object) => Fastify }
  const server = fastify({ logger: false })
  await server.register(require("@fastify/http-proxy"), { upstream, undici: { connections: 512, pipelining: 1 } })
  const url = await server.listen({ port: 0, host: "127.0.0.1" })
  process.send?.(Number(new URL(url).port))
  process.on("disconnect", () => process.exit(0))
}
