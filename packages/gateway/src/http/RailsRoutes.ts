/**
 * By which rails providers are paid: they look and turn, operators note what was set up.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import type { MemberId } from "@guildhall/core/Member"
import { Caller } from "@guildhall/protocol/api/Access"
import { ControlApi } from "@guildhall/protocol/api/ControlApi"
import { Problem } from "@guildhall/protocol/api/Problem"
import type { RailChanges, RailsView } from "@guildhall/protocol/api/RailsApi"
import { PUBLISHED_RAILS } from "@guildhall/protocol/provider/Registration"
import { Devices } from "@guildhall/registry/Devices"
import { Members } from "@guildhall/registry/Members"
import * as ProviderRails from "@guildhall/registry/ProviderRails"
import * as Acts from "./internal/Acts.ts"
import * as Problems from "./internal/Problems.ts"

const show = ({ instances, rails, targets }: ProviderRails.MemberRailsView): RailsView => {
  const isOn = (name: string): boolean => rails.some((rail) => rail.name === name && rail.isOn)
  return {
    accepts_stripe: isOn(PUBLISHED_RAILS.accepts_stripe),
    accepts_tempo: isOn(PUBLISHED_RAILS.accepts_tempo),
    rails: rails.map(({ isOn, isReady, name, needs }) => ({
      name,
      is_on: isOn,
      is_ready: isReady,
      needs: needs ?? null,
      todo: needs === undefined || isReady ? null : ProviderRails.todo(needs),
    })),
    payout_targets: targets.map(({ atMs, kind, target }) => ({ kind, target, since_ms: atMs })),
    instances: instances.map(({ id, model, off, rails }) => ({ instance_id: id, model, rails, off })),
  }
}

/** The rails that a body names, by their own names. One that the market has not is off already. */
const wantedOf = (changes: RailChanges, known: ReadonlyArray<string>) => {
  const wanted = new Map(Object.entries(changes.rails ?? {}))
  for (const word of ["accepts_stripe", "accepts_tempo"] as const) {
    const [isOn, name] = [changes[word], PUBLISHED_RAILS[word]]
    if (isOn === undefined || (!isOn && !known.includes(name))) continue
    if (wanted.has(name) && wanted.get(name) !== isOn) {
      const detail = `${word}: it is the rail ${name}, of which \`rails\` says the contrary. Say it once.`
      return Effect.fail(Problem.of("invalid_request", detail))
    }
    wanted.set(name, isOn)
  }
  return Effect.succeed(Object.fromEntries(wanted))
}

const isNothing = ({ accepts_stripe, accepts_tempo, rails }: RailChanges): boolean =>
  accepts_stripe === undefined && accepts_tempo === undefined && Object.keys(rails ?? {}).length === 0

/**
 * The handlers. Gateways go by what was turned within a second; it is noted in the journal.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  ControlApi,
  "rails",
  Effect.fnUntraced(function* (handlers) {
    const devices = yield* Devices
    const members = yield* Members
    const note = yield* Acts.make

    const known = Effect.fnUntraced(function* (id: MemberId) {
      if ((yield* members.find(id)) !== undefined) return id
      return yield* Problem.of("not_found", `There is no member ${id}.`)
    })

    return handlers.handleAll({
      rails: Effect.fn("RailsRoutes.rails")(function* () {
        const { memberId } = yield* Caller
        return show(yield* devices.railsOf(memberId))
      }, Problems.answer),
      turnRails: Effect.fn("RailsRoutes.turn")(function* ({ payload }) {
        const { memberId } = yield* Caller
        if (isNothing(payload)) {
          const detail = "Name a rail that shall be on or off: `accepts_stripe`, `accepts_tempo` or one of `rails`."
          return yield* Problem.of("invalid_request", detail)
        }
        const before = yield* devices.railsOf(memberId)
        const rails = yield* wantedOf(
          payload,
          before.rails.map(({ name }) => name),
        )
        yield* devices.setRails({ memberId, instance: payload.instance_id, rails })
        yield* note(memberId, "rails.turned", payload.instance_id ?? memberId)
        return show(yield* devices.railsOf(memberId))
      }, Problems.answer),
      setTarget: Effect.fn("RailsRoutes.setTarget")(function* ({ params, payload }) {
        const { memberId: actor } = yield* Caller
        const id = yield* known(params.id)
        yield* devices.setPayoutTarget(id, params.kind, payload.target)
        yield* note(actor, `payout_target.${params.kind}_set`, id)
        return show(yield* devices.railsOf(id))
      }, Problems.answer),
      removeTarget: Effect.fn("RailsRoutes.removeTarget")(function* ({ params }) {
        const { memberId: actor } = yield* Caller
        const id = yield* known(params.id)
        yield* devices.setPayoutTarget(id, params.kind, undefined)
        yield* note(actor, `payout_target.${params.kind}_removed`, id)
      }, Problems.answer),
    })
  }),
)
