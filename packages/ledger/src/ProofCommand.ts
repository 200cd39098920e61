/**
 * The command line's `ledger prove`, `ledger check` and `ledger checkpoint`.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Signature from "effect/crypto/Signature"
import { KeyRing, PublishedKey } from "@guildhall/core/KeyRing"
import { AccountId } from "./Account.ts"
import { Checkpoint, payload, take } from "./Checkpoint.ts"
import { LedgerStore } from "./LedgerStore.ts"
import * as Proof from "./Proof.ts"
import { printable, tell } from "@guildhall/core/CommandFailure"

/** The name of the file of published keys, as the market's home and the well-known address have it. */
const KEYS_FILE = "guildhall-keys.json"

/** Larger files are no proofs and no lists of keys, and are not read. */
const FILE_MAX_BYTES = 1024 * 1024

class Unreadable extends Schema.TaggedError<Unreadable>()("Unreadable", { detail: Schema.String }) {
  override get message(): string {
    return this.detail
  }
}

/** Reads a file, or a pipe, and never more of it than it may have. */
const read = Effect.fnUntraced(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  const chunks = yield* Effect.mapError(
    Stream.runCollect(fs.stream(file, { bytesToRead: FILE_MAX_BYTES + 1 })),
    () => new Unreadable({ detail: `"${file}" is not there, or not a file that you may read.` }),
  )
  const bytes = Buffer.concat(chunks)
  if (bytes.length > FILE_MAX_BYTES) {
    return yield* new Unreadable({ detail: `"${file}" is larger than ${FILE_MAX_BYTES} bytes. Is it the right file?` })
  }
  return bytes.toString("utf8")
})

const decodeKeys = Schema.decodeUnknownEffect(
  Schema.fromJsonString(Schema.Struct({ keys: Schema.Array(PublishedKey) })),
)

/**
 * The list of keys: the file that was named, or the one in the market's home. Not one that lies beside the proof: who sends a
 * proof could send the keys along, and anything would hold.
 */
const findKeys = Effect.fnUntraced(function* (named: Option.Option<string>) {
  const path = yield* Path.Path
  const home = yield* Effect.orElseSucceed(Config.String("GUILDHALL_HOME"), () => ".guildhall")
  const file = Option.getOrElse(named, () => path.join(home, KEYS_FILE))
  const text = yield* Effect.mapError(read(file), (error) =>
    Option.isSome(named)
      ? error
      : new Unreadable({
          detail: `There is no list of keys at ${file}. Download it from the market's /.well-known/${KEYS_FILE}, from the market itself, and name it with --keys.`,
        }),
  )
  const listed = yield* Effect.mapError(
    decodeKeys(text),
    () => new Unreadable({ detail: `"${file}" is not a list of a market's keys, or was cut off. Download it again.` }),
  )
  return { file, keys: listed.keys }
})

const json = Flag.Boolean("json").pipe(Flag.withDescription("Print one JSON object"), Flag.withDefault(false))

const out = Flag.String("out").pipe(
  Flag.withDescription("Write the file here instead of to standard output"),
  Flag.optional,
)

/** Writes a file, or prints it. */
const deliver = Effect.fnUntraced(function* (text: string, file: Option.Option<string>, next: string) {
  if (Option.isNone(file)) return yield* Console.log(text)
  const fs = yield* FileSystem.FileSystem
  yield* Effect.mapError(
    fs.writeFileString(file.value, `${text}\n`),
    () => new Unreadable({ detail: `"${file.value}" cannot be written. Name another file with --out.` }),
  )
  yield* Console.error(
    `Written to ${file.value}, ${Buffer.byteLength(text) + 1} bytes. ${next.replace("FILE", file.value)}`,
  )
})

const isAccountId = Schema.is(AccountId)

const subjectOf = (text: string): ReadonlyArray<Proof.Subject> => {
  if (/^\d{1,18}$/.test(text)) return [{ sequence: BigInt(text) }, { key: text }]
  return isAccountId(text) ? [{ account: text }, { key: text }] : [{ key: text }]
}

/**
 * The command `prove <account|entry|key>` over the book of this number: a small file that proves an entry to whoever has the
 * market's published keys.
 *
 * @category commands
 * @since 0.1.0
 */
export const prove = (book: number) =>
  Command.make(
    "prove",
    {
      subject: Argument.String("subject").pipe(
        Argument.withDescription("An account, for its last posting; an entry's number; or its idempotency key"),
      ),
      out,
    },
    (flags) =>
      Effect.gen(function* () {
        const proof = yield* Effect.firstSuccessOf(subjectOf(flags.subject).map((subject) => Proof.make(subject, book)))
        const text = yield* Schema.encodeEffect(Proof.Json)(proof)
        yield* deliver(text, flags.out, `Check it anywhere: guildhall ledger check FILE --keys ${KEYS_FILE}`)
      }).pipe(Effect.catch((error) => tell(error, false))),
  ).pipe(
    Command.withDescription("Write a file that proves an entry, and an account's balance after it, to anybody"),
    Command.withExamples([
      { command: "guildhall ledger prove buyer:card:mem_1 --out proof.json", description: "The buyer's last posting" },
      { command: "guildhall ledger prove 4711", description: "Entry 4711" },
    ]),
  )

const time = (ms: number): string => DateTime.formatIso(DateTime.makeUnsafe(ms))

