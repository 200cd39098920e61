/**
 * PORT. Sends a short message to an e-mail address: by SMTP (`SmtpMail`), or by a layer for a service's own API. Without one the
 * market sends none, and says so to providers who ask for it.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"

/**
 * A message: plain text.
 *
 * @category models
 * @since 0.1.0
 */
export interface Message {
  readonly to: string
  readonly subject: string
  readonly text: string
  /** The same for every try of one message: a service that knows it sends it once. */
  readonly id: string
}

/**
 * Why a message was not taken.
 *
 * @category errors
 * @since 0.1.0
 */
export class MailError extends Schema.TaggedError<MailError>()("MailError", {
  reason: Schema.Literals(["Refused", "Unavailable"]),
  detail: Schema.String,
}) {
  get isRetryable(): boolean {
    return this.reason === "Unavailable"
  }
  override get message(): string {
    return this.reason === "Refused"
      ? `The mail service does not take this message. ${this.detail} Correct the address.`
      : `The mail service did not answer. ${this.detail} Try again later.`
  }
}

/**
 * The port. It succeeds once a service has taken the message.
 *
 * @category services
 * @since 0.1.0
 */
export class Mail extends Context.Service<
  Mail,
  { readonly send: (message: Message) => Effect.Effect<void, MailError> }
>()("@guildhall/steward/Mail") {}

/**
 * Keeps messages in an array: for tests.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory = (sent: Array<Message>): Layer.Layer<Mail> =>
  Layer.succeed(Mail, { send: (message) => Effect.sync(() => void sent.push(message)) })
