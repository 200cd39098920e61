/** Values that the examples share: each is one that its schema takes. */
export const device = "dev_0f3c9a4d8e7b6a5c4d3e2f1a0b9c8d7e"
export const instance = "ins_7a1c2b3d4e5f60718293a4b5c6d7e8f9"
export const account = "cld_4f2a9c1b7d"
export const publicKey = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
export const signature = "5tQF3h2kq0Q2m0vJq1mJ8Q0a1b2c3d4e5f60718293a4b5c6d7e8f9a0b1c2d3e4f506172839405a6b7c8d9e0fAA"
export const model = "qwen/qwen3.5-9b"
export const request = "req_0192f3a4b5c60718293a4b5c6d7e8f90"

/** What stands in the place of a path's parameters. */
export const inPath = (path: string, name: string): string => {
  if (name === "kind") return "wallet"
  if (name === "epoch") return "latest"
  if (name === "secret") return "0123456789abcdef"
  if (path.startsWith("/api/devices") || path.startsWith("/v1/operator/devices")) return device
  if (path.startsWith("/v1/providers/cloud")) return account
  if (path.startsWith("/v1/providers/gpus")) return "gpu_4f2a9c1b7d"
  if (path.startsWith("/v1/providers/jobs")) return "8d6f2b1e-5c47-4f0e-9a57-2b4e0f6d1c3a"
  if (path.startsWith("/v1/operator/members")) return "mem_provider"
  if (path.startsWith("/v1/operator/keys")) return "key_4f2a9c1b7d"
  if (path.startsWith("/v1/re")) return request
  return instance
}
