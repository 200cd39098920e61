/**
 * Writes tar archives (ustar) whose bytes depend on their content alone: the same files make the same archive, in every process
 * and on every day, so that its digest can be written into a script.
 */

/** A file of an archive. `path` is relative, with `/`, of at most 100 bytes in ASCII. */
export interface TarFile {
  readonly path: string
  readonly bytes: Uint8Array
  readonly isExecutable: boolean
}

const BLOCK = 512
const PATH_MAX = 100

const octal = (value: number, width: number): string => `${value.toString(8).padStart(width - 1, "0")}\0`

const header = ({ bytes, isExecutable, path }: TarFile): Buffer => {
  if (Buffer.byteLength(path) > PATH_MAX) throw new Error(`The path ${path} is too long for an archive.`)
  const block = Buffer.alloc(BLOCK)
  block.write(path, 0)
  block.write(octal(isExecutable ? 0o755 : 0o644, 8), 100)
  block.write(octal(0, 8), 108)
  block.write(octal(0, 8), 116)
  block.write(octal(bytes.byteLength, 12), 124)
  block.write(octal(0, 12), 136)
  block.write("        ", 148)
  block.write("0", 156)
  block.write("ustar\0", 257)
  block.write("00", 263)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148)
  return block
}

/** The archive of some files, in the order of their paths. */
export const of = (files: ReadonlyArray<TarFile>): Buffer => {
  const ordered = [...files].sort((a, b) => (a.path < b.path ? -1 : 1))
  const parts = ordered.flatMap((file) => {
    const padding = (BLOCK - (file.bytes.byteLength % BLOCK)) % BLOCK
    return [header(file), file.bytes, Buffer.alloc(padding)]
  })
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)])
}
