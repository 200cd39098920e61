/**
 * The command line's `catalogue`: which models' tokens are counted exactly, and by which files.
 *
 * @since 0.1.0
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { tell } from "@guildhall/core/CommandFailure"
import { ModelId } from "@guildhall/core/Model"
import { TokenCatalogue, TokenCatalogueError } from "./TokenCatalogue.ts"

const json = Flag.Boolean("json").pipe(Flag.withDescription("Print one JSON object"), Flag.withDefault(false))

const decodeModel = Schema.decodeUnknownEffect(ModelId)

const add = Command.make(
  "add",
  {
    model: Argument.String("model").pipe(Argument.withDescription("The model's id on the market: org/model")),
    file: Argument.String("file").pipe(
      Argument.withDescription("A .gguf file, or a tokenizer.json with its tokenizer_config.json beside it"),
    ),
    template: Flag.String("template").pipe(
      Flag.withDescription("A chat template (Jinja) to take instead of the file's own"),
      Flag.optional,
    ),
    json,
  },
  Effect.fnUntraced(
    function* (given) {
      const catalogue = yield* TokenCatalogue
      const model = yield* Effect.mapError(
        decodeModel(given.model),
        () => new TokenCatalogueError({ file: given.file, detail: `"${given.model}" is no model's id.` }),
      )
      const entry = yield* catalogue.add(model, given.file, Option.getOrUndefined(given.template))
      if (given.json) return yield* Console.log(JSON.stringify(entry))
      yield* Console.log(`${entry.model} is counted with the tokenizer ${entry.tokenizer}`)
      yield* Console.log(
        entry.template === undefined
          ? "  and no chat template: its answers are counted, its conversations are not. Give one with --template."
          : `  and the chat template ${entry.template}`,
      )
    },
    (effect, given) => Effect.catchTag(effect, "TokenCatalogueError", (error) => tell(error, given.json)),
  ),
).pipe(
  Command.withDescription("Add a model's tokenizer and chat template, in place of those it had"),
  Command.withExamples([
    { command: "guildhall catalogue add org/model model.gguf", description: "Count as llama.cpp does with this file" },
    {
      command: "guildhall catalogue add org/model folder/tokenizer.json",
      description: "Count as vLLM and other servers do that read Hugging Face's files",
    },
  ]),
)

const list = Command.make(
  "list",
  { json },
  Effect.fnUntraced(
    function* (given) {
      const catalogue = yield* (yield* TokenCatalogue).list
      if (given.json) return yield* Console.log(JSON.stringify(catalogue))
      if (catalogue.models.length === 0) return yield* Console.log("No model is in the catalogue.")
      for (const { from, model, template, tokenizer } of catalogue.models) {
        yield* Console.log(
          `${model}  tokenizer ${tokenizer.slice(0, 16)}  template ${template?.slice(0, 16) ?? "none"}  from ${from}`,
        )
      }
    },
    (effect, given) => Effect.catchTag(effect, "TokenCatalogueError", (error) => tell(error, given.json)),
  ),
).pipe(Command.withDescription("List the models whose tokens are counted exactly"))

/**
 * The command, over a catalogue.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <E, R>(catalogue: Layer.Layer<TokenCatalogue, E, R>) =>
  Command.make("catalogue").pipe(
    Command.withDescription("The tokenizers by which tokens are counted exactly"),
    Command.withSubcommands([add, list]),
    Command.provide(catalogue),
  )
