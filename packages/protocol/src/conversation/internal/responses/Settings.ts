/** The settings that stand in a request of Responses, and that its answer repeats. */
import type { Conversation, Tool, ToolChoice } from "../../Conversation.ts"

/** Absent, `strict` is true in this dialect and false in the others, and parameters must be there. */
export const tool = (one: Tool): object =>
  one.kind === "custom"
    ? { type: "custom", name: one.name, description: one.description, format: one.format }
    : {
        type: "function",
        name: one.name,
        description: one.description,
        parameters: one.parameters ?? { type: "object", properties: {} },
        strict: one.strict ?? false,
      }

/** As a response repeats it: what was not said is null. */
export const repeatedTool = (one: Tool): object => ({ ...tool(one), description: one.description ?? null })

const named = ({ kind, name }: { readonly kind: "function" | "custom"; readonly name: string }) => ({
  type: kind,
  name,
})

export const toolChoice = (choice: ToolChoice | undefined): unknown => {
  if (choice === undefined) return undefined
  if (choice.type === "tool") return named(choice)
  if (choice.type !== "allowed") return choice.type
  return { type: "allowed_tools", mode: choice.mode, tools: choice.tools.map(named) }
}

const format = ({ format }: Conversation): object | undefined => {
  if (format === undefined) return undefined
  if (format.type === "json") return { type: "json_object" }
  const { description, name, schema, strict } = format
  return { type: "json_schema", name: name ?? "answer", description, schema, strict }
}

export const text = (conversation: Conversation): object | undefined => {
  const { verbosity } = conversation
  const shape = format(conversation)
  return shape === undefined && verbosity === undefined ? undefined : { format: shape, verbosity }
}

/** As a response repeats it: what was not said is there all the same. */
export const repeatedText = ({ format: shape, verbosity }: Conversation): object => {
  if (shape === undefined) return { format: { type: "text" }, verbosity }
  if (shape.type === "json") return { format: { type: "json_object" }, verbosity }
  const { description, name, schema, strict } = shape
  const repeated = { name: name ?? "answer", description: description ?? null, schema, strict: strict ?? false }
  return { format: { type: "json_schema", ...repeated }, verbosity }
}
