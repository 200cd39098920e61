/** What most of those who were asked say. */
import * as Result from "effect/Result"
import * as Endpoint from "./Endpoint.ts"

/** What one said. */
export type Told<P> =
  | { readonly _tag: "Answer"; readonly peer: P; readonly answer: unknown }
  | { readonly _tag: "Refusal"; readonly peer: P; readonly refusal: Endpoint.Refusal }
  | { readonly _tag: "Fault"; readonly peer: P; readonly fault: Endpoint.Faulty }

export type Verdict<P> =
  | { readonly _tag: "Agreed"; readonly answer: unknown }
  | { readonly _tag: "Refused"; readonly peer: P; readonly refusal: Endpoint.Refusal }
  | { readonly _tag: "Differ"; readonly detail: string }
  | { readonly _tag: "TooFew" }

interface Counted<P> {
  readonly verdict: Verdict<P>
  readonly outvoted: ReadonlyArray<{ readonly peer: P; readonly fault: Endpoint.Faulty }>
}

interface Group<P> {
  readonly said: string | null
  readonly answer: unknown
  readonly peers: Array<P>
}

const shortened = (said: string | null): string =>
  said === null ? "nothing" : said.length > 70 ? `${said.slice(0, 66)} …` : said === "" ? "none" : said

/**
 * Counts. What more than half of those who answered say is so, if they are as many as the quorum. Where some know it and
 * some do not, and no more than half know it, it is not known yet: an endpoint may be a block behind.
 */
export const count = <P extends { readonly name: string }>(
  told: ReadonlyArray<Told<P>>,
  counted: (answer: unknown) => Result.Result<string | null, string>,
  quorum: number,
): Counted<P> => {
  const groups = new Map<string | null, Group<P>>()
  const malformed: Array<{ readonly peer: P; readonly fault: Endpoint.Faulty }> = []
  for (const one of told) {
    if (one._tag !== "Answer") continue
    const said = counted(one.answer)
    if (Result.isFailure(said)) {
      malformed.push({ peer: one.peer, fault: Endpoint.faulty("malformed", said.failure) })
      continue
    }
    const group = groups.get(said.success)
    if (group === undefined) groups.set(said.success, { said: said.success, answer: one.answer, peers: [one.peer] })
    else group.peers.push(one.peer)
  }
  const sorted = [...groups.values()].sort((a, b) => b.peers.length - a.peers.length)
  const answers = sorted.reduce((sum, { peers }) => sum + peers.length, 0)
  const [most, second] = sorted
  const is = (verdict: Verdict<P>, outvoted = malformed): Counted<P> => ({ verdict, outvoted })
  if (most === undefined) {
    const refusal = told.find((one) => one._tag === "Refusal")
    return is(refusal === undefined ? { _tag: "TooFew" } : { ...refusal, _tag: "Refused" })
  }
  if (answers < quorum) return is({ _tag: "TooFew" })
  if (2 * most.peers.length > answers && most.peers.length >= quorum) {
    const others = sorted.slice(1).filter(({ said }) => said !== null)
    const outvoted = others.flatMap(({ peers, said }) =>
      peers.map((peer) => ({
        peer,
        fault: Endpoint.faulty("outvoted", `it says ${shortened(said)}, the others ${shortened(most.said)}.`),
      })),
    )
    // Where most know nothing of it, one who does is ahead of them, or makes it up: time tells.
    return is({ _tag: "Agreed", answer: most.answer }, most.said === null ? malformed : [...malformed, ...outvoted])
  }
  const values = sorted.filter(({ said }) => said !== null)
  if (values.length === 1) return is({ _tag: "Agreed", answer: null })
  const detail = [most, second]
    .flatMap((group) => (group === undefined ? [] : [group]))
    .map(({ peers, said }) => `${peers.map(({ name }) => name).join(", ")} say ${shortened(said)}.`)
    .join(" ")
  return is({ _tag: "Differ", detail })
}
