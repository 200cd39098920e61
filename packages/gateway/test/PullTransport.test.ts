/** The suite of transports on workers that pull: real requests on a real port. */
import * as JoinedTransport from "./JoinedTransport.ts"
import * as PullMarket from "./PullMarket.ts"
import * as PullWorker from "./PullWorker.ts"

JoinedTransport.suite({
  name: "pull",
  start: () => PullMarket.start(),
  serve: async ({ script, ...joined }) => {
    const worker = PullWorker.run(joined, script)
    await worker.ready
    return worker
  },
})
