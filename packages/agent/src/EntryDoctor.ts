/**
 * The checks that a market makes of who enters, made here: against the model server of this machine, without a market and before
 * anything is set up. The rules and the words are the market's own.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { DeviceId, DevicePublicKey } from "@guildhall/core/Device"
import type { CheckName, Settings, Verdict } from "@guildhall/core/EntryVerification"
import { type Instance, InstanceId } from "@guildhall/core/Instance"
import { MemberId } from "@guildhall/core/Member"
import { perMillionCents } from "@guildhall/core/PriceSheet"
import * as Checks from "@guildhall/verification/endpoint/Checks"
import * as ModelCheck from "@guildhall/verification/endpoint/checks/Model"
import { EndpointProbe } from "@guildhall/verification/endpoint/EndpointProbe"
import * as RouteLook from "@guildhall/verification/endpoint/RouteLook"
import * as TransportProbe from "@guildhall/verification/endpoint/TransportProbe"
import { Backend, type ServedModel } from "./Backend.ts"
import type * as Check from "./checks/Check.ts"
import type * as DoctorReport from "./DoctorReport.ts"

/**
 * What is checked: the backend in context, and the URL at which the market will call, where there is one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly publicUrl?: string | undefined
}

/** As much as a market usually asks: what a machine can do is seen with less than its owner waits for. */
const SETTINGS: Settings = { checks: ["completion"], recheckMs: 86_400_000, promptTokensMax: 4_096, parallelMax: 4 }
const OF_URL: ReadonlyArray<CheckName> = ["resolve", "tls"]
const OF_BACKEND: ReadonlyArray<CheckName> = ["completion", "streaming", "context", "concurrency"]

const STATES: Readonly<Record<Verdict["state"], Check.Verdict["state"]>> = {
  passed: "passed",
  failed: "failed",
  not_checked: "warned",
  does_not_apply: "skipped",
}

const shown = (name: string, { detail, fix, state }: Verdict): DoctorReport.Result => ({
  name,
  verdict: { state: STATES[state], detail, ...(fix === undefined ? {} : { fix }) },
})

/** The model as if it were on a market already: its ids say nothing here. */
const instanceOf = (model: ServedModel, concurrency: number, publicUrl: string | undefined): Instance => ({
  id: InstanceId.make("ins_local"),
  deviceId: DeviceId.make(`dev_${"0".repeat(32)}`),
  memberId: MemberId.make("mem_local"),
  model: model.id,
  reach: publicUrl === undefined ? { _tag: "Tunnel" } : { _tag: "Endpoint", url: publicUrl },
  price: perMillionCents({ input: 0n, output: 0n }),
  contextLength: model.contextLength,
  concurrency,
  state: "online",
})

/** What the device would sign. */
const commitment = (model: ServedModel): Verdict => {
  const { contextLength, digest, id } = model
  const device = DevicePublicKey.make("A".repeat(43))
  const serves = [{ model: id, contextLength, ...(digest === undefined ? {} : { weights: digest }) }]
  const proof = Result.succeed({ device, nonce: "", serves, signature: "" })
  return ModelCheck.judge({ model: id, contextLength, devicePublicKey: device }, proof)
}

/**
 * Makes the checks, of the first model that the backend has. Fails where the backend is not up.
 *
 * @category constructors
 * @since 0.1.0
 */
export const examine = Effect.fn("EntryDoctor.examine")(function* ({ publicUrl }: Options) {
  const backend = yield* Backend
  const [model] = yield* backend.describe
  if (model === undefined) return []
  const instance = instanceOf(model, backend.capabilities.concurrency, publicUrl)
  const probe = EndpointProbe.of({
    look: (one) => RouteLook.instance(one, { allowPrivate: false }),
    ask: (question) =>
      TransportProbe.ask(
        (request, sink) => backend.dispatch({ path: request.path, body: request.body }, sink),
        question,
        {},
      ),
  })
  const names = [...(publicUrl === undefined ? [] : OF_URL), ...OF_BACKEND]
  const outcomes = yield* Effect.forEach(names, (name) => Checks.run(name, { instance, settings: SETTINGS })).pipe(
    Effect.provideService(EndpointProbe, probe),
  )
  return [
    ...outcomes.map((outcome) => shown(`Entry: ${outcome.check}`, outcome)),
    shown("Entry: model", commitment(model)),
  ]
})
