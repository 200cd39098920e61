/** What a request asks for, read out of the three dialects of a conversation by hand: no code of the market's is used. */

/** The endpoints of a conversation. */
export type Dialect = "chat/completions" | "messages" | "responses"

export const dialects: ReadonlyArray<Dialect> = ["chat/completions", "messages", "responses"]

export interface Asked {
  readonly model: string
  /** All text of the last turn of the user. */
  readonly text: string
  /** The images of the last turn, each as a URL. */
  readonly images: ReadonlyArray<string>
  /** What the tools answered, where the last turn is that. */
  readonly results: ReadonlyArray<string>
  /** The calls that are told of in the turn before. */
  readonly calls: ReadonlyArray<{ readonly id: string; readonly name: string; readonly arguments: string }>
  readonly tools: ReadonlyArray<string>
  readonly wantsJson: boolean
  readonly stream: boolean
  readonly includeUsage: boolean
}

interface Json {
  readonly [key: string]: unknown
}

const isJson = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value)
const object = (value: unknown): Json => (isJson(value) ? value : {})
const list = (value: unknown): ReadonlyArray<Json> => (Array.isArray(value) ? value.map(object) : [])
const string = (value: unknown): string => (typeof value === "string" ? value : "")

const texts = (content: unknown): string =>
  typeof content === "string"
    ? content
    : list(content)
        .map((part) => string(part["text"]))
        .join("")

const chat = (body: Json): Asked => {
  const messages = list(body["messages"])
  const last = messages.at(-1) ?? {}
  const results = messages.filter(({ role }) => role === "tool")
  const calls = messages.flatMap((message) => list(message["tool_calls"]))
  return {
    model: string(body["model"]),
    text: texts(last["content"]),
    images: list(last["content"]).flatMap((part) =>
      part["type"] === "image_url" ? [string(object(part["image_url"])["url"])] : [],
    ),
    results: last["role"] === "tool" ? results.map(({ content }) => texts(content)) : [],
    calls: calls.map((call) => ({
      id: string(call["id"]),
      name: string(object(call["function"])["name"]),
      arguments: string(object(call["function"])["arguments"]),
    })),
    tools: list(body["tools"]).map((tool) => string(object(tool["function"])["name"])),
    wantsJson: object(body["response_format"])["type"] === "json_schema",
    stream: body["stream"] === true,
    includeUsage: object(body["stream_options"])["include_usage"] === true,
  }
}

const imageOfBlock = (block: Json): string => {
  const source = object(block["source"])
  return source["type"] === "base64"
    ? `data:${string(source["media_type"])};base64,${string(source["data"])}`
    : string(source["url"])
}

const messages = (body: Json): Asked => {
  const turns = list(body["messages"])
  const blocks = list(turns.at(-1)?.["content"])
  const calls = turns.flatMap((turn) => list(turn["content"])).filter(({ type }) => type === "tool_use")
  return {
    model: string(body["model"]),
    text: texts(turns.at(-1)?.["content"]),
    images: blocks.filter(({ type }) => type === "image").map(imageOfBlock),
    results: blocks.filter(({ type }) => type === "tool_result").map(({ content }) => texts(content)),
    calls: calls.map((call) => ({
      id: string(call["id"]),
      name: string(call["name"]),
      arguments: JSON.stringify(call["input"]),
    })),
    tools: list(body["tools"]).map(({ name }) => string(name)),
    wantsJson: object(object(body["output_config"])["format"])["type"] === "json_schema",
    stream: body["stream"] === true,
    includeUsage: true,
  }
}

const responses = (body: Json): Asked => {
  const input = body["input"]
  const items = typeof input === "string" ? [{ role: "user", content: input }] : list(input)
  const last = items.at(-1) ?? {}
  const calls = items.filter((item) => object(item)["type"] === "function_call").map(object)
  const results = items.map(object).filter(({ type }) => type === "function_call_output")
  return {
    model: string(body["model"]),
    text: texts(object(last)["content"]),
    images: list(object(last)["content"])
      .filter(({ type }) => type === "input_image")
      .map((part) => string(part["image_url"])),
    results: object(last)["type"] === "function_call_output" ? results.map(({ output }) => texts(output)) : [],
    calls: calls.map((call) => ({
      id: string(call["call_id"]),
      name: string(call["name"]),
      arguments: string(call["arguments"]),
    })),
    tools: list(body["tools"]).map(({ name }) => string(name)),
    wantsJson: object(object(body["text"])["format"])["type"] === "json_schema",
    stream: body["stream"] === true,
    includeUsage: true,
  }
}

const readers = { "chat/completions": chat, messages, responses }

/** Reads a request's body in a dialect. */
export const read = (dialect: Dialect, body: string): Asked => readers[dialect](object(JSON.parse(body)))
