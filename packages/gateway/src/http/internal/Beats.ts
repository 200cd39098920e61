/** Beats, under whichever path they come. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { DeviceId, DeviceStatus } from "@guildhall/core/Device"
import { KeyRing } from "@guildhall/core/KeyRing"
import { Heartbeat } from "@guildhall/protocol/provider/Heartbeat"
import { Devices } from "@guildhall/registry/Devices"
import { Attestation } from "../../Attestation.ts"
import { Claims, type Verdict } from "../../Claims.ts"
import { Market } from "../../Market.ts"
import { TunnelPeers } from "../../TunnelPeers.ts"
import * as BeatWarnings from "./BeatWarnings.ts"
import * as Signed from "./Signed.ts"

const decodeHeartbeat = Signed.decode(Heartbeat)
const NO_LINES: Verdict = { acknowledged: 0, refused: [] }

/** What a device says of itself; what it leaves out stays unsaid. */
const statusOf = (beat: Heartbeat): DeviceStatus => ({
  ...(beat.queue === undefined ? {} : { queue: beat.queue }),
  ...(beat.load_percent === undefined ? {} : { loadPercent: beat.load_percent }),
  ...(beat.temperature_celsius === undefined ? {} : { temperatureCelsius: beat.temperature_celsius }),
  ...(beat.vram_used_mib === undefined ? {} : { vramUsedMib: beat.vram_used_mib }),
  ...(beat.versions === undefined ? {} : { versions: beat.versions }),
})

/** Where a provider reads what the checks of an instance found. */
const ENTRY_PATH = "/v1/providers/{instance_id}/entry"

/** What every answer tells an agent: when to beat, by which keys it knows a ticket, and where it may open tunnels. */
export const makeAdvice = Effect.gen(function* () {
  const { definition } = yield* Market
  const ring = yield* KeyRing
  const peers = Option.getOrUndefined(yield* Effect.serviceOption(TunnelPeers))
  return Effect.map(ring.list, (keys) => {
    const tunnels = peers?.publicUrls() ?? []
    return {
      heartbeat_interval_ms: definition.heartbeat.intervalMs,
      keys: keys.filter(({ purpose }) => purpose === "ticket"),
      ...(tunnels.length === 0 ? {} : { tunnels }),
      ...(definition.entry === undefined ? {} : { entry: ENTRY_PATH }),
    }
  })
})

/** What a device is told that the market holds of what it has signed. */
export const makeAttested = Effect.gen(function* () {
  const attestation = Option.getOrUndefined(yield* Effect.serviceOption(Attestation))
  return Effect.fnUntraced(function* (id: DeviceId) {
    return attestation === undefined ? {} : { attested: yield* attestation.held(id) }
  })
})

/** Makes the handler of a beat that names this path. */
export const make = Effect.fnUntraced(function* (path: string) {
  const devices = yield* Devices
  const claims = yield* Claims
  const authenticate = yield* Signed.makeAuthenticate
  const advice = yield* makeAdvice
  const attestation = Option.getOrUndefined(yield* Effect.serviceOption(Attestation))
  const attestedOf = yield* makeAttested
  const warn = yield* BeatWarnings.make

  return Effect.fn("Beats.beat")(function* (signed: Signed.Signed) {
    const { id, body, publicKey } = yield* authenticate(path, signed)
    const beat = yield* decodeHeartbeat(body)
    const nonce = yield* devices.takeNonce(id, beat.nonce, statusOf(beat))
    yield* devices.beat(
      id,
      beat.instances.map(({ instance_id, state }) => ({ id: instance_id, state })),
    )
    if (beat.commitment !== undefined && attestation !== undefined) {
      yield* attestation.commit({ id, publicKey }, beat.commitment)
    }
    const { acknowledged, refused } =
      beat.usage === undefined ? NO_LINES : yield* claims.process({ id, publicKey }, beat.usage)
    const told = refused.map(({ code, requestId }) => ({ request_id: requestId, code }))
    const warnings = yield* warn(id, beat.nonce, nonce)
    return { acknowledged, refused: told, nonce, ...(yield* attestedOf(id)), ...warnings, ...(yield* advice) }
  })
})
