/**
 * The container runtime, asked as this user: Docker, else Podman, and whether it can hand NVIDIA GPUs to containers.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Hardware from "@guildhall/core/Hardware"
import type { Finding, Reading } from "./Finding.ts"
import * as Tool from "./Tool.ts"

const DockerInfo = Schema.fromJsonString(
  Schema.Struct({
    ServerVersion: Schema.optionalKey(Schema.String),
    Runtimes: Schema.optionalKey(Schema.NullOr(Schema.Record(Schema.String, Schema.Unknown))),
    DiscoveredDevices: Schema.optionalKey(Schema.NullOr(Schema.Array(Schema.Unknown))),
  }),
)

const GPU_ID = "nvidia.com/gpu="
const isNamed = Schema.is(Schema.Struct({ ID: Schema.String }))

const PodmanInfo = Schema.fromJsonString(
  Schema.Struct({ version: Schema.optionalKey(Schema.Struct({ Version: Schema.optionalKey(Schema.String) })) }),
)

/** Where the toolkit describes GPUs for runtimes that hand over devices by name (CDI). */
const CDI_FILES = ["/etc/cdi/nvidia.yaml", "/var/run/cdi/nvidia.yaml"]

type Runtime = Reading<Hardware.Container | undefined>

const none = (finding: Finding): Runtime => ({ value: undefined, findings: [finding] })

const of = (runtime: "docker" | "podman", version: string | undefined, nvidiaToolkit: boolean): Runtime => {
  const known = Hardware.text(version ?? "")
  return {
    value: { runtime, nvidiaToolkit, ...(known === undefined ? {} : { version: known }) },
    findings: [],
  }
}

const daemonAway = (complaint: string): Finding => {
  const isForbidden = /permission denied/i.test(complaint)
  return {
    source: "docker",
    reason: isForbidden ? "NotAllowed" : "Failed",
    detail: isForbidden
      ? "Docker is installed, and this user may not talk to it."
      : `Docker is installed, and its service does not answer${complaint === "" ? "." : `: ${complaint}`}`,
    fix: isForbidden
      ? "Add this user to the group docker and log in anew, or use Docker in rootless mode."
      : "Start it: sudo systemctl enable --now docker, or open Docker Desktop.",
  }
}

/**
 * Reads what `docker info --format '{{json .}}'` wrote. The client writes a description without a server where that is away.
 *
 * @category decoding
 * @since 0.1.0
 */
export const parseDocker = ({ complaint, text }: { readonly text: string; readonly complaint: string }): Runtime => {
  const info = Option.getOrUndefined(Schema.decodeUnknownOption(DockerInfo)(text.trim()))
  const isAway = info === undefined || info.ServerVersion === undefined || info.ServerVersion === ""
  if (isAway && complaint !== "" && !complaint.startsWith("{")) return none(daemonAway(complaint))
  if (info === undefined && text.trim() !== "") {
    const detail = "What docker info wrote is not its JSON."
    return none({ source: "docker", reason: "Unreadable", detail, fix: "Update Docker." })
  }
  if (isAway) return none(daemonAway(""))
  const names = Object.keys(info.Runtimes ?? {})
  const isDescribed = (info.DiscoveredDevices ?? []).some((device) => isNamed(device) && device.ID.startsWith(GPU_ID))
  return of("docker", info.ServerVersion, names.includes("nvidia") || isDescribed)
}

/**
 * Reads what `podman info --format json` wrote. It knows GPUs by their description in a file only.
 *
 * @category decoding
 * @since 0.1.0
 */
export const parsePodman = (text: string, isDescribed: boolean): Runtime => {
  const info = Option.getOrUndefined(Schema.decodeUnknownOption(PodmanInfo)(text.trim()))
  if (info !== undefined) return of("podman", info.version?.Version, isDescribed)
  const detail = "What podman info wrote is not its JSON."
  return none({ source: "podman", reason: "Unreadable", detail, fix: "Update Podman." })
}

const described = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const found = yield* Effect.forEach(CDI_FILES, (path) => Effect.orElseSucceed(fs.exists(path), () => false))
  return found.includes(true)
})

const docker = Tool.run("docker", ["info", "--format", "{{json .}}"]).pipe(
  Effect.map(parseDocker),
  Effect.catch((error) => Effect.succeed(none(Tool.finding(error)))),
)

const podman = Tool.succeed("podman", ["info", "--format", "json"]).pipe(
  Effect.flatMap((text) => Effect.map(described, (isDescribed) => parsePodman(text, isDescribed))),
  Effect.catch((error) => Effect.succeed(none(Tool.finding(error)))),
)

/**
 * The container runtime of this machine. Docker is taken where both answer.
 *
 * @category getters
 * @since 0.1.0
 */
export const detect = Effect.gen(function* () {
  const first = yield* docker
  if (first.value !== undefined) return first
  const second = yield* podman
  return second.value === undefined ? { value: undefined, findings: [...first.findings, ...second.findings] } : second
})
