/** What the ports on the node stand on. */
import { Effect, Layer } from "effect"
import * as Rpc from "../../src/Rpc.ts"
import * as Sender from "../../src/Sender.ts"
import type * as SenderStore from "../../src/SenderStore.ts"
import * as Signer from "../../src/Signer.ts"
import type * as Node from "./Node.ts"

export interface Parts {
  readonly node: Node.Node
  readonly signer: Signer.Signer["Service"]
}

/** The chain's services, with a sender that sent what is in the store. */
export const layer = ({ node, signer }: Parts, store: Layer.Layer<SenderStore.SenderStore>) =>
  Layer.effect(
    Sender.Sender,
    // What is sent again after a reorganisation may find other things there than when its gas was estimated.
    Effect.map(Sender.make({ pollMs: 1_000, stuckMs: 1_000_000_000 }), (sender) =>
      Sender.Sender.of({ ...sender, send: (request) => sender.send({ ...request, gas: 15_000_000n }) }),
    ),
  ).pipe(
    Layer.provideMerge(Layer.mergeAll(Layer.succeed(Rpc.Rpc, node.rpc), Layer.succeed(Signer.Signer, signer), store)),
  )
