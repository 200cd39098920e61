import type { Dispatch, ProviderSink, TransportError } from "@guildhall/protocol/ProviderTransport"

/** An exchange that ends before it began: the sink hears of it once `dispatch` has returned, unless it is cancelled first. */
export const because = (sink: ProviderSink, detail: string): Dispatch => {
  let isOver = false
  const end = (error: TransportError): void => {
    if (isOver) return
    isOver = true
    sink.onError(error)
  }
  queueMicrotask(() => end({ reason: "Unreachable", detail }))
  return {
    resume: () => undefined,
    cancel: (why) => end({ reason: "Cancelled", detail: why }),
  }
}
