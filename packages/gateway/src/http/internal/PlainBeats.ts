/** Beats under an API key, for instances that no device key stands behind. */
import * as Effect from "effect/Effect"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import { type Instance, type InstanceId, type InstanceState, isAttested } from "@guildhall/core/Instance"
import type { MemberId } from "@guildhall/core/Member"
import { Problem } from "@guildhall/protocol/api/Problem"
import { PlainBeat, type PlainBeatAnswer } from "@guildhall/protocol/provider/PlainBeat"
import { Devices } from "@guildhall/registry/Devices"
import { Router } from "@guildhall/routing/Router"
import * as Beats from "./Beats.ts"
import * as PlainCaller from "./PlainCaller.ts"
import * as Signed from "./Signed.ts"
import * as Turns from "./Turns.ts"

const decode = Signed.decode(PlainBeat)
const EMPTY = new TextEncoder().encode("{}")

/** Whether the member may say of an instance that it is there: what a device signs for, or a service is asked about, is not its to say. */
const isPlain = ({ reach }: Instance): boolean => reach._tag === "Endpoint"

/** So many members are looked up in the registry at a time, where this process does not know an instance yet. */
const LOOKS_AT_ONCE = 2
const LOOKS_WAITING = 32

/** How an instance stands after a beat, as far as this process knows. */
const after = (state: InstanceState, told: "serving" | "draining"): InstanceState =>
  state === "offline" ? state : told === "draining" ? told : state === "draining" ? "online" : state

const makeOwn = Effect.gen(function* () {
  const devices = yield* Devices
  const router = yield* Router
  const inTurn = yield* Turns.make(LOOKS_AT_ONCE, LOOKS_WAITING)
  const ownOf = (memberId: MemberId, instances: ReadonlyArray<Instance>): ReadonlyArray<Instance> =>
    instances.filter((one) => one.memberId === memberId && isPlain(one) && !isAttested(one))

  /** The member's, and all that it names where they are there: one that was just registered is known to the registry first. */
  return Effect.fnUntraced(function* (memberId: MemberId, named: ReadonlyArray<InstanceId>) {
    const known = ownOf(memberId, router.instances())
    if (known.length > 0 && named.every((id) => known.some((one) => one.id === id))) return known
    const listed = yield* inTurn(memberId, devices.instancesOf(memberId))
    return ownOf(
      memberId,
      listed.map(({ instance }) => instance),
    )
  })
})

/** Makes the handler. */
export const make = Effect.gen(function* () {
  const devices = yield* Devices
  const callerOf = yield* PlainCaller.make
  const ownOf = yield* makeOwn
  const advice = yield* Beats.makeAdvice

  return Effect.fn("PlainBeats.beat")(function* (request: HttpServerRequest.HttpServerRequest) {
    const { memberId } = yield* callerOf(request)
    const body = yield* Signed.bytesOf(request)
    const said = (yield* decode(body.length === 0 ? EMPTY : body)).instances
    const own = yield* ownOf(memberId, said?.map(({ instance_id }) => instance_id) ?? [])
    const all = own.map(({ id }) => ({ instance_id: id, state: "serving" as const }))
    const told = new Map((said ?? all).map(({ instance_id, state }) => [instance_id, state]))
    const missing = [...told.keys()].filter((asked) => own.every(({ id }) => id !== asked))
    if (missing.length > 0) {
      const detail = `You have no ${missing.slice(0, 5).join(", ")} without a device key on the market. Register it again; a device that has a key signs its beats.`
      return yield* Problem.of("not_found", detail)
    }
    const instances = own.flatMap((instance) => {
      const state = told.get(instance.id)
      return state === undefined ? [] : [{ instance, state }]
    })
    // One whose last health check failed is offline: nobody signed this beat, so the next check is what brings it back.
    const heard = instances.filter(({ instance }) => instance.state !== "offline")
    for (const { instance, state } of heard) yield* devices.beat(instance.deviceId, [{ id: instance.id, state }])
    const { entry, heartbeat_interval_ms } = yield* advice
    return {
      instances: instances.map(({ instance: { id, model, state: before }, state }) => ({
        instance_id: id,
        model,
        state: after(before, state),
      })),
      heartbeat_interval_ms,
      ...(entry === undefined ? {} : { entry }),
    } satisfies PlainBeatAnswer
  })
})
