import * as Schema from "effect/Schema"

/** A file that cannot be read, or written, as a letter. */
export class FileProblem extends Schema.TaggedError<FileProblem>()("FileProblem", { detail: Schema.String }) {
  override get message(): string {
    return this.detail
  }
}

/** Flags that say nothing, or nonsense. */
export class FlagProblem extends Schema.TaggedError<FlagProblem>()("InvalidFlags", { detail: Schema.String }) {
  override get message(): string {
    return this.detail
  }
}
