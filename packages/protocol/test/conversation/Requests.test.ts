import { assert, describe, it } from "@effect/vitest"
import type Anthropic from "@anthropic-ai/sdk"
import type OpenAI from "openai"
import { Result } from "effect"
import { Dialects } from "../../src/conversation/index.ts"
import type { Conversation } from "../../src/conversation/Conversation.ts"
import type { Dialect } from "../../src/conversation/Dialect.ts"

const { chat, messages, responses } = Dialects

const read = (dialect: Dialect, body: unknown): Conversation =>
  Result.getOrThrow(dialect.readRequest(typeof body === "string" ? body : JSON.stringify(body)))

const text = (from: Dialect, to: Dialect, body: unknown, maxTokens?: number): string =>
  Result.getOrThrow(to.writeRequest(read(from, body), { model: "org/m", maxTokens }))

const write = (from: Dialect, to: Dialect, body: unknown, maxTokens?: number): unknown =>
  JSON.parse(text(from, to, body, maxTokens))

const flaw = (from: Dialect, to: Dialect, body: unknown) => {
  const written = Result.flatMap(from.readRequest(JSON.stringify(body)), (conversation) =>
    to.writeRequest(conversation, { model: "org/m", maxTokens: undefined }),
  )
  assert(Result.isFailure(written), JSON.stringify(body))
  return written.failure
}

type ChatBody = OpenAI.ChatCompletionCreateParams
type ResponsesBody = OpenAI.Responses.ResponseCreateParams
type MessagesBody = Anthropic.MessageCreateParams

const PNG = "data:image/png;base64,iVBORw0KGgo="
const schema = { type: "object" as const, properties: { city: { type: "string" } }, required: ["city"] }

/** One conversation with tools, images and settings, as each dialect writes it; the clients' own types say that it is right. */
const inChat: ChatBody = {
  model: "m",
  messages: [
    { role: "system", content: "Be brief." },
    {
      role: "user",
      content: [
        { type: "text", text: "Where is this?" },
        { type: "image_url", image_url: { url: PNG } },
        { type: "image_url", image_url: { url: "https://example.org/a.png" } },
      ],
    },
    {
      role: "assistant",
      content: "Let me look.",
      tool_calls: [
        { id: "call_a", type: "function", function: { name: "look", arguments: '{"city":"Rome"}' } },
        { id: "call_b", type: "function", function: { name: "look", arguments: "{}" } },
      ],
    },
    { role: "tool", tool_call_id: "call_a", content: "Sunny" },
    { role: "tool", tool_call_id: "call_b", content: "Rainy" },
    { role: "user", content: "So?" },
  ],
  tools: [{ type: "function", function: { name: "look", description: "Looks", parameters: schema, strict: true } }],
  tool_choice: { type: "function", function: { name: "look" } },
  parallel_tool_calls: false,
  max_tokens: 100,
  temperature: 0.5,
  top_p: 0.9,
  reasoning_effort: "high",
  stream: true,
  stream_options: { include_usage: true },
  user: "u1",
}

const inResponses: ResponsesBody = {
  model: "m",
  input: [
    { type: "message", role: "system", content: "Be brief." },
    {
      type: "message",
      role: "user",
      content: [
        { type: "input_text", text: "Where is this?" },
        { type: "input_image", image_url: PNG, detail: "auto" },
        { type: "input_image", image_url: "https://example.org/a.png", detail: "auto" },
      ],
    },
    { type: "message", role: "assistant", content: "Let me look." },
    { type: "function_call", call_id: "call_a", name: "look", arguments: '{"city":"Rome"}' },
    { type: "function_call", call_id: "call_b", name: "look", arguments: "{}" },
    { type: "function_call_output", call_id: "call_a", output: "Sunny" },
    { type: "function_call_output", call_id: "call_b", output: "Rainy" },
    { type: "message", role: "user", content: "So?" },
  ],
  store: false,
  stream: true,
  max_output_tokens: 100,
  temperature: 0.5,
  top_p: 0.9,
  tools: [{ type: "function", name: "look", description: "Looks", parameters: schema, strict: true }],
  tool_choice: { type: "function", name: "look" },
  parallel_tool_calls: false,
  reasoning: { effort: "high" },
  user: "u1",
}

