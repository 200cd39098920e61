/**
 * Reads the metadata of a GGUF file, the format that llama.cpp loads. What a model's tokenizer is stands there, before
 * the weights, which are not read.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/**
 * A value of the metadata. 64-bit integers that a number cannot hold are `bigint`s.
 *
 * @category models
 * @since 0.1.0
 */
export type Value = string | number | bigint | boolean | ReadonlyArray<Value>

/**
 * The metadata by key.
 *
 * @category models
 * @since 0.1.0
 */
export type Metadata = ReadonlyMap<string, Value>

/**
 * Why there is no metadata. `Incomplete`: the bytes end before it does, read more of the file. `Malformed`: this is no
 * GGUF file of a known version.
 *
 * @category errors
 * @since 0.1.0
 */
export class GgufError extends Schema.TaggedError<GgufError>()("GgufError", {
  reason: Schema.Literals(["Incomplete", "Malformed"]),
  detail: Schema.String,
}) {
  override get message(): string {
    return this.reason === "Incomplete"
      ? `The GGUF file ends within its metadata. ${this.detail} Copy it again.`
      : `This is not a GGUF file that can be read. ${this.detail}`
  }
}

/** "GGUF" as a little-endian number. */
const MAGIC = 0x46554747
const VERSIONS = [2, 3]
const KEYS_MAX = 100_000
/** Arrays in arrays are allowed by the format and used by nobody. */
const DEPTH_MAX = 2

// A mark of byte order is a token like any other, and must not be taken off.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true })

/** Reads forwards. Beyond the end it gives zeros and says so once, at the end, so that each read need not be checked. */
class Cursor {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at = 0
  isShort = false

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get rest(): number {
    return this.#bytes.length - this.#at
  }

  number<A>(size: number, read: (view: DataView, at: number) => A, none: A): A {
    const at = this.#at
    if (this.rest < size) {
      this.isShort = true
      return none
    }
    this.#at += size
    return read(this.#view, at)
  }

  u32(): number {
    return this.number(4, (view, at) => view.getUint32(at, true), 0)
  }

  u64(): number | bigint {
    return exact(this.number(8, (view, at) => view.getBigUint64(at, true), 0n))
  }

  /** A length. What is longer than all that is left cannot be complete, and nothing is reserved for it. */
  length(): number {
    const length = Number(this.u64())
    if (length <= this.rest) return length
    this.isShort = true
    return 0
  }

  text(): string {
    const length = this.length()
    const text = decoder.decode(this.#bytes.subarray(this.#at, this.#at + length))
    this.#at += length
    return text
  }
}

const exact = (value: bigint): number | bigint =>
  value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value

/** The scalar types by their number in the format. */
const scalars: Readonly<Record<number, (cursor: Cursor) => Value>> = {
  0: (cursor) => cursor.number(1, (view, at) => view.getUint8(at), 0),
  1: (cursor) => cursor.number(1, (view, at) => view.getInt8(at), 0),
  2: (cursor) => cursor.number(2, (view, at) => view.getUint16(at, true), 0),
  3: (cursor) => cursor.number(2, (view, at) => view.getInt16(at, true), 0),
  4: (cursor) => cursor.u32(),
  5: (cursor) => cursor.number(4, (view, at) => view.getInt32(at, true), 0),
  6: (cursor) => cursor.number(4, (view, at) => view.getFloat32(at, true), 0),
  7: (cursor) => cursor.number(1, (view, at) => view.getUint8(at) !== 0, false),
  8: (cursor) => cursor.text(),
  10: (cursor) => cursor.u64(),
  11: (cursor) => exact(cursor.number(8, (view, at) => view.getBigInt64(at, true), 0n)),
  12: (cursor) => cursor.number(8, (view, at) => view.getFloat64(at, true), 0),
}
const ARRAY = 9

/** A value, or undefined where its type is not known. */
const value = (cursor: Cursor, type: number, depth: number): Value | undefined => {
  const scalar = scalars[type]
  if (scalar !== undefined) return scalar(cursor)
  if (type !== ARRAY || depth >= DEPTH_MAX) return undefined
  const itemType = cursor.u32()
  const length = cursor.length()
  const items: Array<Value> = []
  for (let index = 0; index < length && !cursor.isShort; index++) {
    const item = value(cursor, itemType, depth + 1)
    if (item === undefined) return undefined
    items.push(item)
  }
  return items
}

const malformed = (detail: string) => Result.fail(new GgufError({ reason: "Malformed", detail }))

/**
 * Reads the metadata from the first bytes of a file. The weights need not be among them.
 *
 * @category decoding
 * @since 0.1.0
 */
export const read = (bytes: Uint8Array): Result.Result<Metadata, GgufError> => {
  const cursor = new Cursor(bytes)
  const incomplete = () =>
    Result.fail(
      new GgufError({ reason: "Incomplete", detail: `${bytes.length} bytes are not enough for its metadata.` }),
    )
  if (cursor.u32() !== MAGIC) return malformed("It does not begin as one.")
  const version = cursor.u32()
  if (cursor.isShort) return incomplete()
  if (!VERSIONS.includes(version)) return malformed(`Its version is ${version}; 2 and 3 are known.`)
  cursor.u64()
  const count = Number(cursor.u64())
  if (count > KEYS_MAX) return malformed(`It announces ${count} keys.`)
  const metadata = new Map<string, Value>()
  for (let index = 0; index < count; index++) {
    const key = cursor.text()
    const type = cursor.u32()
    const read = cursor.isShort ? undefined : value(cursor, type, 0)
    if (cursor.isShort) return incomplete()
    if (read === undefined) return malformed(`The value of ${key.slice(0, 100)} has the unknown type ${type}.`)
    metadata.set(key, read)
  }
  return cursor.isShort ? incomplete() : Result.succeed(metadata)
}
