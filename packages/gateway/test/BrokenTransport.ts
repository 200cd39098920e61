/** A transport with something wrong with it: the suite must find out. */
import { Effect, Layer } from "effect"
import {
  type Dispatch,
  type ProviderRequest,
  type ProviderSink,
  ProviderTransport,
} from "@guildhall/protocol/ProviderTransport"

type Run = (request: ProviderRequest, sink: ProviderSink) => Dispatch

/** The transport of a layer, with another `dispatch`. */
export const over =
  <A, E, R>(base: Layer.Layer<A | ProviderTransport, E, R>) =>
  (change: (dispatch: Run) => Run) =>
    Layer.effect(
      ProviderTransport,
      Effect.map(ProviderTransport, (transport) =>
        ProviderTransport.of({ ...transport, dispatch: change(transport.dispatch) }),
      ),
    ).pipe(Layer.provideMerge(base))
