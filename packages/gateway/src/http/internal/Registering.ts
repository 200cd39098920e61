/** Registrations: of a device that signs, and of an endpoint that its member vouches for with an API key. */
import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import type { DeviceId } from "@guildhall/core/Device"
import type { Reach } from "@guildhall/core/Instance"
import { Problem } from "@guildhall/protocol/api/Problem"
import { SIGNED_PATHS } from "@guildhall/protocol/api/ProvidersApi"
import {
  BROWSER_CONTEXT,
  priceSheet,
  type Registered,
  type RegisteredPlain,
  Registration,
} from "@guildhall/protocol/provider/Registration"
import { Devices } from "@guildhall/registry/Devices"
import * as Endpoint from "@guildhall/registry/Endpoint"
import * as KeyAccess from "../KeyAccess.ts"
import * as Beats from "./Beats.ts"
import * as PlainCaller from "./PlainCaller.ts"
import * as Signed from "./Signed.ts"
import * as Terms from "./Terms.ts"

const decodeSigned = Signed.decode(Registration)
/** Whoever writes this by hand misspells a word; an agent of another version says more than is known here. */
const decodePlain = Signed.decode(Registration, "error")

/** How requests reach what is registered. */
const reachOf = ({ endpoint_url, provider_type, reach }: Registration): Effect.Effect<Reach, Problem> => {
  const way = reach ?? (endpoint_url === undefined ? "tunnel" : "endpoint")
  if (way === "endpoint" && endpoint_url !== undefined && provider_type === "agent") {
    return Effect.succeed({ _tag: "Endpoint", url: endpoint_url })
  }
  const problem =
    way !== "endpoint"
      ? endpoint_url === undefined
        ? undefined
        : `endpoint_url: nobody calls it where requests come by ${way}. Leave it out, or leave out reach.`
      : provider_type === "browser"
        ? "endpoint_url: a browser cannot be called. Leave it out, and open a tunnel."
        : "endpoint_url: it is missing. Say where the market calls the instance, or leave out reach and open a tunnel."
  if (problem !== undefined) return Effect.fail(Problem.of("invalid_request", problem))
  return Effect.succeed(way === "pull" ? { _tag: "Pull" } : { _tag: "Tunnel" })
}

/** The context that is offered: an agent says it. */
const contextOf = ({ context_length_offered, provider_type }: Registration): Effect.Effect<number, Problem> => {
  if (context_length_offered !== undefined) return Effect.succeed(context_length_offered)
  if (provider_type === "browser") return Effect.succeed(BROWSER_CONTEXT)
  const detail = "context_length_offered: it is missing. Say how many tokens prompt and answer may have together."
  return Effect.fail(Problem.of("invalid_request", detail))
}

/** Whose device registers: of whom the API key is that comes with it, else of whom it is paired with. */
const makeOwner = Effect.gen(function* () {
  const devices = yield* Devices
  const callerOf = yield* KeyAccess.make
  return Effect.fnUntraced(function* (id: DeviceId, authorization: string | undefined) {
    if (authorization !== undefined) return (yield* callerOf(PlainCaller.keyOf(authorization), ["provider"])).memberId
    const device = yield* devices.find(id)
    if (device !== undefined) return device.memberId
    return yield* Problem.of(
      "device_not_paired",
      "Make a code in the market's dashboard and run `guildhall-agent pair <code>` here, or send a provider's API key: `Authorization: Bearer sk-…`.",
    )
  })
})

/** What a registration asks for, once the market takes it. */
const makeTerms = Effect.gen(function* () {
  const checkTerms = yield* Terms.makeCheck
  return Effect.fnUntraced(function* (said: Registration) {
    const declared = yield* checkTerms(said)
    return {
      model: said.model,
      price: priceSheet(said),
      contextLength: yield* contextOf(said),
      concurrency: said.concurrency,
      ...declared,
    }
  })
})

/** Makes the handler of a registration that a device signed. */
export const make = Effect.gen(function* () {
  const devices = yield* Devices
  const authenticate = yield* Signed.makeAuthenticate
  const ownerOf = yield* makeOwner
  const termsOf = yield* makeTerms
  const advice = yield* Beats.makeAdvice
  const attestedOf = yield* Beats.makeAttested

  return Effect.fn("Registering.signed")(function* (signed: Signed.Signed) {
    const { body, id, publicKey } = yield* authenticate(SIGNED_PATHS.register, signed)
    const memberId = yield* ownerOf(id, signed.request.headers["authorization"])
    const said = yield* decodeSigned(body)
    const terms = yield* termsOf(said)
    const reach = yield* reachOf(said)
    // Before it is listed: from then on it may be asked, so what is left to do until it hears the answer is little.
    const nonce = yield* devices.giveNonce(id)
    const attested = yield* attestedOf(id)
    const { device, instance } = yield* devices.register({ memberId, publicKey, reach, ...terms })
    return {
      device_id: device.id,
      instance_id: instance.id,
      nonce,
      ...attested,
      ...(yield* advice),
    } satisfies Registered
  })
})

/** Without a key of its own a device can neither open a tunnel nor ask for jobs: the market calls it, or nobody does. */
const urlOf = (said: Registration): Effect.Effect<string, Problem> => {
  const { endpoint_url, provider_type, reach = "endpoint" } = said
  const hasWay = provider_type === "agent" && reach === "endpoint"
  if (hasWay && endpoint_url !== undefined) return Effect.succeed(endpoint_url)
  const problem = hasWay
    ? "endpoint_url: it is missing. Say where the market calls the instance. `guildhall-agent` needs no URL: it signs, and opens a tunnel."
    : provider_type === "browser"
      ? "provider_type: a page in a browser serves over a tunnel, which its own key opens. Open the market's page for browsers, or sign the registration."
      : `reach: requests come by ${reach} to devices that sign. Leave it out and give an endpoint_url, or let \`guildhall-agent\` register.`
  return Effect.fail(Problem.of("invalid_request", problem))
}

/** Makes the handler of a registration under an API key alone. The same URL is the same device of its member. */
export const makePlain = Effect.gen(function* () {
  const devices = yield* Devices
  const callerOf = yield* PlainCaller.make
  const termsOf = yield* makeTerms
  const advice = yield* Beats.makeAdvice

  return Effect.fn("Registering.plain")(function* (request: HttpServerRequest.HttpServerRequest) {
    const { memberId } = yield* callerOf(request)
    const said = yield* decodePlain(yield* Signed.bytesOf(request))
    const terms = yield* termsOf(said)
    const url = yield* urlOf(said)
    const known = Result.getOrElse(Endpoint.check(url, { allowPrivate: true }), () => url)
    const keyless = `url:${createHash("sha256").update(known).digest("hex")}`
    const reach = { _tag: "Endpoint", url } as const
    const { device, instance } = yield* devices.register({ memberId, keyless, reach, ...terms })
    const { tunnels: _, ...told } = yield* advice
    return { device_id: device.id, instance_id: instance.id, unattested: true, ...told } satisfies RegisteredPlain
  })
})
