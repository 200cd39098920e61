/**
 * What `Attestations` needs of a store.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { DeviceId } from "@guildhall/core/Device"
import * as SignedPositions from "./internal/SignedPositions.ts"
import type { RegistryError } from "./RegistryError.ts"

/**
 * What a receipt names: the digest of the last commitment of a device, and the number and hash of its last usage head.
 *
 * @category models
 * @since 0.1.0
 */
export const Named = Schema.Struct({
  deviceId: DeviceId,
  commitment: Schema.optionalKey(Schema.String),
  usageHead: Schema.optionalKey(Schema.Struct({ number: Schema.Int, hash: Schema.String })),
})
/** @since 0.1.0 */
export type Named = typeof Named.Type

/**
 * The kinds of what is signed under numbers.
 *
 * @category models
 * @since 0.1.0
 */
export type Kind = "commitment" | "usage"

/**
 * What is kept under a number: the hash, and the statement as JSON.
 *
 * @category models
 * @since 0.1.0
 */
export interface Statement extends SignedPositions.Position {
  readonly json: string
}

/**
 * What became of a statement in a store.
 *
 * @category models
 * @since 0.1.0
 */
export type Fate = SignedPositions.Fate

/**
 * What `Attestations` needs of a store; each method is one atomic step. `take` judges by what is held of the device and the kind,
 * keeps what is new, and answers the statement that a forked one contradicts.
 *
 * @category models
 * @since 0.1.0
 */
export interface AttestationStore {
  readonly take: (
    id: DeviceId,
    kind: Kind,
    statement: Statement,
    says: ReadonlyMap<number, string>,
    atMs: number,
  ) => Effect.Effect<{ readonly fate: Fate; readonly former: Statement | undefined }, RegistryError>
  readonly held: (
    id: DeviceId,
  ) => Effect.Effect<
    { readonly last: ReadonlyMap<Kind, Statement>; readonly forkedAtMs: number | undefined },
    RegistryError
  >
  readonly forked: (ids: ReadonlyArray<DeviceId>) => Effect.Effect<ReadonlyMap<DeviceId, number>, RegistryError>
  readonly changes: (
    after: number,
  ) => Effect.Effect<{ readonly cursor: number; readonly devices: ReadonlyArray<Named> }, RegistryError>
}

interface Row {
  readonly kept: Map<Kind, Array<Statement>>
  version: number
  forkedAtMs: number | undefined
}

/**
 * A store in this process's memory.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeMemory: Effect.Effect<AttestationStore> = Effect.sync(() => {
  const rows = new Map<DeviceId, Row>()
  let version = 0
  const lastOf = (row: Row | undefined, kind: Kind): Statement | undefined => row?.kept.get(kind)?.[0]
  return {
    take: (id, kind, statement, says, atMs) =>
      Effect.sync(() => {
        const row: Row = rows.get(id) ?? { kept: new Map(), version: 0, forkedAtMs: undefined }
        const held = row.kept.get(kind) ?? []
        const fate = SignedPositions.judge(held, statement, says)
        if (fate._tag === "Forked") row.forkedAtMs ??= atMs
        if (fate._tag === "New") {
          row.kept.set(kind, [statement, ...held].slice(0, SignedPositions.KEPT_MAX))
          row.version = ++version
        }
        if (fate._tag !== "Behind") rows.set(id, row)
        const at = fate._tag === "Forked" ? fate.at : undefined
        return { fate, former: held.find(({ number }) => number === at) }
      }),
    held: (id) =>
      Effect.sync(() => {
        const row = rows.get(id)
        const last = new Map<Kind, Statement>()
        for (const kind of ["commitment", "usage"] as const) {
          const statement = lastOf(row, kind)
          if (statement !== undefined) last.set(kind, statement)
        }
        return { last, forkedAtMs: row?.forkedAtMs }
      }),
    forked: (ids) =>
      Effect.sync(
        () =>
          new Map(
            ids.flatMap((id) => {
              const atMs = rows.get(id)?.forkedAtMs
              return atMs === undefined ? [] : [[id, atMs] as const]
            }),
          ),
      ),
    changes: (after) =>
      Effect.sync(() => ({
        cursor: version,
        devices: [...rows].flatMap(([deviceId, row]): ReadonlyArray<Named> => {
          if (row.version <= after) return []
          const [commitment, head] = [lastOf(row, "commitment"), lastOf(row, "usage")]
          return [
            {
              deviceId,
              ...(commitment === undefined ? {} : { commitment: commitment.hash }),
              ...(head === undefined ? {} : { usageHead: { number: head.number, hash: head.hash } }),
            },
          ]
        }),
      })),
  }
})
