/** What the ports on the node stand on. */
import { Effect, Layer, Queue } from "effect"
import * as Rpc from "../../src/Rpc.ts"
import * as Sender from "../../src/Sender.ts"
import type * as SenderStore from "../../src/SenderStore.ts"
import * as Signer from "../../src/Signer.ts"
import type * as Node from "./Node.ts"

export interface Parts {
  readonly node: Node.Node
  readonly signer: Signer.Signer["Service"]
}

/**
 * A sender that looks after each broadcast and when it is told to, and never by itself: what it does while blocks are replaced would
 * be another thing each time.
 */
const sender = Effect.gen(function* () {
  const rpc = yield* Rpc.Rpc
  const broadcasts = yield* Queue.unbounded<void>()
  const heard = Rpc.Rpc.of({
    ...rpc,
    broadcast: (raw) => Effect.ensuring(rpc.broadcast(raw), Queue.offer(broadcasts, undefined)),
  })
  // Its own loop ends with this scope.
  const made = yield* Effect.scoped(Sender.make({ pollMs: 1_000, stuckMs: 1_000_000_000 })).pipe(
    Effect.provideService(Rpc.Rpc, heard),
  )
  const looks = Effect.forever(Effect.andThen(Queue.take(broadcasts), Effect.uninterruptible(made.look)))
  return Sender.Sender.of({
    ...made,
    // What is sent again after a reorganisation may find other things there than when its gas was estimated.
    send: (request) =>
      Effect.andThen(Queue.clear(broadcasts), Effect.raceFirst(made.send({ ...request, gas: 15_000_000n }), looks)),
  })
})

/** The chain's services, with a sender that sent what is in the store. */
export const layer = ({ node, signer }: Parts, store: Layer.Layer<SenderStore.SenderStore>) =>
  Layer.effect(Sender.Sender, sender).pipe(
    Layer.provideMerge(Layer.mergeAll(Layer.succeed(Rpc.Rpc, node.rpc), Layer.succeed(Signer.Signer, signer), store)),
  )
