/**
 * The directory's log as text: one short line for each event, one for each place of a snapshot. An instance is written
 * out when it is listed; from then on its slot stands for it, so a request costs about ten bytes of log.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { DirectoryEvent, Measured } from "@guildhall/core/DirectoryEvent"
import { Instance, type InstanceId, type InstanceState } from "@guildhall/core/Instance"
import { ModelId } from "@guildhall/core/Model"
import { News, Rating } from "@guildhall/core/Rating"
import type { Directory, Place } from "./Directory.ts"

const InstanceText = Schema.fromJsonString(Schema.toCodecJson(Instance))
const encodeInstance = Schema.encodeSync(InstanceText)
const decodeInstance = Schema.decodeUnknownResult(InstanceText)
const RatingText = Schema.fromJsonString(Schema.toCodecJson(Rating))
const encodeRating = Schema.encodeSync(RatingText)
const decodeRating = Schema.decodeUnknownResult(RatingText)
const NewsText = Schema.fromJsonString(Schema.toCodecJson(News))
const encodeNews = Schema.encodeSync(NewsText)
const decodeNews = Schema.decodeUnknownResult(NewsText)
const OfferedText = Schema.fromJsonString(Schema.Array(ModelId))
const encodeOffered = Schema.encodeSync(OfferedText)
const decodeOffered = Schema.decodeUnknownResult(OfferedText)

const marks = {
  online: "o",
  offline: "f",
  draining: "d",
  not_verified: "n",
  maintenance: "w",
} as const satisfies Record<InstanceState, string>
const states: Record<string, InstanceState> = {
  o: "online",
  f: "offline",
  d: "draining",
  n: "not_verified",
  w: "maintenance",
}

/**
 * The line of an event; `slot` is what `Directory.apply` answered to it. `?` is an event about an unknown instance,
 * which changes nothing but the version.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encodeEvent = (event: DirectoryEvent, slot: number): string => {
  if (slot === -1) return "?"
  const name = slot.toString(36)
  switch (event._tag) {
    case "DispatchStarted":
      return `+${name}`
    case "DispatchEnded":
      return `-${name}`
    case "InstanceMeasured":
      return event.measured === null ? `m${name}` : `m${name} ${writeMeasured(event.measured)}`
    case "InstanceRated":
      return `r${name} ${encodeNews(event.rating)}`
    case "StateChanged":
      return `${marks[event.state]}${name}`
    case "InstanceUnlisted":
      return `u${name}`
    case "InstanceListed":
      return `l${name} ${writeInstance(event.instance)}`
  }
}

const writeMeasured = ({ firstTokenMs, tokensPerSecond }: Measured): string =>
  [...firstTokenMs, ...tokensPerSecond].map((size) => size.toString(36)).join(",")

const readMeasured = (text: string): Measured | undefined => {
  const sizes = text.split(",").map((size) => Number.parseInt(size, 36))
  const [a, b, c, d, e, f, g, h] = sizes
  const isWhole = sizes.length === 8 && sizes.every((size) => Number.isSafeInteger(size))
  if (!isWhole || a === undefined || b === undefined || c === undefined || d === undefined) return undefined
  if (e === undefined || f === undefined || g === undefined || h === undefined) return undefined
  return { firstTokenMs: [a, b, c, d], tokensPerSecond: [e, f, g, h] }
}

/** Listings are long and change seldom: each is encoded once, however many snapshots it stands in. */
const written = new WeakMap<Instance, string>()

const writeInstance = (instance: Instance): string => {
  const known = written.get(instance)
  if (known !== undefined) return known
  const text = encodeInstance(instance)
  written.set(instance, text)
  return text
}

/**
 * The lines of a snapshot: the next slot and the models offered, then a line for each place, and where it is rated a
 * second one as of the event.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encodeSnapshot = (directory: Directory): string => {
  const lines = [`${directory.nextSlot.toString(36)} ${encodeOffered([...directory.offered])}`]
  for (const { slot, instance, inFlight, isListed, measured, rating } of directory.places) {
    const count = `${inFlight.toString(36)}${measured === undefined ? "" : `:${writeMeasured(measured)}`}`
    lines.push(`${isListed ? "l" : "u"}${slot.toString(36)} ${count} ${writeInstance(instance)}`)
    if (rating !== undefined) lines.push(`r${slot.toString(36)} ${encodeRating(rating)}`)
  }
  return lines.join("\n")
}

/** Cuts a text at its first `n` spaces. */
const cut = (line: string, n: number): ReadonlyArray<string> => {
  const parts: Array<string> = []
  let rest = line
  for (let count = 0; count < n; count++) {
    const at = rest.indexOf(" ")
    if (at === -1) break
    parts.push(rest.slice(0, at))
    rest = rest.slice(at + 1)
  }
  return [...parts, rest]
}

