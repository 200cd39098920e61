/**
 * Where an event stands in its chain.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { Bytes32 } from "../Hex.ts"

/** A whole number of the chain: of a block, a second, an epoch. @category models @since 0.1.0 */
export const Count = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })))

/**
 * The block by number and hash, the transaction, the event's number among the logs of its block, and the block's second. A
 * transaction and a log number name an event for good; its block may change until it is final.
 *
 * @category models
 * @since 0.1.0
 */
export const Position = Schema.Struct({
  blockNumber: Count,
  blockHash: Bytes32,
  transaction: Bytes32,
  logIndex: Count,
  atS: Count,
})
/** @since 0.1.0 */
export type Position = typeof Position.Type

/** The schema of an event: its tag, its position, its fields. @category constructors @since 0.1.0 */
export const event = <const Tag extends string, const Fields extends Schema.Struct.Fields>(tag: Tag, fields: Fields) =>
  Schema.TaggedStruct(tag, { position: Position, ...fields })
