/** A TCP proxy that drops connections, lets them hang half open, or refuses new ones. */
import { once } from "node:events"
import { connect, createServer, type AddressInfo, type Socket } from "node:net"

export interface CutNetwork {
  readonly url: string
  /** Breaks every connection off. */
  readonly drop: () => void
  /** From now on nothing passes over the connections that there are, and nobody is told. */
  readonly hang: () => void
  /** Whether new connections are made. */
  readonly open: (isOpen: boolean) => void
  /** Another port is called from now on. */
  readonly to: (port: number) => void
  /** How many connections were made. */
  readonly made: () => number
  readonly close: () => Promise<void>
}

/** Passes on to a port of this machine. */
export const start = async (first: number): Promise<CutNetwork> => {
  let port = first
  const pairs = new Set<readonly [Socket, Socket]>()
  let isOpen = true
  let made = 0
  const server = createServer((near) => {
    if (!isOpen) return void near.destroy()
    made += 1
    const far = connect(port, "127.0.0.1")
    const pair = [near, far] as const
    pairs.add(pair)
    const end = () => {
      pairs.delete(pair)
      near.destroy()
      far.destroy()
    }
    for (const socket of pair) socket.setNoDelay(true).on("error", end).on("close", end)
    near.pipe(far)
    far.pipe(near)
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  const drop = () => pairs.forEach(([near, far]) => (near.destroy(), far.destroy()))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    drop,
    hang: () =>
      pairs.forEach(([near, far]) => {
        near.unpipe(far)
        far.unpipe(near)
        near.pause()
        far.pause()
      }),
    open: (next) => (isOpen = next),
    to: (next) => (port = next),
    made: () => made,
    close: async () => {
      drop()
      server.close()
      await once(server, "close")
    },
  }
}

/** What happens to all networks of a provider at once. */
export interface Switch {
  /** Breaks all connections, and lets no new ones be made. */
  readonly cut: () => void
  /** From now on nothing passes, and nobody is told. */
  readonly hang: () => void
  readonly mend: () => void
}

/** Makes the switch of these. */
export const switchOf = (networks: ReadonlyArray<CutNetwork>): Switch => ({
  cut: () => networks.forEach((network) => (network.open(false), network.drop())),
  hang: () => networks.forEach((network) => (network.open(false), network.hang())),
  mend: () => networks.forEach((network) => (network.drop(), network.open(true))),
})
