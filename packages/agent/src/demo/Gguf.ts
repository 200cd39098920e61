/**
 * Writes a GGUF file, the format that llama.cpp reads: metadata, then tensors, each aligned to 32 bytes.
 *
 * @since 0.1.0
 */

/**
 * A metadata value with its GGUF type.
 *
 * @category models
 * @since 0.1.0
 */
export type MetadataValue =
  | { readonly _tag: "U32"; readonly value: number }
  | { readonly _tag: "F32"; readonly value: number }
  | { readonly _tag: "Bool"; readonly value: boolean }
  | { readonly _tag: "String"; readonly value: string }
  | { readonly _tag: "Strings"; readonly value: ReadonlyArray<string> }
  | { readonly _tag: "F32s"; readonly value: ReadonlyArray<number> }
  | { readonly _tag: "I32s"; readonly value: ReadonlyArray<number> }

/**
 * A tensor. `dimensions` come fastest first, as llama.cpp names them; `at` gives the value at a column and a row.
 *
 * @category models
 * @since 0.1.0
 */
export interface Tensor {
  readonly name: string
  readonly dimensions: readonly [number] | readonly [number, number]
  readonly precision: "f16" | "f32"
  readonly at: (column: number, row: number) => number
}

const ALIGNMENT = 32
const TYPE = { U32: 4, I32: 5, F32: 6, Bool: 7, String: 8, Array: 9 } as const
const encoder = new TextEncoder()

const word = (bytes: number, write: (view: DataView) => void): Uint8Array => {
  const out = new Uint8Array(bytes)
  write(new DataView(out.buffer))
  return out
}
const u32 = (value: number) => word(4, (view) => view.setUint32(0, value, true))
const i32 = (value: number) => word(4, (view) => view.setInt32(0, value, true))
const u64 = (value: number) => word(8, (view) => view.setBigUint64(0, BigInt(value), true))
const f32 = (value: number) => word(4, (view) => view.setFloat32(0, value, true))

const concat = (parts: ReadonlyArray<Uint8Array>): Uint8Array<ArrayBuffer> => {
  let length = 0
  for (const part of parts) length += part.length
  const out = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

const text = (value: string): Uint8Array => {
  const bytes = encoder.encode(value)
  return concat([u64(bytes.length), bytes])
}

const list = (type: number, items: ReadonlyArray<Uint8Array>): Uint8Array =>
  concat([u32(TYPE.Array), u32(type), u64(items.length), ...items])

const typed = (value: MetadataValue): Uint8Array => {
  switch (value._tag) {
    case "U32":
      return concat([u32(TYPE.U32), u32(value.value)])
    case "F32":
      return concat([u32(TYPE.F32), f32(value.value)])
    case "Bool":
      return concat([u32(TYPE.Bool), Uint8Array.of(value.value ? 1 : 0)])
    case "String":
      return concat([u32(TYPE.String), text(value.value)])
    case "Strings":
      return list(TYPE.String, value.value.map(text))
    case "F32s":
      return list(TYPE.F32, value.value.map(f32))
    case "I32s":
      return list(TYPE.I32, value.value.map(i32))
  }
}

const padding = (length: number): Uint8Array => new Uint8Array((ALIGNMENT - (length % ALIGNMENT)) % ALIGNMENT)

const data = (tensor: Tensor): Uint8Array => {
  const [columns, rows = 1] = tensor.dimensions
  const half = tensor.precision === "f16"
  const out = new Uint8Array(columns * rows * (half ? 2 : 4))
  const view = new DataView(out.buffer)
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const value = tensor.at(column, row)
      if (value === 0) continue
      const index = row * columns + column
      if (half) view.setFloat16(index * 2, value, true)
      else view.setFloat32(index * 4, value, true)
    }
  }
  return out
}

/**
 * The bytes of a file with this metadata and these tensors. The same input gives the same bytes.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encode = (
  metadata: Readonly<Record<string, MetadataValue>>,
  tensors: ReadonlyArray<Tensor>,
): Uint8Array<ArrayBuffer> => {
  const entries = Object.entries(metadata)
  const blobs = tensors.map(data)
  let offset = 0
  const infos = tensors.map((tensor, index) => {
    const blob = blobs[index]
    const info = concat([
      text(tensor.name),
      u32(tensor.dimensions.length),
      ...tensor.dimensions.map(u64),
      u32(tensor.precision === "f16" ? 1 : 0),
      u64(offset),
    ])
    const length = blob === undefined ? 0 : blob.length
    offset += length + padding(length).length
    return info
  })
  const head = concat([
    encoder.encode("GGUF"),
    u32(3),
    u64(tensors.length),
    u64(entries.length),
    ...entries.map(([key, value]) => concat([text(key), typed(value)])),
    ...infos,
  ])
  return concat([head, padding(head.length), ...blobs.flatMap((blob) => [blob, padding(blob.length)])])
}
