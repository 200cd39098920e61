/** The rules of rails: by which ones instances are paid, from what their member and they themselves have turned off. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Instance, InstanceId } from "@guildhall/core/Instance"
import * as ProviderRails from "@guildhall/core/ProviderRails"
import type { Devices } from "../Devices.ts"
import type { DeviceStore, InstanceRow, MemberRails, RailChange, RailHolding } from "../DeviceStore.ts"
import { type RailToggle, todo } from "../ProviderRails.ts"
import { RegistryError } from "../RegistryError.ts"

type Rails = ReadonlyArray<ProviderRails.Rail>
type Rule = (holding: RailHolding) => Result.Result<RailChange, RegistryError>

const refusal = (code: RegistryError["code"], detail: string) => new RegistryError({ code, detail })

/** What a member and an instance have set, in one; undefined where neither has set anything. */
export const joined = (
  member: MemberRails | undefined,
  known: ProviderRails.Settings | undefined,
): ProviderRails.Settings | undefined => {
  const own = known?.own ?? []
  const { done = [], off = [] } = member ?? {}
  return own.length + done.length + off.length === 0 ? undefined : { off, done: done.map(({ kind }) => kind), own }
}

/** An instance as it is told: with the rails that it is paid by. */
export const told = (
  { instance, rails: settings }: Pick<InstanceRow, "instance" | "rails">,
  rails?: Rails,
): Instance => {
  if (rails === undefined) return instance
  const on = ProviderRails.effective(instance.rails, rails, settings ?? ProviderRails.NONE)
  return on === instance.rails || on === undefined ? instance : { ...instance, rails: on }
}

/** Why an instance could be paid by nobody, if so. */
export const unpaid = (
  { rails: declared }: Pick<Instance, "rails">,
  rails: Rails | undefined,
  settings: ProviderRails.Settings = ProviderRails.NONE,
): RegistryError | undefined => {
  if (rails === undefined || ProviderRails.effective(declared, rails, settings)?.length !== 0) return undefined
  const wanted = rails.filter(({ name }) => declared?.includes(name) ?? true)
  const waiting = wanted.find((rail) => !ProviderRails.isReady(rail, settings))
  if (waiting?.needs !== undefined) {
    return refusal(
      "onboarding_needed",
      `Nobody could pay the instance: ${waiting.name} is not ready. ${todo(waiting.needs)}`,
    )
  }
  const names = wanted.map(({ name }) => name).join(", ")
  const detail = `Nobody could pay the instance: of the rails that it takes (${names}) none is on. Turn one on with PATCH /v1/settings/provider/rails.`
  return refusal("last_rail", detail)
}

const settingsOf = (member: MemberRails): ProviderRails.Settings => joined(member, undefined) ?? ProviderRails.NONE

/** The rows as they are once their member has set this. */
const applied = (member: MemberRails, rows: ReadonlyArray<InstanceRow>): ReadonlyArray<InstanceRow> =>
  rows.map((row) => {
    const { rails: former, ...rest } = row
    const rails = joined(member, former)
    return rails === undefined ? rest : { ...rest, rails }
  })

const turned = (off: ReadonlyArray<string>, wanted: RailToggle["rails"]): ReadonlyArray<string> => {
  const next = new Set(off)
  for (const [name, isOn] of Object.entries(wanted)) {
    if (isOn) next.delete(name)
    else next.add(name)
  }
  return [...next].sort()
}

/** Why these rails cannot be turned as is wanted, whatever else is on. */
const wrong = (
  wanted: RailToggle["rails"],
  rails: Rails,
  settings: ProviderRails.Settings,
): RegistryError | undefined => {
  for (const [name, isOn] of Object.entries(wanted)) {
    const rail = rails.find((one) => one.name === name)
    if (rail === undefined) {
      const known = rails.map((one) => one.name).join(", ")
      return refusal("invalid_request", `rails: nobody pays by ${name.slice(0, 40)} here. This market has ${known}.`)
    }
    if (isOn && rail.needs !== undefined && !ProviderRails.isReady(rail, settings)) {
      return refusal("onboarding_needed", `${name} cannot be on yet. ${todo(rail.needs)}`)
    }
  }
  return undefined
}

/** Of rows that are paid by nobody then, and were by somebody before. */
const stranded = (before: ReadonlyArray<InstanceRow>, after: ReadonlyArray<InstanceRow>, rails: Rails) => {
  const isPaid = (row: InstanceRow) => unpaid(row.instance, rails, row.rails) === undefined
  return after.find((row, at) => {
    const former = before[at]
    return former !== undefined && isPaid(former) && !isPaid(row)
  })
}

