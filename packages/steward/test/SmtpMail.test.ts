import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { createServer } from "node:net"
import type { AddressInfo } from "node:net"
import { SMTPServer } from "smtp-server"
import { Mail } from "../src/Mail.ts"
import * as SmtpMail from "../src/SmtpMail.ts"

interface Received {
  readonly to: ReadonlyArray<string>
  readonly text: string
}

/** A mail service on a real port: it refuses who is called nobody for good, and who is called later for now. */
const service = Effect.acquireRelease(
  Effect.promise(async () => {
    const received: Array<Received> = []
    const server = new SMTPServer({
      disabledCommands: ["AUTH", "STARTTLS"],
      onRcptTo: ({ address }, _, callback) => {
        const code = address.startsWith("nobody@") ? 550 : address.startsWith("later@") ? 450 : undefined
        callback(code === undefined ? undefined : Object.assign(new Error("not now"), { responseCode: code }))
      },
      onData: (stream, { envelope }, callback) => {
        const chunks: Array<Buffer> = []
        stream.on("data", (chunk: Buffer) => chunks.push(chunk))
        stream.on("end", () => {
          received.push({ to: envelope.rcptTo.map(({ address }) => address), text: Buffer.concat(chunks).toString() })
          callback()
        })
      },
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    // It listens on a port, so its address is one.
    const { port } = server.server.address() as AddressInfo
    return { received, server, url: `smtp://127.0.0.1:${port}` }
  }),
  ({ server }) => Effect.promise(() => new Promise<void>((resolve) => server.close(() => resolve()))),
)

const message = { to: "ada@buyers.example", subject: "A warning", text: "It is silent.\n", id: "wrn_1" }

const send = (url: string, changes: Partial<typeof message> = {}, limitMs?: number) =>
  Effect.flatMap(Mail, (mail) => mail.send({ ...message, ...changes })).pipe(
    Effect.provide(
      SmtpMail.layer({
        url: Redacted.make(url),
        from: "Market <market@mail.example>",
        ...(limitMs === undefined ? {} : { limitMs }),
      }),
    ),
  )

describe("SmtpMail", () => {
  it.effect("sends a message with its sender, and an id that is the same for every try", () =>
    Effect.gen(function* () {
      const { received, url } = yield* service
      yield* send(url)
      yield* send(url)
      assert.deepStrictEqual(
        received.map(({ to }) => to),
        [[message.to], [message.to]],
      )
      for (const { text } of received) {
        assert.match(text, /^From: Market <market@mail\.example>\r$/m)
        assert.match(text, /^Message-ID: <wrn_1@127\.0\.0\.1>\r$/m)
        assert.match(text, /^Subject: A warning\r$/m)
        assert.include(text, "It is silent.")
      }
    }),
  )

  it.effect("tells what will be refused again from what may pass, and repeats no address", () =>
    Effect.gen(function* () {
      const { received, url } = yield* service
      const refused = yield* Effect.flip(send(url, { to: "nobody@buyers.example" }))
      assert.deepStrictEqual([refused.reason, refused.isRetryable], ["Refused", false])
      assert.notInclude(refused.message, "nobody")
      const later = yield* Effect.flip(send(url, { to: "later@buyers.example" }))
      assert.deepStrictEqual([later.reason, later.isRetryable], ["Unavailable", true])
      assert.lengthOf(received, 0)
    }),
  )

  it.effect("writes to one address, whatever that holds, and takes no further line of the head from a subject", () =>
    Effect.gen(function* () {
      const { received, url } = yield* service
      for (const to of [
        "a@b.example, c@d.example",
        "a@b.example>\r\nRCPT TO:<c@d.example",
        "a@b.example\r\nBcc: c@d.example",
      ]) {
        yield* Effect.exit(send(url, { to }))
      }
      assert.isAtMost(Math.max(0, ...received.map(({ to }) => to.length)), 1)
      assert.notInclude(JSON.stringify(received.map(({ to }) => to)), '"c@d.example"')
      yield* send(url, { subject: "A warning\r\nBcc: c@d.example" })
      assert.notMatch(received.at(-1)?.text ?? "", /^Bcc:/im)
    }),
  )

  it.live("gives up on a service that is away or says nothing", () =>
    Effect.gen(function* () {
      const away = yield* Effect.flip(send("smtp://127.0.0.1:1"))
      assert.strictEqual(away.reason, "Unavailable")
      const silent = yield* Effect.acquireRelease(
        Effect.promise(async () => {
          const server = createServer(() => undefined)
          await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
          return server
        }),
        (server) => Effect.sync(() => server.close()),
      )
      const { port } = silent.address() as AddressInfo
      const slow = yield* Effect.flip(send(`smtp://127.0.0.1:${port}`, {}, 50))
      assert.strictEqual(slow.reason, "Unavailable")
    }),
  )

  it.effect("does not speak in the clear to a service elsewhere", () =>
    Effect.gen(function* () {
      const { received, url } = yield* service
      // This is the same service by an address that is not taken for one of this machine.
      const elsewhere = `smtp://[::ffff:127.0.0.1]:${new URL(url).port}`
      const refused = yield* Effect.flip(send(elsewhere))
      assert.deepStrictEqual([refused.reason, refused.detail], ["Unavailable", "It ended with ETLS 500."])
      assert.lengthOf(received, 0)
    }),
  )
})
