import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as MultipartForm from "../src/MultipartForm.ts"
import { Transcription } from "../src/openai/index.ts"
import * as Dice from "./Dice.ts"

const encoder = new TextEncoder()
/** Bytes of which a boundary is made, and others. */
const BYTES = [13, 10, 45, 98, 48, 117, 0, 255, 128] as const
const TYPE = "multipart/form-data; boundary=x"

const field = (name: string, value: string, headers = "") =>
  `--x\r\nContent-Disposition: form-data; name="${name}"${headers}\r\n\r\n${value}\r\n`
const recording = field("file", "RIFF\r\n--y\r\n", '; filename="a \\"b\\".wav"\r\nContent-Type: audio/wav')
const parse = (body: string, type = TYPE) => MultipartForm.parse(encoder.encode(body), type)
const flaw = (body: string, type = TYPE) => {
  const read = parse(body, type)
  assert(Result.isFailure(read), body)
  assert.strictEqual(read.failure.code, "invalid_request")
  return read.failure.message
}

describe("a form", () => {
  it("says where each part lies", () => {
    const form = Result.getOrThrow(parse(`${field("model", "whisper")}${recording}--x--\r\n`))
    assert.deepStrictEqual(
      form.parts.map(({ contentType, filename, name }) => ({ contentType, filename, name })),
      [
        { name: "model", filename: undefined, contentType: undefined },
        { name: "file", filename: 'a \\"b\\".wav', contentType: "audio/wav" },
      ],
    )
    assert.strictEqual(MultipartForm.text(form, "model"), "whisper")
    assert.strictEqual(MultipartForm.text(form, "file"), "RIFF\r\n--y\r\n")
    assert.isUndefined(MultipartForm.text(form, "language"))
  })

  it("is written by this platform's own client in a way that is understood", async () => {
    const data = new FormData()
    data.set("model", "org/whisper")
    data.set("file", new Blob([new Uint8Array([13, 10, 45, 45, 0, 255])], { type: "audio/mpeg" }), 'sp"eech.mp3')
    data.append("timestamp_granularities[]", "word")
    const request = new Request("http://127.0.0.1/", { method: "POST", body: data })
    const bytes = new Uint8Array(await request.arrayBuffer())
    const form = Result.getOrThrow(MultipartForm.parse(bytes, request.headers.get("content-type") ?? ""))
    const file = form.parts.find(({ name }) => name === "file")
    assert.deepStrictEqual([...bytes.subarray(file?.start, file?.end)], [13, 10, 45, 45, 0, 255])
    assert.deepInclude(Result.getOrThrow(Transcription.touch(form)), {
      model: "org/whisper",
      audioBytes: 6,
      choices: 1,
    })
  })

  it("holds any bytes, and another value changes nothing else", () => {
    const dice = Dice.make(20_261_121)
    const names = ["model", "file", "prompt", "timestamp_granularities[]"] as const
    for (let run = 0; run < 300; run += 1) {
      const fields = dice.list(0, 6, () => [dice.pick(names), dice.list(0, 40, () => dice.pick(BYTES))] as const)
      const body: Array<number> = []
      for (const [key, bytes] of fields) {
        body.push(...encoder.encode(`--b0undary\r\nContent-Disposition: form-data; name="${key}"\r\n\r\n`))
        body.push(...bytes, 13, 10)
      }
      body.push(...encoder.encode("--b0undary--\r\n"))
      const type = 'multipart/form-data; boundary="b0undary"'
      const form = Result.getOrThrow(MultipartForm.parse(new Uint8Array(body), type))
      assert.deepStrictEqual(
        form.parts.map((part) => [part.name, [...form.bytes.subarray(part.start, part.end)]]),
        fields.map(([key, bytes]) => [key, [...bytes]]),
      )
      const changed = Result.getOrThrow(MultipartForm.parse(MultipartForm.replace(form, "model", "é/m"), type))
      assert.strictEqual(MultipartForm.text(changed, "model"), "é/m")
      const isThere = fields.some(([key]) => key === "model")
      assert.strictEqual(changed.parts.length, fields.length + (isThere ? 0 : 1))
    }
  })

  it("is refused where two readers could understand it differently", () => {
    const end = "--x--\r\n"
    const wrong = [
      [`${field("a", "1")}${end}`, "multipart/form-data"],
      [`${field("a", "1")}${end}`, "multipart/form-data; boundary=x; boundary=y"],
      [`preamble\r\n${field("a", "1")}${end}`, TYPE],
      [`${field("a", "1")}`, TYPE],
      [`${field("a", "1")}${end}${field("a", "2")}${end}`, TYPE],
      [`${field("a", "1")}--x \r\n${end}`, TYPE],
      [`--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n${end}`, TYPE],
      [`--x\r\nContent-Disposition: form-data; name="a"; name="b"\r\n\r\n1\r\n${end}`, TYPE],
      [`--x\r\nContent-Disposition: attachment; name="a"\r\n\r\n1\r\n${end}`, TYPE],
      [`--x\r\nContent-Disposition: form-data; name="a\\"b"\r\n\r\n1\r\n${end}`, TYPE],
      [`--x\r\nContent-Type: text/plain\r\n\r\n1\r\n${end}`, TYPE],
      [`--x\r\nContent-Disposition: form-data;\r\n name="a"\r\n\r\n1\r\n${end}`, TYPE],
      [field("a", "1", "\r\nContent-Transfer-Encoding: base64") + end, TYPE],
      [field("a", "1", '\r\nContent-Disposition: form-data; name="b"') + end, TYPE],
      [field("a", "1", `\r\nX-Long: ${"a".repeat(5000)}`) + end, TYPE],
      [field("a", "1").repeat(129) + end, TYPE],
      ["", TYPE],
    ] as const
    for (const [body, type] of wrong) assert.isNotEmpty(flaw(body, type))
  })
})

describe("a request to transcribe", () => {
  const touch = (body: string) => Transcription.touch(Result.getOrThrow(parse(body)))

  it("names the field that is wrong", () => {
    const model = field("model", "whisper")
    const wrong = [
      [`${recording}--x--`, "model"],
      [`${model}--x--`, "file"],
      [`${model}${field("file", "no name")}--x--`, "file"],
      [`${model}${model}${recording}--x--`, "model"],
      [`${model}${recording}${field("stream", "yes")}--x--`, "stream"],
    ] as const
    for (const [body, param] of wrong) {
      const read = touch(body)
      assert(Result.isFailure(read))
      assert.strictEqual(read.failure.param, param)
    }
    const read = Result.getOrThrow(touch(`${model}${recording}${field("stream", "true")}--x--`))
    assert.deepInclude(read, { model: "whisper", stream: true, media: { pieces: 1, bytes: 11 } })
  })
})
