/** Requests in the words of Horde's workers, and their generations as answers. */
import { assert, describe, it } from "@effect/vitest"
import * as HordeImages from "../src/HordeImages.ts"
import * as HordeText from "../src/HordeText.ts"

const CHAT = "/v1/chat/completions"
const REACH = { maxLength: 100, maxContextLength: 2_048 }
const said = (content: unknown, more: object = {}) => ({ model: "m", messages: [{ role: "user", content }], ...more })

const work = (body: unknown, path = CHAT): HordeText.TextWork => {
  const read = HordeText.read(path, body, REACH)
  return typeof read === "string" ? assert.fail(read) : read
}

describe("a text for a worker of Horde", () => {
  it("is the conversation under its headings, with the answer still to come", () => {
    const messages = [
      { role: "system", content: "Be brief." },
      {
        role: "user",
        content: [
          { type: "text", text: "One" },
          { type: "text", text: "two" },
        ],
      },
      { role: "assistant", content: "Three." },
      { role: "user", content: "Four?" },
    ]
    assert.strictEqual(
      HordeText.prompt(messages),
      "\n### Instruction:\nBe brief.\n### Instruction:\nOne\ntwo\n### Response:\nThree.\n### Instruction:\nFour?\n### Response:\n",
    )
  })

  it("asks for no more than the worker makes, and keeps samplers within what its protocol allows", () => {
    const { payload } = work(
      said("Hi", { max_tokens: 9_000, temperature: 9, top_p: 0, top_k: 50, seed: 7, stop: "END" }),
    )
    assert.deepStrictEqual(payload, {
      prompt: "\n### Instruction:\nHi\n### Response:\n",
      n: 1,
      max_length: 100,
      max_context_length: 2_048,
      stop_sequence: ["END", "### Instruction:", "### Response:"],
      temperature: 5,
      top_p: 0.001,
      top_k: 50,
      sampler_seed: 7,
    })
    assert.strictEqual(work(said("Hi", { max_completion_tokens: 1 })).payload.max_length, 16)
    const completion = work({ model: "m", prompt: "Once", max_tokens: 20 }, "/v1/completions")
    assert.strictEqual(completion.payload.prompt, "Once")
    assert.deepStrictEqual(completion.payload.stop_sequence, [])
  })

  it("refuses what such a worker cannot do", () => {
    const refused: ReadonlyArray<readonly [unknown, string]> = [
      [said([{ type: "image_url", image_url: { url: "x" } }]), "text alone"],
      [said("Hi", { tools: [{}] }), "no tools"],
      [said("Hi", { n: 5 }), "n: "],
      [{ model: "m" }, "text alone"],
    ]
    for (const [body, words] of refused) assert.include(String(HordeText.read(CHAT, body, REACH)), words)
  })

  it("ends at a stop, which workers send along, and says when it may have been cut", () => {
    const answered = (body: object, text: string, isCensored = false) =>
      JSON.parse(HordeText.answer(work(body), [{ text, isCensored }], { id: "1", createdS: 5 }).body).choices[0]
    const stopped = answered(said("Hi", { stop: ["END"] }), " yes END\n### Instruction:\nno")
    assert.deepStrictEqual([stopped.message.content, stopped.finish_reason], ["yes", "stop"])
    assert.strictEqual(answered(said("Hi", { max_tokens: 16 }), "a".repeat(64)).finish_reason, "length")
    assert.strictEqual(answered(said("Hi"), "", true).finish_reason, "content_filter")
  })

  it("reaches a streaming buyer as events", () => {
    const { body, type } = HordeText.answer(work(said("Hi", { stream: true })), [{ text: "yes", isCensored: false }], {
      id: "1",
      createdS: 5,
    })
    assert.strictEqual(type, "text/event-stream")
    const events = body.trim().split("\n\n")
    assert.lengthOf(events, 3)
    assert.include(events[0], '"delta":{"role":"assistant","content":"yes"}')
    assert.include(events[1], '"finish_reason":"stop"')
    assert.strictEqual(events[2], "data: [DONE]")
  })
})

describe("a picture for a worker of Horde", () => {
  it("has sides in steps of 64, within what the worker makes, and a seed for each", () => {
    const read = HordeImages.read({ prompt: "a hall", size: "512x768", n: 2, steps: 9_000 }, 1_000_000, 41)
    if (typeof read === "string") return assert.fail(read)
    assert.deepInclude(read.payload, { width: 512, height: 768, ddim_steps: 500, n_iter: 1 })
    assert.deepStrictEqual(
      [0, 1].map((index) => HordeImages.payloadOf(read, index).seed),
      ["41", "42"],
    )
    for (const [body, words] of [
      [{ prompt: "" }, "prompt"],
      [{ prompt: "x", size: "500x500" }, "multiples"],
      [{ prompt: "x", size: "1024x1024" }, "pixels"],
      [{ prompt: "x", n: 9 }, "n: "],
      [{ prompt: "x", response_format: "url" }, "b64_json"],
    ] as const) {
      assert.include(String(HordeImages.read(body, 1_000_000, 1)), words)
    }
  })

  it("is known by how it begins", () => {
    const bytes = (text: string) => Buffer.from(text, "latin1")
    assert.isTrue(HordeImages.isPicture(bytes("RIFF\u0001\u0002\u0003\u0004WEBPVP8 ")))
    assert.isTrue(HordeImages.isPicture(bytes("\u0089PNG\r\n\u001a\n....")))
    assert.isTrue(HordeImages.isPicture(bytes("\u00ff\u00d8\u00ff\u00e0")))
    assert.isFalse(HordeImages.isPicture(bytes("RIFF\u0001\u0002\u0003\u0004WAVE")))
    assert.isFalse(HordeImages.isPicture(bytes("<svg>")))
  })
})
