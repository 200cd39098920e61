/**
 * The beginning of a tunnel over a WebSocket, for the side that dials: an agent, a page in a browser, or a gateway that
 * asks another one.
 *
 * @since 0.1.0
 */
import * as TunnelFrame from "./TunnelFrame.ts"
import * as TunnelHello from "./TunnelHello.ts"
import type { Wire } from "./TunnelSession.ts"

/**
 * What is used of a WebSocket: a browser's, or another's with the same members.
 *
 * @category models
 * @since 0.1.0
 */
export interface Socket {
  binaryType: string
  // oxlint-disable-next-line guildhall/no-number-amount -- a WebSocket's name for bytes
  readonly bufferedAmount: number
  readonly send: (message: Uint8Array<ArrayBuffer>) => void
  readonly close: (code?: number, reason?: string) => void
  addEventListener(type: "open" | "error", listener: () => void): void
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void
  addEventListener(type: "close", listener: (event: { readonly code: number; readonly reason: string }) => void): void
}

/**
 * What the one who dials hears. `onWelcome` comes at most once, then `onMessage`; `onClosed` comes once and is the last.
 *
 * @category models
 * @since 0.1.0
 */
export interface Listener {
  readonly onWelcome: (welcome: TunnelHello.Welcome, wire: Wire) => void
  readonly onMessage: (message: Uint8Array) => void
  readonly onClosed: (code: number, reason: string) => void
}

/** A WebSocket takes 123 bytes of reason. */
const REASON_MAX = 120

/**
 * A text that a WebSocket takes as the reason of its close.
 *
 * @category encoding
 * @since 0.1.0
 */
export const reasonOf = (text: string): string => text.replace(/[^\x20-\x7e]/g, "?").slice(0, REASON_MAX)

/**
 * Whether a close with this code ends the session, and not only its connection.
 *
 * @category predicates
 * @since 0.1.0
 */
export const endsSession = (code: number): boolean =>
  code === TunnelFrame.CLOSE.over || code === TunnelFrame.CLOSE.wrong || code === TunnelFrame.CLOSE.refused

const welcomeIn = (message: Uint8Array): TunnelHello.Welcome | undefined => {
  let welcome: TunnelHello.Welcome | undefined
  TunnelFrame.decode(message, ({ payload, type }) => {
    if (type === TunnelFrame.CONTROL.welcome) welcome = TunnelHello.decodeWelcome(payload)
    return undefined
  })
  return welcome
}

/**
 * Says hello when the socket opens, and hands over what comes after the welcome.
 *
 * @category constructors
 * @since 0.1.0
 */
export const begin = (socket: Socket, hello: TunnelHello.Hello, listener: Listener): void => {
  let isWelcome = false
  let isClosed = false
  const close = (code: number, reason: string): void => {
    if (isClosed) return
    isClosed = true
    listener.onClosed(code, reason)
  }
  const wire: Wire = {
    // The session makes its messages itself, in memory that nobody shares.
    send: (message) => isClosed || socket.send(message as Uint8Array<ArrayBuffer>),
    buffered: () => socket.bufferedAmount,
    close: (code, reason) => {
      socket.close(code, reasonOf(reason))
      // The other side may be gone, and its answer would be waited for.
      close(code, reason)
    },
  }
  socket.binaryType = "arraybuffer"
  const hear = (data: unknown): void => {
    if (isClosed) return
    if (!(data instanceof ArrayBuffer)) return wire.close(TunnelFrame.CLOSE.wrong, "A message is text.")
    const message = new Uint8Array(data)
    if (isWelcome) return listener.onMessage(message)
    const welcome = welcomeIn(message)
    if (welcome === undefined) return wire.close(TunnelFrame.CLOSE.wrong, "A welcome was expected.")
    isWelcome = true
    listener.onWelcome(welcome, wire)
  }
  socket.addEventListener("open", () => wire.send(TunnelHello.encodeHello(hello)))
  // A close follows, and tells more.
  socket.addEventListener("error", () => undefined)
  socket.addEventListener("close", ({ code, reason }) => close(code, reason))
  socket.addEventListener("message", ({ data }) => hear(data))
}