const lastRail = (instance: Pick<Instance, "id" | "rails"> | undefined): RegistryError =>
  refusal(
    "last_rail",
    instance === undefined
      ? "No rail would be left on. Turn another one on first, or take your instances off the market."
      : `${instance.id}${instance.rails === undefined ? "" : ` takes ${instance.rails.join(", ")} alone and`} would be paid by nobody. Leave one rail on, or take the instance off the market first.`,
  )

/** Turns rails on or off for all of a member's instances. */
const toggleAll =
  (wanted: RailToggle["rails"], rails: Rails): Rule =>
  ({ instances, rails: member }) => {
    const problem = wrong(wanted, rails, settingsOf(member))
    if (problem !== undefined) return Result.fail(problem)
    const next = { ...member, off: turned(member.off, wanted) }
    if (ProviderRails.on(rails, settingsOf(next)).length === 0) return Result.fail(lastRail(undefined))
    const after = applied(next, instances)
    const left = stranded(instances, after, rails)
    return left === undefined ? Result.succeed({ rails: next, instances: after }) : Result.fail(lastRail(left.instance))
  }

/** Turns rails on or off for one instance. What is off for its member stays off for it. */
const toggleOne =
  (id: InstanceId, wanted: RailToggle["rails"], rails: Rails): Rule =>
  ({ instances, rails: member }) => {
    const row = instances.find(({ instance }) => instance.id === id)
    if (row === undefined) return Result.fail(refusal("not_found", `You have no ${id} on the market.`))
    const problem = wrong(wanted, rails, settingsOf(member))
    if (problem !== undefined) return Result.fail(problem)
    const off = Object.entries(wanted).find(([name, isOn]) => isOn && member.off.includes(name))?.[0]
    if (off !== undefined) {
      return Result.fail(
        refusal("last_rail", `${off} is off for all of your instances. Turn it on without an instance first.`),
      )
    }
    const { rails: former, ...rest } = row
    const settings = joined(member, { ...ProviderRails.NONE, own: turned(former?.own ?? [], wanted) })
    const next: InstanceRow = settings === undefined ? rest : { ...rest, rails: settings }
    return unpaid(row.instance, rails, settings) === undefined
      ? Result.succeed({ rails: member, instances: [next] })
      : Result.fail(lastRail(row.instance))
  }

type Target = MemberRails["done"][number]

/** Notes what a member has set up, or that it is gone. A rail that needs it is off from then on. */
const setUp =
  (kind: Target["kind"], target: Omit<Target, "kind"> | undefined): Rule =>
  ({ instances, rails: member }) => {
    const others = member.done.filter((one) => one.kind !== kind)
    const rails = { ...member, done: target === undefined ? others : [...others, { kind, ...target }] }
    return Result.succeed({ rails, instances: applied(rails, instances) })
  }

/** What a member does with its rails. */
export const make = (
  store: DeviceStore,
  rails: Rails,
): Pick<Devices["Service"], "railsOf" | "setRails" | "setPayoutTarget"> => ({
  railsOf: Effect.fn("Devices.railsOf")(function* (memberId) {
    const { instances, rails: member } = yield* store.rails(memberId)
    const settings = settingsOf(member)
    const on = ProviderRails.on(rails, settings)
    const all = rails.map(({ name }) => name)
    return {
      rails: rails.map((rail) => ({
        name: rail.name,
        isOn: on.includes(rail.name),
        isReady: ProviderRails.isReady(rail, settings),
        needs: rail.needs,
      })),
      targets: member.done,
      instances: instances.map((row) => ({
        id: row.instance.id,
        model: row.instance.model,
        rails: told(row, rails).rails ?? all,
        off: row.rails?.own ?? [],
      })),
    }
  }),
  setRails: Effect.fn("Devices.setRails")(({ instance, memberId, rails: wanted }) =>
    store.changeRails(memberId, instance === undefined ? toggleAll(wanted, rails) : toggleOne(instance, wanted, rails)),
  ),
  setPayoutTarget: Effect.fn("Devices.setPayoutTarget")(function* (memberId, kind, target) {
    const atMs = yield* Clock.currentTimeMillis
    yield* store.changeRails(memberId, setUp(kind, target === undefined ? undefined : { target, atMs }))
  }),
})