const letter = (proved: Proof.Proved, keysFile: string): ReadonlyArray<string> => {
  const { checkpoint, detail, effectiveAtMs, hold, idempotencyKey, kind, legs, postedAtMs, sequence } = proved
  const width = Math.max(0, ...legs.map(({ account }) => account.length))
  return [
    `entry ${sequence} of book ${checkpoint.book}: ${kind} ${idempotencyKey}`,
    `  posted ${time(postedAtMs)}${effectiveAtMs === postedAtMs ? "" : `, counts at ${time(effectiveAtMs)}`}`,
    ...(hold === null ? [] : [`  of the hold ${hold}`]),
    ...(detail === null ? [] : [`  ${JSON.stringify(detail)}`]),
    ...legs.map(({ account, amount, balance }) => `  ${account.padEnd(width)}  ${amount}, after it ${balance}`),
    `  checkpoint of ${checkpoint.size} entries at ${time(checkpoint.atMs)}, signed by ${checkpoint.signature.keyId}`,
    `  keys from ${keysFile}`,
    "",
    "The proof holds: the entry is in the history, and says this. Later entries may have moved the accounts again.",
    ...(legs.length === 0 ? [] : ["Amounts are in the smallest units of the account's asset."]),
  ]
}

const jsonText = (proved: Proof.Proved, keysFile: string): string =>
  JSON.stringify({
    holds: true,
    keys: keysFile,
    sequence: proved.sequence.toString(),
    kind: proved.kind,
    idempotencyKey: proved.idempotencyKey,
    postedAt: time(proved.postedAtMs),
    effectiveAt: time(proved.effectiveAtMs),
    hold: proved.hold,
    detail: proved.detail,
    legs: proved.legs.map(({ account, amount, balance }) => ({
      account,
      amount: amount.toString(),
      balance: balance.toString(),
    })),
    checkpoint: {
      book: proved.checkpoint.book,
      size: proved.checkpoint.size.toString(),
      at: time(proved.checkpoint.atMs),
      keyId: proved.checkpoint.signature.keyId,
    },
  })

const Crypto = Signature.layerWebCrypto.pipe(Layer.provide(SecureRandom.layerWebCrypto))

/**
 * The command `check <file>`: whether a proof holds. Works without a ledger and without a connection.
 *
 * @category commands
 * @since 0.1.0
 */
export const check = Command.make(
  "check",
  {
    file: Argument.String("file").pipe(Argument.withDescription("The proof, as guildhall ledger prove wrote it")),
    keys: Flag.String("keys").pipe(
      Flag.withDescription(`The market's keys; otherwise ${KEYS_FILE} in GUILDHALL_HOME`),
      Flag.optional,
    ),
    json,
  },
  (flags) =>
    Effect.gen(function* () {
      const proof = yield* Effect.flatMap(read(flags.file), Proof.parse)
      const { file, keys } = yield* findKeys(flags.keys)
      const proved = yield* Effect.provide(Proof.check(proof, keys), Crypto)
      if (flags.json) return yield* Console.log(jsonText(proved, file))
      // A proof comes from anywhere, and nothing in it may begin a line of its own.
      for (const line of letter(proved, file)) yield* Console.log(printable(line).replaceAll("\n", "\ufffd"))
    }).pipe(Effect.catch((error) => tell(error, flags.json))),
).pipe(
  Command.withDescription("Check a proof offline, with the market's published keys"),
  Command.withExamples([
    { command: "guildhall ledger check proof.json", description: "Whether it holds, and what it says" },
  ]),
)

/**
 * The command `checkpoint` over the book of this number: states where the history stands, signed. Keep it, and give it to
 * `verify --checkpoint` later.
 *
 * @category commands
 * @since 0.1.0
 */
export const checkpoint = (book: number) =>
  Command.make("checkpoint", { out }, (flags) =>
    Effect.gen(function* () {
      const store = yield* LedgerStore
      const taken = yield* store.snapshot((view) => take(view, book))
      const text = yield* Schema.encodeEffect(Schema.fromJsonString(Checkpoint))(taken)
      yield* deliver(text, flags.out, "Keep it elsewhere, and later: guildhall ledger verify --checkpoint FILE")
    }).pipe(Effect.catch((error) => tell(error, false))),
  ).pipe(Command.withDescription("State where the history stands, signed, to hold it to that later"))

/**
 * Reads a checkpoint's file. It must be of this book, and signed by the key ring in context: whoever can swap the file must not
 * be able to make one.
 *
 * @category schemas
 * @since 0.1.0
 */
export const readCheckpoint = Effect.fnUntraced(function* (file: string, book: number) {
  const keyRing = yield* KeyRing
  const refuse = (detail: string) => new Unreadable({ detail })
  const checkpoint = yield* Effect.mapError(
    Schema.decodeUnknownEffect(Schema.fromJsonString(Checkpoint))(yield* read(file)),
    () => refuse(`"${file}" is not a checkpoint. Take one with: guildhall ledger checkpoint`),
  )
  if (checkpoint.book !== book)
    return yield* refuse(`"${file}" is of book ${checkpoint.book}, and this is book ${book}.`)
  const isSigned = yield* keyRing.verify("checkpoint", payload(checkpoint), checkpoint.signature)
  return isSigned
    ? checkpoint
    : yield* refuse(`"${file}" was not signed by a key of this market, or was changed since. Take another one.`)
})
