/** The response that the whole answer is, and that the first and last events of a stream carry. */
import type { Finish, TokenUsage } from "../../Answer.ts"
import type { Additions, AnswerOptions } from "../../Dialect.ts"
import * as Finishes from "../Finishes.ts"
import * as Members from "../Members.ts"
import * as Usages from "../Usages.ts"
import * as Settings from "./Settings.ts"

/** What the request asked for is repeated, and what it did not say stands at its default. */
const repeated = ({ request }: AnswerOptions) => ({
  background: false,
  frequency_penalty: 0,
  instructions: null,
  max_output_tokens: request.maxTokens ?? null,
  max_tool_calls: null,
  metadata: request.metadata ?? {},
  parallel_tool_calls: request.parallelTools ?? true,
  presence_penalty: 0,
  previous_response_id: null,
  prompt_cache_key: request.cacheKey ?? null,
  reasoning: {
    effort: request.reasoning === undefined ? null : (Members.effortOf(request.reasoning, request.maxTokens) ?? null),
    summary: null,
  },
  safety_identifier: null,
  service_tier: "default",
  store: false,
  temperature: request.sampling.temperature ?? 1,
  text: Settings.repeatedText(request),
  tool_choice: Settings.toolChoice(request.toolChoice) ?? "auto",
  tools: request.tools.map(Settings.repeatedTool),
  top_logprobs: request.logprobs ?? 0,
  top_p: request.sampling.topP ?? 1,
  truncation: "disabled",
  user: request.user,
})

/** An answer that has only begun: it has no `finish` yet. */
interface State {
  readonly finish: Finish | undefined
  readonly output: ReadonlyArray<object>
  readonly usage: TokenUsage | undefined
}

export const make = (options: AnswerOptions, state: State, additions: Additions = {}): object => {
  const { finish, output, usage } = state
  const reason = finish === undefined ? undefined : Finishes.writeResponses(finish)
  const ended = reason === undefined ? "completed" : "incomplete"
  return {
    id: `resp_${options.id}`,
    object: "response",
    created_at: options.createdS,
    completed_at: null,
    status: finish === undefined ? "in_progress" : ended,
    error: null,
    incomplete_details: reason === undefined ? null : { reason },
    model: options.model,
    output,
    ...repeated(options),
    access_programs: null,
    usage: finish === undefined ? null : Usages.responses(usage ?? Usages.none, additions.usage),
    ...additions.members,
  }
}
