/**
 * How a tunnel begins: the agent says hello, the gateway welcomes it. A session outlives the loss of its connection for a
 * few seconds; whoever comes back names it and says how much has arrived.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { DevicePublicKey } from "@guildhall/core/Device"
import { CONTROL, control } from "./TunnelFrame.ts"

/**
 * The path of the WebSocket. It is what a device signs, whatever the gateway is mounted under: method `GET`, no body.
 *
 * @category constants
 * @since 0.1.0
 */
export const PATH = "/v1/providers/tunnel"

/**
 * The WebSocket's subprotocol, and with it the version of the frames.
 *
 * @category constants
 * @since 0.1.0
 */
export const PROTOCOL = "guildhall-tunnel-v1"

/**
 * Addresses of gateways at which an agent opens tunnels, in the answers to registrations and heartbeats. An agent opens some of
 * them; where there are none, one at the market's own address.
 *
 * @category models
 * @since 0.1.0
 */
export const TunnelUrls = Schema.Array(Schema.String.pipe(Schema.check(Schema.isMaxLength(2000)))).pipe(
  Schema.check(Schema.isMaxLength(16)),
)

const Count = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })))
const SessionName = Schema.String.pipe(Schema.check(Schema.isPattern(/^[A-Za-z0-9_-]{16,64}$/)))

/**
 * What a device's headers say, for those who cannot set headers: a page in a browser.
 *
 * @category models
 * @since 0.1.0
 */
export const Proof = Schema.Struct({
  device: DevicePublicKey,
  signature: Schema.String.pipe(Schema.check(Schema.isMaxLength(200))),
  issued_at: Count,
  sequence: Count,
})
/** @since 0.1.0 */
export type Proof = typeof Proof.Type

/**
 * The first message of an agent. `session` is the one that it wants to go on with, of which `received` messages have come;
 * `proof` its signature, where it is not in the headers.
 *
 * @category models
 * @since 0.1.0
 */
export const Hello = Schema.Struct({
  session: Schema.optionalKey(SessionName),
  received: Count,
  proof: Schema.optionalKey(Proof),
})
/** @since 0.1.0 */
export type Hello = typeof Hello.Type

/**
 * The answer. `resumed` says that the session goes on, of which `received` messages have come here; else it is a new one.
 * After a loss it is kept for `resume_ms`.
 *
 * @category models
 * @since 0.1.0
 */
export const Welcome = Schema.Struct({
  session: SessionName,
  resumed: Schema.Boolean,
  received: Count,
  resume_ms: Count,
})
/** @since 0.1.0 */
export type Welcome = typeof Welcome.Type

const HelloText = Schema.fromJsonString(Hello)
const WelcomeText = Schema.fromJsonString(Welcome)
const encodeHelloText = Schema.encodeSync(HelloText)
const encodeWelcomeText = Schema.encodeSync(WelcomeText)
const text = (payload: Uint8Array): string => new TextDecoder().decode(payload)

/** The message. @category encoding @since 0.1.0 */
export const encodeHello = (hello: Hello): Uint8Array =>
  control(CONTROL.hello, new TextEncoder().encode(encodeHelloText(hello)))

/** Reads a frame's payload. @category decoding @since 0.1.0 */
export const decodeHello = (payload: Uint8Array): Hello | undefined =>
  Option.getOrUndefined(Schema.decodeUnknownOption(HelloText)(text(payload)))

/** The message. @category encoding @since 0.1.0 */
export const encodeWelcome = (welcome: Welcome): Uint8Array =>
  control(CONTROL.welcome, new TextEncoder().encode(encodeWelcomeText(welcome)))

/** Reads a frame's payload. @category decoding @since 0.1.0 */
export const decodeWelcome = (payload: Uint8Array): Welcome | undefined =>
  Option.getOrUndefined(Schema.decodeUnknownOption(WelcomeText)(text(payload)))