/** `temperature` and `top_p` are no longer described, and servers read them all the same. */
const inMessages: MessagesBody & { readonly temperature: number; readonly top_p: number } = {
  model: "m",
  max_tokens: 100,
  system: "Be brief.",
  messages: [
    {
      role: "user",
      content: [
        { type: "text", text: "Where is this?" },
        { type: "image", source: { type: "base64", media_type: "image/png", data: "iVBORw0KGgo=" } },
        { type: "image", source: { type: "url", url: "https://example.org/a.png" } },
      ],
    },
    {
      role: "assistant",
      content: [
        { type: "text", text: "Let me look." },
        { type: "tool_use", id: "call_a", name: "look", input: { city: "Rome" } },
        { type: "tool_use", id: "call_b", name: "look", input: {} },
      ],
    },
    {
      role: "user",
      content: [
        { type: "tool_result", tool_use_id: "call_a", content: "Sunny" },
        { type: "tool_result", tool_use_id: "call_b", content: "Rainy" },
        { type: "text", text: "So?" },
      ],
    },
  ],
  stream: true,
  temperature: 0.5,
  top_p: 0.9,
  tools: [{ name: "look", description: "Looks", input_schema: schema, strict: true }],
  tool_choice: { type: "tool", name: "look", disable_parallel_tool_use: true },
  thinking: { type: "adaptive" },
  output_config: { effort: "high" },
  metadata: { user_id: "u1" },
}

describe("a conversation", () => {
  const all = [
    ["Chat", chat, inChat],
    ["Responses", responses, inResponses],
    ["Messages", messages, inMessages],
  ] as const
  for (const [fromName, from, body] of all) {
    for (const [toName, to, expected] of all) {
      it(`is the same in ${toName} as it was in ${fromName}`, () => {
        assert.deepStrictEqual(write(from, to, body), { ...expected, model: "org/m" })
      })
    }
  }
})

describe("numbers", () => {
  it("keep their digits, in arguments, schemas and settings", () => {
    const big = "12345678901234567890"
    const args = `{"id":${big},"x":1.0,"e":1e400}`
    const body = `{"model":"m","temperature":0.10,"seed":${big},
      "tools":[{"type":"function","function":{"name":"f","parameters":{"maximum":${big}}}}],
      "messages":[{"role":"user","content":"Hi"},{"role":"assistant","tool_calls":[
        {"id":"c","type":"function","function":{"name":"f","arguments":${JSON.stringify(args)}}}]}]}`
    const withoutSeed = body.replace(`"seed":${big},`, "")
    assert.include(text(chat, chat, body), `"seed":${big}`)
    const message = text(chat, messages, withoutSeed)
    assert.include(message, `"input":${args}`)
    assert.include(message, `"maximum":${big}`)
    assert.include(message, '"temperature":0.10')
    const back = text(messages, responses, message)
    assert.include(back, JSON.stringify(args))
    assert.include(back, `"maximum":${big}`)
  })

  it("may be broken in arguments, except where they must be an object", () => {
    const call = { id: "c", type: "function", function: { name: "f", arguments: '{"a":' } }
    const body = { model: "m", messages: [{ role: "assistant", tool_calls: [call] }] }
    assert.include(text(chat, responses, body), JSON.stringify('{"a":'))
    assert.deepInclude(flaw(chat, messages, body), { code: "invalid_request", param: "messages[0]" })
    const empty = { ...call, function: { name: "f", arguments: "" } }
    const written = text(chat, messages, { model: "m", messages: [{ role: "assistant", tool_calls: [empty] }] })
    assert.include(written, '"input":{}')
  })
})

