/**
 * Raw time for the byte path: a monotonic clock and a timer. They guard sockets, several for each request, where no
 * Effect runs; a fiber and a clock service for each would cost more than the bytes. Nothing that is charged, signed or
 * stored takes its time from here.
 */

/** Milliseconds that only ever grow. */
// oxlint-disable-next-line guildhall/no-ambient -- the byte path cannot pay for a service here
export const now = (): number => performance.now()

/** A timer that was set. */
export type Timer = NodeJS.Timeout

/** Calls back once, after so many milliseconds, unless it is stopped before. */
// oxlint-disable-next-line guildhall/no-ambient -- the byte path cannot pay for a fiber here
export const after = (ms: number, callback: () => void): Timer => setTimeout(callback, ms)

/** Stops a timer; one that was never set, or has rung, is no harm. */
export const stop = (timer: Timer | undefined): void => clearTimeout(timer)
