import type { Server } from "node:http"

/**
 * Takes events out of a server's before anybody else hears them: what `take` answers true for is not told to listeners.
 * Answers what undoes it.
 */
export const intercept = (
  server: Server,
  event: "request" | "upgrade",
  take: (...values: Array<never>) => boolean,
): (() => void) => {
  const { emit } = server
  // Node's own list of events and their arguments: it calls this with those of the event.
  server.emit = function (this: Server, name: string, ...values: Array<never>): boolean {
    return (name === event && take(...values)) || Reflect.apply(emit, this, [name, ...values])
  }
  return () => {
    server.emit = emit
  }
}
