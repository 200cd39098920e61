/** What was sent in a tunnel and is not acknowledged: it is sent again after a loss. */
export class TunnelBacklog {
  #messages: Array<Uint8Array> = []
  #sent = 0
  /** How many bytes are kept. */
  bytes = 0

  /** How many messages the other side is known to have. */
  get acknowledged(): number {
    return this.#sent - this.#messages.length
  }

  add(message: Uint8Array): void {
    this.#messages.push(message)
    this.bytes += message.length
    this.#sent += 1
  }

  /** The other side has so many messages. Answers whether it can have. */
  forget(count: number): boolean {
    const first = this.acknowledged
    if (count < first || count > this.#sent) return false
    for (const message of this.#messages.splice(0, count - first)) this.bytes -= message.length
    return true
  }

  again(send: (message: Uint8Array) => void): void {
    for (const message of this.#messages) send(message)
  }

  clear(): void {
    this.#messages = []
    this.bytes = 0
  }
}
