import type { ReasonCode } from "@guildhall/core/Reason"
import type { Outlet } from "./Outlet.ts"
import { type Listed, Roll } from "./Roll.ts"

/** One request on its way through the lane. */
export interface Flight extends Listed {
  /** What carries the answer, where one is under way. */
  outlet: Pick<Outlet, "stop"> | undefined
  /** Set once the request must end: nothing new is tried for it. */
  stopped: ReasonCode | undefined
}

/** The requests on their way, and whether more may come. */
export class Flights {
  draining = false
  readonly #flights = new Roll<Flight>()
  readonly #waiters: Array<() => void> = []

  get size(): number {
    return this.#flights.size
  }

  enter(): Flight {
    const flight: Flight = { outlet: undefined, stopped: undefined, at: -1 }
    this.#flights.add(flight)
    return flight
  }

  leave(flight: Flight): void {
    this.#flights.delete(flight)
    if (this.#flights.size === 0) for (const waiter of this.#waiters.splice(0)) waiter()
  }

  /** Ends every request that is under way. */
  stop(reason: ReasonCode): void {
    for (const flight of this.#flights.all()) {
      flight.stopped = reason
      flight.outlet?.stop(reason)
    }
  }

  /** Calls back once nothing is under way. */
  whenEmpty(callback: () => void): void {
    if (this.#flights.size === 0) callback()
    else this.#waiters.push(callback)
  }
}
