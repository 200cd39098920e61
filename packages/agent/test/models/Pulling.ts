/** Pulls from a scripted hub into a folder that goes away with the test. */
import * as Path from "node:path"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as AgentProcess from "../AgentProcess.ts"
import * as Hub from "../../src/models/Hub.ts"
import * as HubRequest from "../../src/models/HubRequest.ts"
import type { License } from "../../src/models/License.ts"
import { ModelError } from "../../src/models/ModelError.ts"
import * as ModelPull from "../../src/models/ModelPull.ts"
import * as ModelReference from "../../src/models/ModelReference.ts"
import * as ModelStore from "../../src/models/ModelStore.ts"
import { CurrentListener, type PullEvent } from "../../src/models/PullEvent.ts"

export interface Options {
  readonly url: string
  readonly token?: string
  readonly directory?: string
  readonly accepts?: boolean | undefined
  readonly files?: Layer.Layer<FileSystem.FileSystem>
  readonly idleMs?: number
  readonly mostBytes?: number
}

/** A pull that can be made, with what it tells. */
export const make = Effect.fnUntraced(function* (options: Options) {
  const directory = options.directory ?? Path.join(yield* AgentProcess.temporaryHome, "models")
  const events: Array<PullEvent> = []
  const asked: Array<License> = []
  const settings = {
    endpoint: options.url,
    token: options.token === undefined ? undefined : Redacted.make(options.token),
    isOffline: false,
  }
  const platform = options.files === undefined ? NodeServices.layer : Layer.merge(NodeServices.layer, options.files)
  const services = Layer.effect(Hub.Hub, Hub.make(settings)).pipe(
    Layer.provideMerge(ModelStore.layer({ directory })),
    Layer.provideMerge(NodeHttpClient.layerNodeHttp),
    Layer.provideMerge(platform),
  )
  const provided = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    effect.pipe(
      Effect.provide(services),
      Effect.provideService(CurrentListener, {
        tell: (event) => Effect.sync(() => void events.push(event)),
        accept: (license) =>
          Effect.sync(() => {
            asked.push(license)
            return options.accepts
          }),
      }),
      Effect.provideService(HubRequest.CurrentPace, {
        headersMs: 5_000,
        idleMs: options.idleMs ?? 5_000,
        retryMs: 1,
        mostBytes: options.mostBytes ?? 1_000_000_000,
      }),
    )
  const wish = (text: string, acceptsLicense = false): Effect.Effect<ModelPull.Wish> => {
    const reference = ModelReference.parse(text)
    return reference === undefined ? Effect.die(new Error(text)) : Effect.succeed({ reference, acceptsLicense })
  }
  return {
    directory,
    events,
    asked,
    provided,
    pull: (text: string, acceptsLicense?: boolean) =>
      Effect.flatMap(wish(text, acceptsLicense), (asked) => provided(ModelPull.pull(asked))),
    ensure: (text: string) => Effect.flatMap(wish(text), (asked) => provided(ModelPull.ensure(asked))),
    list: provided(Effect.flatMap(ModelStore.ModelStore, ({ list }) => list)),
    told: (tag: PullEvent["_tag"]) => events.filter((event) => event._tag === tag),
    letter: (text: string, acceptsLicense?: boolean) =>
      Effect.flatMap(wish(text, acceptsLicense), (asked) => Effect.flip(provided(ModelPull.pull(asked)))).pipe(
        Effect.map((error) => {
          if (error instanceof ModelError) return { reason: error.reason, text: error.message }
          throw new Error(String(error))
        }),
      ),
  }
})
