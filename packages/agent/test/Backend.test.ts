import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Layer } from "effect"
import { ModelId } from "@guildhall/core/Model"
import * as AgentHome from "../src/AgentHome.ts"
import { Backend } from "../src/Backend.ts"
import * as LlamaCpp from "../src/backends/LlamaCpp.ts"
import * as Memory from "../src/backends/Memory.ts"
import * as OpenAICompatible from "../src/backends/OpenAICompatible.ts"
import * as DemoModel from "../src/demo/DemoModel.ts"
import * as BackendTest from "../src/testing/BackendTest.ts"
import * as AgentProcess from "./AgentProcess.ts"
import * as ScriptedServer from "./ScriptedServer.ts"

const models = [{ id: ModelId.make("test/scripted"), contextLength: 4096 }]
const endless = function* () {
  for (;;) yield "word "
}

const memory = Memory.make({ models, concurrency: 2, answer: endless })

const demo = (path: string) =>
  LlamaCpp.layer({
    path,
    model: { id: DemoModel.ID, contextLength: DemoModel.CONTEXT_LENGTH },
    contextLength: DemoModel.CONTEXT_LENGTH,
    concurrency: 2,
    template: "plain",
    gpu: false,
    threads: 1,
  })

const embedded = Layer.unwrap(
  Effect.gen(function* () {
    const directory = yield* AgentProcess.temporaryHome
    const { path } = yield* DemoModel.ensure.pipe(Effect.provide(AgentHome.layer({ directory })))
    return demo(path)
  }),
).pipe(Layer.provide(NodeServices.layer))

const server = Layer.unwrap(
  Effect.map(ScriptedServer.make(), ({ url }) => OpenAICompatible.layer({ url, concurrency: 2 })),
).pipe(Layer.provide(NodeHttpClient.layerNodeHttp))

BackendTest.suite("memory", Layer.succeed(Backend, memory))
BackendTest.suite("embedded llama.cpp with the demo model", embedded, {
  down: demo("/nowhere/model.gguf").pipe(Layer.provide(NodeServices.layer)),
})
BackendTest.suite("a server that speaks OpenAI's API", server, {
  down: OpenAICompatible.layer({ url: "http://127.0.0.1:1" }).pipe(Layer.provide(NodeHttpClient.layerNodeHttp)),
})

type Service = Backend["Service"]
const broken = (change: Partial<Service>) => Layer.succeed(Backend, Backend.of({ ...memory, ...change }))
/** Rewrites what a backend sends, text by text. */
const rewriting = (rewrite: (text: string) => string) =>
  broken({
    dispatch: (request, sink) =>
      memory.dispatch(request, {
        ...sink,
        onData: (chunk) => sink.onData(new TextEncoder().encode(rewrite(new TextDecoder().decode(chunk)))),
      }),
  })

BackendTest.breaks("it describes nothing", broken({ describe: Effect.succeed([]) }), 1)
BackendTest.breaks("it describes models while it is down", Layer.succeed(Backend, memory), 1, {
  down: Layer.succeed(Backend, memory),
})
BackendTest.breaks(
  "a stream counts the prompt otherwise",
  rewriting((text) => (text.startsWith("data:") ? text.replace(/"prompt_tokens":\d+/, '"prompt_tokens":1') : text)),
  2,
)
BackendTest.breaks(
  "the role is missing",
  rewriting((text) => text.replace('"role":"assistant",', "")),
  3,
)
BackendTest.breaks(
  "something follows [DONE]",
  rewriting((text) => text.replace("[DONE]\n\n", "[DONE]\n\n: bye\n\n")),
  3,
)
BackendTest.breaks(
  "max_tokens is ignored",
  broken({
    dispatch: ({ path, body }, sink) => {
      const text = new TextDecoder().decode(body).replace(/"max_tokens":\d+/, '"max_tokens":20')
      return memory.dispatch({ path, body: new TextEncoder().encode(text) }, sink)
    },
  }),
  4,
)
BackendTest.breaks(
  "a cancel is not heard",
  broken({
    dispatch: (request, sink) => ({ ...memory.dispatch(request, sink), cancel: () => {} }),
  }),
  5,
)
BackendTest.breaks(
  "a refusal is an answer",
  broken({
    dispatch: (request, sink) =>
      memory.dispatch(request, { ...sink, onStart: (_, headers) => sink.onStart(200, headers) }),
  }),
  6,
)
