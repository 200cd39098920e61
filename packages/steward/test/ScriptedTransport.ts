/** A provider transport whose instances answer as a test says. */
import { Layer } from "effect"
import type { Instance, InstanceId } from "@guildhall/core/Instance"
import { ProviderTransport } from "@guildhall/protocol/ProviderTransport"

/** A status, a provider that cannot be reached, or one that never answers. */
export type Behaviour = number | "unreachable" | "hangs"

export const make = (reaches: ReadonlyArray<Instance["reach"]["_tag"]> = ["Endpoint"]) => {
  const behaviours = new Map<InstanceId, Behaviour>()
  const asked: Array<InstanceId> = []
  const counts = { active: 0, most: 0, cancelled: 0 }
  const layer = Layer.succeed(
    ProviderTransport,
    ProviderTransport.of({
      capabilities: { reaches },
      dispatch: ({ instance, method, path }, sink) => {
        asked.push(instance.id)
        counts.active += 1
        counts.most = Math.max(counts.most, counts.active)
        const behaviour = method === "GET" && path === "/healthz" ? (behaviours.get(instance.id) ?? 200) : 404
        let isOver = false
        const end = (tell: () => void) => {
          if (isOver) return
          isOver = true
          counts.active -= 1
          queueMicrotask(tell)
        }
        queueMicrotask(() => {
          if (behaviour === "hangs") return
          if (behaviour === "unreachable") {
            return end(() => sink.onError({ reason: "Unreachable", detail: "Nobody is there." }))
          }
          sink.onStart(behaviour, {})
          sink.onData(new Uint8Array(2))
          end(sink.onEnd)
        })
        return {
          resume: () => undefined,
          cancel: (detail) => {
            counts.cancelled += 1
            end(() => sink.onError({ reason: "Cancelled", detail }))
          },
        }
      },
    }),
  )
  return { layer, behaviours, asked, counts }
}
