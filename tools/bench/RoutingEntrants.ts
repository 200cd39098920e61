/**
 * The policies that are compared in simulated markets: all that `@guildhall/routing/policies` offers, with their usual
 * settings, and the public ones of the simulator.
 */
import * as Parts from "@guildhall/core/Parts"
import { CENT } from "@guildhall/core/PriceSheet"
import * as policies from "@guildhall/routing/policies"
import { RoutingPolicy } from "@guildhall/routing/RoutingPolicy"
import * as baselines from "@guildhall/simulator/baselines"
import * as Effect from "effect/Effect"

/** A policy, and the name under which its figures stand. */
export interface Entrant {
  readonly name: string
  readonly policy: RoutingPolicy
}

const parts = Parts.make(Object.values(policies).map(({ part }) => part))

const resolve = (ref: Parts.PartRef): Promise<RoutingPolicy> => Effect.runPromise(parts.resolve(RoutingPolicy, ref))

const own = (): Promise<ReadonlyArray<Entrant>> =>
  Promise.all(parts.names(RoutingPolicy).map(async (name) => ({ name, policy: await resolve({ use: name }) })))

const others: ReadonlyArray<RoutingPolicy> = [
  baselines.RandomChoice.randomChoice,
  baselines.RoundRobin.roundRobin,
  baselines.LeastConnections.leastConnections,
  baselines.PowerOfTwo.powerOfTwo,
  baselines.LatencyEwma.latencyEwma,
]

/** Whether a name is of a policy that is there to be compared with. */
export const isOther = (name: string): boolean => others.some((policy) => policy.name === name)

/** All of them. */
export const entrants = async (): Promise<ReadonlyArray<Entrant>> => [
  ...(await own()),
  ...others.map((policy) => ({ name: policy.name, policy })),
]

/** `AdjustedPrice` with many settings, from where only the price counts to where the wait does most. */
export const adjusted = (): Promise<ReadonlyArray<Entrant>> =>
  Promise.all(
    [0, 0.25, 0.5, 1].flatMap((sparePower) =>
      [0, 5, 10, 20, 50, 100].map(async (cents) => {
        const settings = { sparePower, secondPerMillion: cents * Number(CENT) }
        return {
          name: `second ${cents} c, spare ${sparePower}`,
          policy: await resolve({ use: "AdjustedPrice", with: settings }),
        }
      }),
    ),
  )