describe("what a request says", () => {
  const hi = [{ role: "user", content: "Hi" }] as const

  it("reads Responses' short forms: a text, and instructions", () => {
    const body = { model: "m", input: "Hi", instructions: "Be brief.", max_output_tokens: 9 } satisfies ResponsesBody
    assert.deepStrictEqual(write(responses, chat, body), {
      model: "org/m",
      messages: [{ role: "system", content: "Be brief." }, ...hi],
      max_tokens: 9,
    })
    assert.deepStrictEqual(write(responses, messages, body), {
      model: "org/m",
      max_tokens: 9,
      system: "Be brief.",
      messages: hi,
    })
  })

  it("has the market's limit in the place of the client's, and some limit in Messages", () => {
    assert.deepInclude(write(chat, responses, { model: "m", messages: hi, max_tokens: 50 }, 20), {
      max_output_tokens: 20,
    })
    assert.deepInclude(write(chat, messages, { model: "m", messages: hi }), { max_tokens: 4096 })
  })

  it("keeps the shape that is wanted of the answer", () => {
    const format = { name: "place", schema, strict: true }
    const body = { model: "m", messages: hi, response_format: { type: "json_schema", json_schema: format } } as const
    assert.deepInclude(write(chat, responses, body), { text: { format: { type: "json_schema", ...format } } })
    const message = write(chat, messages, body)
    assert.deepInclude(message, { output_config: { format: { type: "json_schema", schema } } })
    assert.deepInclude(write(messages, chat, message), {
      response_format: { type: "json_schema", json_schema: { ...format, name: "answer" } },
    })
    const json = { model: "m", messages: hi, response_format: { type: "json_object" } }
    assert.deepInclude(write(chat, responses, json), { text: { format: { type: "json_object" } } })
    assert.strictEqual(flaw(chat, messages, json).param, "response_format")
  })

  it("keeps thoughts, with what recognises them where there is a place for it", () => {
    const body = {
      model: "m",
      max_tokens: 9,
      messages: [
        {
          role: "assistant",
          content: [
            { type: "thinking", thinking: "Hm.", signature: "sig" },
            { type: "redacted_thinking", data: "secret" },
            { type: "text", text: "Yes." },
          ],
        },
      ],
    } satisfies MessagesBody
    const written = write(messages, responses, body)
    assert.deepInclude(written, {
      input: [
        {
          type: "reasoning",
          id: "rs_0_0",
          summary: [],
          content: [{ type: "reasoning_text", text: "Hm." }],
          encrypted_content: "sig",
        },
        { type: "reasoning", id: "rs_0_1", summary: [], encrypted_content: "redacted_thinking:secret" },
        { type: "message", role: "assistant", content: "Yes." },
      ],
    })
    assert.deepStrictEqual(write(responses, messages, written), { ...body, model: "org/m" })
    assert.deepInclude(write(messages, chat, body), {
      messages: [{ role: "assistant", content: "Yes.", reasoning_content: "Hm." }],
    })
  })

  it("asks for as much thinking as it did before", () => {
    const asked = (thinking: unknown) => write(messages, chat, { model: "m", max_tokens: 1000, messages: hi, thinking })
    assert.deepInclude(asked({ type: "enabled", budget_tokens: 100 }), { reasoning_effort: "low" })
    assert.deepInclude(asked({ type: "enabled", budget_tokens: 500 }), { reasoning_effort: "medium" })
    assert.deepInclude(asked({ type: "enabled", budget_tokens: 900 }), { reasoning_effort: "high" })
    assert.deepInclude(asked({ type: "disabled" }), { reasoning_effort: "none" })
    assert.notProperty(asked({ type: "adaptive" }), "reasoning_effort")
    const none = { model: "m", messages: hi, reasoning_effort: "none" }
    assert.deepInclude(write(chat, messages, none), { thinking: { type: "disabled" } })
    const minimal = write(chat, messages, { model: "m", messages: hi, reasoning_effort: "minimal" })
    assert.deepInclude(minimal, { output_config: { effort: "low" }, thinking: { type: "adaptive" } })
  })

  it("keeps custom tools between Chat and Responses", () => {
    const body = {
      model: "m",
      messages: [
        {
          role: "assistant",
          content: null,
          tool_calls: [{ id: "c", type: "custom", custom: { name: "patch", input: "*** Begin" } }],
        },
        { role: "tool", tool_call_id: "c", content: "Done" },
      ],
      tools: [
        {
          type: "custom",
          custom: {
            name: "patch",
            format: { type: "grammar", grammar: { definition: "start: /x/", syntax: "lark" } },
          },
        },
      ],
      tool_choice: { type: "custom", custom: { name: "patch" } },
    } satisfies ChatBody
    const written = write(chat, responses, body)
    assert.deepInclude(written, {
      input: [
        { type: "custom_tool_call", call_id: "c", name: "patch", input: "*** Begin" },
        { type: "custom_tool_call_output", call_id: "c", output: "Done" },
      ],
      tools: [
        {
          type: "custom",
          name: "patch",
          format: { type: "grammar", definition: "start: /x/", syntax: "lark" },
        },
      ],
      tool_choice: { type: "custom", name: "patch" },
    })
    assert.deepStrictEqual(write(responses, chat, written), { ...body, model: "org/m" })
    assert.strictEqual(flaw(chat, messages, body).param, "messages[0]")
  })

  it("keeps files between all of them, and sound where there is a word for it", () => {
    const pdf = { filename: "a.pdf", file_data: "data:application/pdf;base64,JVBERi0=" }
    const body = { model: "m", messages: [{ role: "user", content: [{ type: "file", file: pdf }] }] } satisfies ChatBody
    const message = write(chat, messages, body, 9)
    assert.deepInclude(message, {
      messages: [
        {
          role: "user",
          content: [
            {
              type: "document",
              source: { type: "base64", media_type: "application/pdf", data: "JVBERi0=" },
              title: "a.pdf",
            },
          ],
        },
      ],
    })
    assert.deepInclude(write(messages, responses, message), {
      input: [
        {
          type: "message",
          role: "user",
          content: [{ type: "input_file", file_data: pdf.file_data, filename: "a.pdf" }],
        },
      ],
    })
    const words = { type: "document", source: { type: "text", media_type: "text/plain", data: "Grüße 🦊" } }
    const document = { model: "m", max_tokens: 9, messages: [{ role: "user", content: [words] }] }
    const there = write(messages, responses, document)
    assert.deepStrictEqual(write(responses, messages, there), { ...document, model: "org/m" })
    const sound = { type: "input_audio", input_audio: { data: "AAAA", format: "wav" } }
    const heard = { model: "m", messages: [{ role: "user", content: [sound] }] }
    assert.deepInclude(write(chat, chat, heard), { messages: heard.messages })
    assert.strictEqual(flaw(chat, messages, heard).param, "messages[0]")
    assert.strictEqual(flaw(chat, responses, heard).param, "messages[0]")
  })

  it("asks for log probabilities in Chat's words and in Responses'", () => {
    const body = { model: "m", messages: hi, logprobs: true, top_logprobs: 3 }
    const written = write(chat, responses, body)
    assert.deepInclude(written, { include: ["message.output_text.logprobs"], top_logprobs: 3 })
    assert.deepInclude(write(responses, chat, written), { logprobs: true, top_logprobs: 3 })
    assert.strictEqual(flaw(chat, messages, body).param, "logprobs")
  })

  it("allows some of the tools between Chat and Responses", () => {
    const tools = [{ type: "function", function: { name: "f" } }]
    const choice = { type: "allowed_tools", allowed_tools: { mode: "required", tools } }
    const body = { model: "m", messages: hi, tool_choice: choice }
    const written = write(chat, responses, body)
    assert.deepInclude(written, {
      tool_choice: { type: "allowed_tools", mode: "required", tools: [{ type: "function", name: "f" }] },
    })
    assert.deepInclude(write(responses, chat, written), { tool_choice: choice })
    assert.strictEqual(flaw(chat, messages, body).param, "tool_choice")
  })

  it("lists the members that nobody else knows, and not those for the market", () => {
    const body = {
      model: "m",
      messages: hi,
      provider: { order: ["a"] },
      models: ["b"],
      usage: { include: true },
      service_tier: "auto",
      min_p: 0.1,
      guided_json: {},
      chat_template_kwargs: null,
    }
    assert.deepStrictEqual(read(chat, body).unknown, ["min_p", "guided_json"])
    assert.deepStrictEqual(read(messages, { model: "m", messages: hi, context_management: {} }).unknown, [
      "context_management",
    ])
  })

  it("refuses the names of speakers, which only Chat can say, and knows those of tools", () => {
    for (const [at, role] of (["user", "assistant", "system", "developer"] as const).entries()) {
      const turns = [...Array(at).fill(hi[0]), { role, content: "Hi", name: "Ann" }]
      const { code, param } = flaw(chat, responses, { model: "m", messages: turns })
      assert.deepStrictEqual([code, param], ["unsupported_parameter", `messages[${at}].name`])
    }
    const call = { id: "a", type: "function", function: { name: "now", arguments: "{}" } }
    const told = { role: "tool", tool_call_id: "a", name: "now", content: "noon" }
    const named = { model: "m", messages: [...hi, { role: "assistant", tool_calls: [call] }, told] }
    const { name: _, ...nameless } = told
    const unnamed = { model: "m", messages: [...hi, { role: "assistant", tool_calls: [call] }, nameless] }
    assert.deepStrictEqual(write(chat, messages, named), write(chat, messages, unnamed))
    assert.deepStrictEqual(
      write(chat, responses, { model: "m", messages: [{ ...hi[0], name: null }] }),
      write(chat, responses, { model: "m", messages: hi }),
    )
  })

  it("says that a body nests too deep, and not that something else is wrong with it", () => {
    const deep = (levels: number) => JSON.parse(`${'{"a":'.repeat(levels)}1${"}".repeat(levels)}`)
    for (const [dialect, body] of [
      [chat, { messages: hi, tools: [{ type: "function", function: { name: "f", parameters: deep(3_000) } }] }],
      [messages, { messages: hi, tools: [{ name: "f", input_schema: deep(3_000) }] }],
      [responses, { input: "hi", tools: [{ type: "function", name: "f", parameters: deep(3_000) }] }],
    ] as const) {
      const { code, message } = flaw(dialect, dialect === chat ? messages : chat, { model: "m", ...body })
      assert.strictEqual(code, "unsupported_parameter")
      assert.match(message, /nests deeper than 256 levels/)
    }
    const tools = [{ type: "function", function: { name: "f", parameters: deep(200) } }]
    assert.nestedProperty(write(chat, responses, { model: "m", messages: hi, tools }), "tools[0].parameters.a.a")
  })

  it("takes what says nothing for nothing", () => {
    const nothing = {
      frequency_penalty: 0,
      presence_penalty: 0,
      logit_bias: {},
      n: 1,
      stop: null,
      logprobs: false,
      modalities: ["text"],
      response_format: { type: "text" },
      tools: [],
      seed: null,
    }
    for (const to of [responses, messages]) text(chat, to, { model: "m", messages: hi, ...nothing })
  })
})

