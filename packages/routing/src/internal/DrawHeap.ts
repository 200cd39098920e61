/** Nodes of a tree with their least lots, the one that is drawn soonest on top. Nothing is allocated but to grow. */
export class DrawHeap {
  #nodes = new Int32Array(64)
  #lots = new Float64Array(64)
  #draws = new Float64Array(64)
  size = 0

  /** Of the one on top. */
  get node(): number {
    return this.#nodes[0] ?? 0
  }

  get lot(): number {
    return this.#lots[0] ?? 0
  }

  get draw(): number {
    return this.#draws[0] ?? 0
  }

  push(node: number, lot: number, draw: number): void {
    if (this.size === this.#nodes.length) {
      this.#nodes = grown(this.#nodes, Int32Array)
      this.#lots = grown(this.#lots, Float64Array)
      this.#draws = grown(this.#draws, Float64Array)
    }
    let at = this.size++
    while (at > 0) {
      const above = (at - 1) >>> 1
      if ((this.#draws[above] ?? 0) <= draw) break
      this.#move(above, at)
      at = above
    }
    this.#set(at, node, lot, draw)
  }

  pop(): void {
    const size = --this.size
    if (size === 0) return
    const draw = this.#draws[size] ?? 0
    let at = 0
    for (;;) {
      let below = 2 * at + 1
      if (below >= size) break
      if (below + 1 < size && (this.#draws[below + 1] ?? 0) < (this.#draws[below] ?? 0)) below++
      if ((this.#draws[below] ?? 0) >= draw) break
      this.#move(below, at)
      at = below
    }
    this.#set(at, this.#nodes[size] ?? 0, this.#lots[size] ?? 0, draw)
  }

  #move(from: number, to: number): void {
    this.#nodes[to] = this.#nodes[from] ?? 0
    this.#lots[to] = this.#lots[from] ?? 0
    this.#draws[to] = this.#draws[from] ?? 0
  }

  #set(at: number, node: number, lot: number, draw: number): void {
    this.#nodes[at] = node
    this.#lots[at] = lot
    this.#draws[at] = draw
  }
}

/** The array, twice as long. */
export const grown = <A extends Int32Array<ArrayBuffer> | Float64Array<ArrayBuffer>>(
  array: A,
  make: new (length: number) => A,
): A => {
  const larger = new make(array.length * 2)
  larger.set(array)
  return larger
}
