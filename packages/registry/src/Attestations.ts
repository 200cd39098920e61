/**
 * What devices have signed of themselves: what they serve, and how far their usage logs go. Each stands under a number, and a
 * device that signs two that contradict each other has given a proof against itself.
 *
 * @since 0.1.0
 */
import { createHash } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type { DeviceId } from "@guildhall/core/Device"
import { KeyedHead } from "@guildhall/protocol/provider/Attested"
import * as SignedCommitment from "@guildhall/protocol/provider/SignedCommitment"
import { headBytes, type UsageReport } from "@guildhall/protocol/provider/UsageLog"
import * as AttestationStore from "./AttestationStore.ts"
import * as DeviceSignature from "./internal/DeviceSignature.ts"
import { RegistryError } from "./RegistryError.ts"

/**
 * What a device has signed, as it is held: the last of each kind.
 *
 * @category models
 * @since 0.1.0
 */
export interface Held {
  readonly commitment?: { readonly digest: string; readonly statement: SignedCommitment.SignedCommitment }
  readonly head?: KeyedHead
  /** When the device was first found to contradict itself, in milliseconds since 1970. */
  readonly forkedAtMs?: number
}

/**
 * What became of something that a device signed: `New` where it goes on from what was held (or leaves a gap), `Known` where it was
 * held already, `Behind` where it is older than that and says nothing of it, `Forked` with what it contradicts.
 *
 * @category models
 * @since 0.1.0
 */
export type Taken<A> =
  | { readonly _tag: "New"; readonly isGap: boolean }
  | { readonly _tag: "Known" }
  | { readonly _tag: "Behind" }
  | { readonly _tag: "Forked"; readonly former: A }

/**
 * The service.
 *
 * Guarantees, each proved by the tests over both stores:
 *
 * 1. What a key did not sign is refused with `invalid_signature`, and changes nothing.
 * 2. Of two commitments under one number, or two heads that contradict each other, the second is `Forked`, however many come at once.
 * 3. What is older than what is held, and contradicts nothing, changes nothing.
 * 4. `held` and `changes` tell the last of each kind; who asks with the cursor of the answer before misses none.
 * 5. Of a device at most 64 of each kind are kept.
 *
 * @category services
 * @since 0.1.0
 */
export class Attestations extends Context.Service<
  Attestations,
  {
    /** Takes a commitment of a device. The key must be the one that signed the message it came in. */
    readonly commit: (
      id: DeviceId,
      statement: SignedCommitment.SignedCommitment,
    ) => Effect.Effect<Taken<SignedCommitment.SignedCommitment>, RegistryError>
    /** Takes a usage head with the lines that lead to it, whose chain is checked already. */
    readonly report: (
      id: DeviceId,
      head: KeyedHead,
      lines: UsageReport["lines"],
    ) => Effect.Effect<Taken<KeyedHead>, RegistryError>
    readonly held: (id: DeviceId) => Effect.Effect<Held, RegistryError>
    /** Those of the devices that were found to contradict themselves, and when first, in milliseconds since 1970. */
    readonly forked: (ids: ReadonlyArray<DeviceId>) => Effect.Effect<ReadonlyMap<DeviceId, number>, RegistryError>
    /** What changed since a cursor, 0 for everything; some of it may have been told before. */
    readonly changes: (
      after: number,
    ) => Effect.Effect<
      { readonly cursor: number; readonly devices: ReadonlyArray<AttestationStore.Named> },
      RegistryError
    >
  }
>()("@guildhall/registry/Attestations") {}

/**
 * The digest of a commitment: SHA-256 of its bytes, in hexadecimal.
 *
 * @category getters
 * @since 0.1.0
 */
export const digest = (statement: Omit<SignedCommitment.SignedCommitment, "signature">): string =>
  createHash("sha256").update(SignedCommitment.bytes(statement)).digest("hex")

/** What a report says of positions: where its lines begin, each of them, and its head. */
const saidBy = (head: KeyedHead, lines: UsageReport["lines"]): ReadonlyMap<number, string> => {
  const says = new Map<number, string>()
  const [first] = lines
  if (first !== undefined) says.set(first.number - 1, first.previous)
  for (const line of lines) says.set(line.number, line.hash)
  says.set(head.number, head.hash)
  return says
}

const CommitmentJson = Schema.fromJsonString(SignedCommitment.SignedCommitment)
const HeadJson = Schema.fromJsonString(KeyedHead)

/** Reads what this module wrote: where it cannot, nobody can. */
const reading = <S extends Schema.Codec<unknown, string>>(schema: S) => {
  const decode = Schema.decodeEffect(schema)
  return (json: string): Effect.Effect<S["Type"], RegistryError> =>
    Effect.mapError(
      decode(json),
      (cause) => new RegistryError({ code: "internal_error", detail: "Unreadable.", cause }),
    )
}
const readCommitment = reading(CommitmentJson)
const readHead = reading(HeadJson)

const forged = new RegistryError({
  code: "invalid_signature",
  detail: "The device's key did not sign this. Sign exactly it.",
})

const takenOf = Effect.fnUntraced(function* <A>(
  { fate, former }: { readonly fate: AttestationStore.Fate; readonly former: AttestationStore.Statement | undefined },
  read: (json: string) => Effect.Effect<A, RegistryError>,
) {
  if (fate._tag !== "Forked") return fate
  // A store that says what is contradicted has it.
  return { _tag: "Forked", former: yield* read(former?.json ?? "") } as const
})

/**
 * The service over a store.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (store: AttestationStore.AttestationStore): Attestations["Service"] => ({
  commit: Effect.fn("Attestations.commit")(function* (id, statement) {
    if (!DeviceSignature.verify(statement.device, SignedCommitment.bytes(statement), statement.signature)) {
      return yield* forged
    }
    const kept = {
      number: statement.number,
      hash: digest(statement),
      json: Schema.encodeSync(CommitmentJson)(statement),
    }
    const says = new Map([[kept.number, kept.hash]])
    return yield* takenOf(
      yield* store.take(id, "commitment", kept, says, yield* Clock.currentTimeMillis),
      readCommitment,
    )
  }),
  report: Effect.fn("Attestations.report")(function* (id, head, lines) {
    if (!DeviceSignature.verify(head.device, headBytes(head.device, head), head.signature)) return yield* forged
    const kept = { number: head.number, hash: head.hash, json: Schema.encodeSync(HeadJson)(head) }
    const atMs = yield* Clock.currentTimeMillis
    return yield* takenOf(yield* store.take(id, "usage", kept, saidBy(head, lines), atMs), readHead)
  }),
  held: Effect.fn("Attestations.held")(function* (id) {
    const { forkedAtMs, last } = yield* store.held(id)
    const [commitment, head] = [last.get("commitment"), last.get("usage")]
    return {
      ...(commitment === undefined
        ? {}
        : { commitment: { digest: commitment.hash, statement: yield* readCommitment(commitment.json) } }),
      ...(head === undefined ? {} : { head: yield* readHead(head.json) }),
      ...(forkedAtMs === undefined ? {} : { forkedAtMs }),
    }
  }),
  forked: Effect.fn("Attestations.forked")(store.forked),
  changes: Effect.fn("Attestations.changes")(store.changes),
})

/**
 * Attestations in this process's memory, gone with it: for tests, simulations and small embeddings.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory: Layer.Layer<Attestations> = Layer.effect(
  Attestations,
  Effect.map(AttestationStore.makeMemory, make),
)