const decodePlace = (line: string): Result.Result<Place, string> => {
  const [name = "", counts = "", json = ""] = cut(line, 2)
  const [inFlight = "", sizes] = counts.split(":")
  const measured = sizes === undefined ? undefined : readMeasured(sizes)
  const slot = Number.parseInt(name.slice(1), 36)
  const count = Number.parseInt(inFlight, 36)
  const instance = decodeInstance(json)
  if (!Number.isSafeInteger(slot) || !Number.isSafeInteger(count) || Result.isFailure(instance)) {
    return Result.fail(`"${line.slice(0, 80)}" is no line of a snapshot.`)
  }
  return Result.succeed({ slot, instance: instance.success, inFlight: count, measured, isListed: name.startsWith("l") })
}

const decodeRated = (line: string): Result.Result<Rating, string> =>
  Result.mapError(decodeRating(cut(line, 1)[1]), (error) => String(error))

const decodeNewsOf = (line: string): Result.Result<News, string> =>
  Result.mapError(decodeNews(cut(line, 1)[1]), (error) => String(error))

/**
 * Reads a snapshot into an empty directory.
 *
 * @category decoding
 * @since 0.1.0
 */
export const restore = (directory: Directory, version: number, text: string): Result.Result<void, string> => {
  const [head = "", ...lines] = text.split("\n")
  const [next = "", json = ""] = cut(head, 1)
  const nextSlot = Number.parseInt(next, 36)
  const offered = decodeOffered(json)
  if (!Number.isSafeInteger(nextSlot) || Result.isFailure(offered)) {
    return Result.fail(`"${head.slice(0, 80)}" is no head of a snapshot.`)
  }
  const places: Array<Place> = []
  for (const line of lines) {
    const last = places.at(-1)
    const place =
      line.startsWith("r") && last !== undefined
        ? Result.map(decodeRated(line), (rating): Place => ({ ...last, rating }))
        : decodePlace(line)
    if (Result.isFailure(place)) return Result.fail(place.failure)
    if (place.success.slot === last?.slot) places.pop()
    places.push(place.success)
  }
  directory.restore(version, nextSlot, offered.success, places)
  return Result.void
}

/**
 * Takes lines of changes into a directory, one after the other. Make it for a directory as it stands; from then on the
 * directory must change by it alone.
 *
 * @category decoding
 * @since 0.1.0
 */
export const reader = (directory: Directory): ((line: string) => Result.Result<void, string>) => {
  const ids = new Map<number, InstanceId>()
  for (const place of directory.places) ids.set(place.slot, place.instance.id)
  return (line) => {
    const event = decodeEvent(line, ids)
    if (Result.isFailure(event)) return Result.fail(event.failure)
    const slot = directory.apply(event.success)
    if (event.success._tag === "InstanceListed") ids.set(slot, event.success.instance.id)
    return Result.void
  }
}

/**
 * Takes the lines of a stretch of changes into a directory, up to a version and no further.
 *
 * @category decoding
 * @since 0.1.0
 */
export const replay = (directory: Directory, text: string, version: number): Result.Result<void, string> => {
  const read = reader(directory)
  for (const line of text.split("\n")) {
    if (directory.version >= version) break
    const taken = read(line)
    if (Result.isFailure(taken)) return taken
  }
  return Result.void
}

/** An id that no instance has: it stands for the unknown ones, whose names the log does not keep. */
const UNKNOWN = "ins_" as InstanceId // As it has no letter after the mark, the schema lets no instance have it.

const decodeEvent = (line: string, ids: ReadonlyMap<number, InstanceId>): Result.Result<DirectoryEvent, string> => {
  if (line === "?") return Result.succeed({ _tag: "DispatchEnded", instanceId: UNKNOWN })
  const [name = "", json = ""] = cut(line, 1)
  const mark = name.slice(0, 1)
  if (mark === "l") {
    return Result.mapBoth(decodeInstance(json), {
      onSuccess: (instance): DirectoryEvent => ({ _tag: "InstanceListed", instance }),
      onFailure: (error) => String(error),
    })
  }
  const instanceId = ids.get(Number.parseInt(name.slice(1), 36))
  const state = states[mark]
  if (instanceId !== undefined) {
    if (mark === "+") return Result.succeed({ _tag: "DispatchStarted", instanceId })
    if (mark === "-") return Result.succeed({ _tag: "DispatchEnded", instanceId })
    if (mark === "m" && json === "") return Result.succeed({ _tag: "InstanceMeasured", instanceId, measured: null })
    const measured = mark === "m" ? readMeasured(json) : undefined
    if (measured !== undefined) return Result.succeed({ _tag: "InstanceMeasured", instanceId, measured })
    if (mark === "r") {
      return Result.map(decodeNewsOf(line), (rating): DirectoryEvent => ({ _tag: "InstanceRated", instanceId, rating }))
    }
    if (mark === "u") return Result.succeed({ _tag: "InstanceUnlisted", instanceId })
    if (state !== undefined) return Result.succeed({ _tag: "StateChanged", instanceId, state })
  }
  return Result.fail(`"${line.slice(0, 80)}" is no change of this directory.`)
}
