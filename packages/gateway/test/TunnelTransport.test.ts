/** The suite of transports on the tunnel: a real WebSocket on a real port. */
import * as JoinedTransport from "./JoinedTransport.ts"
import * as TunnelAgent from "./TunnelAgent.ts"
import * as TunnelMarket from "./TunnelMarket.ts"

JoinedTransport.suite({
  name: "tunnel",
  start: () => TunnelMarket.start(),
  serve: TunnelAgent.open,
})