describe("what the other dialect has no word for", () => {
  const hi = [{ role: "user", content: "Hi" }]
  const cases: ReadonlyArray<readonly [Dialect, ReadonlyArray<Dialect>, object, string]> = [
    [chat, [responses, messages], { n: 2 }, "n"],
    [chat, [responses], { stop: "x" }, "stop"],
    [messages, [responses], { stop_sequences: ["x"] }, "stop_sequences"],
    [chat, [responses, messages], { seed: 1 }, "seed"],
    [chat, [responses, messages], { frequency_penalty: 0.5 }, "frequency_penalty"],
    [chat, [responses, messages], { presence_penalty: -0.5 }, "presence_penalty"],
    [chat, [responses, messages], { logit_bias: { "1": 5 } }, "logit_bias"],
    [messages, [responses], { top_k: 5 }, "top_k"],
    [chat, [messages], { verbosity: "low" }, "verbosity"],
    [responses, [messages], { text: { verbosity: "low" } }, "text.verbosity"],
    [chat, [responses, messages], { functions: [] }, "functions"],
    [chat, [responses, messages], { modalities: ["text", "audio"] }, "modalities"],
    [chat, [responses, messages], { audio: { voice: "a" } }, "audio"],
    [chat, [responses, messages], { web_search_options: {} }, "web_search_options"],
    [responses, [chat, messages], { tools: [{ type: "web_search" }] }, "tools[0].type"],
    [responses, [chat, messages], { tool_choice: { type: "file_search" } }, "tool_choice"],
    [responses, [chat, messages], { truncation: "auto" }, "truncation"],
    [responses, [chat, messages], { include: ["file_search_call.results"] }, "include"],
    [responses, [chat, messages], { previous_response_id: "resp_1" }, "previous_response_id"],
    [responses, [chat, messages], { store: true }, "store"],
    [responses, [chat, messages], { background: true }, "background"],
    [responses, [chat, messages], { input: [{ type: "mcp_call" }] }, "input[0].type"],
    [messages, [chat, responses], { tools: [{ type: "bash_20250124", name: "bash" }] }, "tools[0].type"],
    [messages, [chat, responses], { container: "c" }, "container"],
    [messages, [chat, responses], { mcp_servers: [] }, "mcp_servers"],
    [
      messages,
      [chat, responses],
      { messages: [{ role: "assistant", content: [{ type: "server_tool_use" }] }] },
      "messages[0].content[0].type",
    ],
    [
      chat,
      [responses, messages],
      { messages: [{ role: "user", content: [{ type: "video_url" }] }] },
      "messages[0].content[0].type",
    ],
    [
      chat,
      [responses, messages],
      { messages: [{ role: "user", content: [{ type: "file", file: { file_id: "file_1" } }] }] },
      "messages[0].content[0].file.file_id",
    ],
    [
      messages,
      [chat],
      {
        messages: [
          {
            role: "user",
            content: [
              {
                type: "tool_result",
                tool_use_id: "t",
                content: [{ type: "image", source: { type: "url", url: "a" } }],
              },
            ],
          },
        ],
      },
      "messages[0].content[0]",
    ],
    [
      responses,
      [chat],
      { input: [{ role: "user", content: [{ type: "input_file", file_url: "https://example.org/a.pdf" }] }] },
      "input[0]",
    ],
  ]
  for (const [from, targets, members, param] of cases) {
    for (const to of targets) {
      it(`is refused by the name of ${param} (${from.name} for ${to.name})`, () => {
        const body =
          from === responses ? { model: "m", input: hi, ...members } : { model: "m", messages: hi, ...members }
        const { code, message, param: named } = flaw(from, to, body)
        assert.deepStrictEqual([code, named], ["unsupported_parameter", param])
        assert.match(message, /^[A-Z`].*\.$/)
      })
    }
  }
})

describe("what is wrong with a request", () => {
  const cases: ReadonlyArray<readonly [Dialect, unknown, string | null]> = [
    [chat, "no JSON", null],
    [chat, { model: "m", messages: [{ role: "nobody", content: "Hi" }] }, "messages[0].role"],
    [chat, { model: "m", messages: [{ role: "user" }] }, "messages[0].content"],
    [chat, { model: "m", messages: [{ role: "tool", content: "x" }] }, "messages[0].tool_call_id"],
    [chat, { model: "m", messages: [{ role: "assistant", tool_calls: [{}] }] }, "messages[0].tool_calls[0].id"],
    [chat, { model: "m", messages: [{ role: "user", content: "a" }], temperature: "hot" }, "temperature"],
    [chat, { model: "m", messages: [{ role: "user", content: "a" }], stop: [1] }, "stop"],
    [chat, { model: "m", messages: [{ role: "user", content: "a" }], reasoning_effort: "very" }, "reasoning_effort"],
    [
      chat,
      { model: "m", messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "data:x,y" } }] }] },
      "messages[0].content[0].image_url.url",
    ],
    [responses, { model: "m", input: [{ role: "tool", content: "a" }] }, "input[0].role"],
    [responses, { model: "m", input: [{ type: "function_call", name: "f", arguments: "" }] }, "input[0].call_id"],
    [messages, { model: "m", messages: [{ role: "user", content: 1 }] }, "messages[0].content"],
    [
      messages,
      { model: "m", messages: [{ role: "user", content: "a" }], tool_choice: { type: "some" } },
      "tool_choice.type",
    ],
  ]
  for (const [dialect, body, param] of cases) {
    it(`is said of ${param ?? "the body"} (${dialect.name})`, () => {
      const result = dialect.readRequest(typeof body === "string" ? body : JSON.stringify(body))
      assert(Result.isFailure(result))
      assert.deepStrictEqual([result.failure.code, result.failure.param], ["invalid_request", param])
    })
  }
})
