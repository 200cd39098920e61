import * as Fs from "node:fs"
import * as Path from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Redacted } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"
import * as AgentProcess from "../AgentProcess.ts"
import * as Hub from "../../src/models/Hub.ts"
import * as HubRequest from "../../src/models/HubRequest.ts"
import * as HubSettings from "../../src/models/HubSettings.ts"
import * as Pulling from "./Pulling.ts"
import { base, bytesOf, gated, gguf, liar, own, Q4, tune } from "./Repos.ts"
import * as ScriptedHub from "./ScriptedHub.ts"

const everything = Effect.gen(function* () {
  const hub = yield* ScriptedHub.make([base, gguf, own, tune, liar, gated])
  return { hub, pulling: yield* Pulling.make({ url: hub.url }) }
})
const text = (words: string) => new TextEncoder().encode(words)

describe("V7 · what a name finds", () => {
  it.live("a repository with GGUF files is taken as it is, however its name is written", () =>
    Effect.gen(function* () {
      const { hub, pulling } = yield* everything
      const pulled = yield* pulling.pull("QUANTER/poet-8b-gguf")
      assert.strictEqual(pulled.stored.repo, "quanter/Poet-8B-GGUF")
      assert.strictEqual(pulled.stored.label, "Q4_K_M")
      const [also] = pulling.told("Also")
      assert.deepStrictEqual(also?._tag === "Also" && also.among.map(({ label, bytes }) => [label, bytes]), [
        ["IQ4_XS", 90_000],
        ["BF16", 93_000],
        ["Q8_0", 150_000],
      ])
      assert.isFalse(hub.seen.some(({ path }) => path.startsWith("/api/models?")))
    }).pipe(Effect.scoped),
  )

  it.live("for a model without any, its own organisation goes first, then downloads; tunes of it never count", () =>
    Effect.gen(function* () {
      const { hub, pulling } = yield* everything
      assert.strictEqual((yield* pulling.pull("Acme/Poet-8B:Q8_0")).stored.repo, "Acme/Poet-8B-GGUF")
      assert.strictEqual((yield* pulling.pull("Acme/Poet-8B:Q4_K_M")).stored.repo, "quanter/Poet-8B-GGUF")
      const pulled = yield* pulling.pull("acme/poet-8b:iq4_xs")
      assert.strictEqual(pulled.id, "Acme/Poet-8B")
      assert.strictEqual(pulled.stored.license, "apache-2.0")
      assert.isTrue(
        hub.seen.some(({ path }) => path.includes("filter=gguf&filter=base_model%3Aquantized%3AAcme%2FPoet-8B")),
      )
    }).pipe(Effect.scoped),
  )

  it.live("where the hub lists nobody, those of the same name count that name no other origin", () =>
    Effect.gen(function* () {
      const hub = yield* ScriptedHub.make([
        base,
        { ...gguf, id: "bartowski/Acme_Poet-8B-GGUF", tags: ["gguf", "license:mit"], card: { license: "mit" } },
        { ...tune, id: "evil/Poet-8B-GGUF" },
        liar,
      ])
      const pulling = yield* Pulling.make({ url: hub.url })
      const pulled = yield* pulling.pull("Acme/Poet-8B")
      assert.strictEqual(pulled.stored.repo, "bartowski/Acme_Poet-8B-GGUF")
      hub.publish([base, { ...tune, id: "evil/Poet-8B-GGUF" }])
      const letter = yield* pulling.letter("Acme/Poet-8B")
      assert.strictEqual(letter.reason, "NoGguf")
      assert.include(letter.text, "nobody who quantised it")
    }).pipe(Effect.scoped),
  )

  it.live("nothing that fits, and several that do, are told with their sizes", () =>
    Effect.gen(function* () {
      const files = ["one/a-Q8_0.gguf", "two/b-Q8_0.gguf"].map((path, at) => ({ path, bytes: bytesOf(at, 1_000 + at) }))
      const hub = yield* ScriptedHub.make([base, gguf, own, { id: "x/y-GGUF", files }])
      const pulling = yield* Pulling.make({ url: hub.url })
      const none = yield* pulling.letter("Acme/Poet-8B:Q6_K")
      assert.strictEqual(none.reason, "NoVariant")
      assert.include(none.text, "quanter/Poet-8B-GGUF: IQ4_XS (90.0 kB)")
      const several = yield* pulling.letter("x/y-GGUF")
      assert.include(several.text, "one/a-Q8_0.gguf (1.00 kB), two/b-Q8_0.gguf (1.00 kB)")
      assert.include(several.text, "--model x/y-GGUF/one/a-Q8_0.gguf")
      const named = yield* pulling.pull("x/y-GGUF/two/b-Q8_0.gguf", true)
      assert.strictEqual(named.stored.files[0].path, "two/b-Q8_0.gguf")
    }).pipe(Effect.scoped),
  )

  it.live("a repository that was renamed is followed, and a revision is held to", () =>
    Effect.gen(function* () {
      const commit = ScriptedHub.commitOf(gguf)
      const hub = yield* ScriptedHub.make([{ ...gguf, formerIds: ["old/Name-GGUF"], refs: { "v1.0": commit } }])
      const pulling = yield* Pulling.make({ url: hub.url })
      assert.strictEqual((yield* pulling.pull("old/Name-GGUF")).stored.repo, "quanter/Poet-8B-GGUF")
      assert.strictEqual((yield* pulling.pull("quanter/Poet-8B-GGUF:IQ4_XS@v1.0")).stored.revision, commit)
      assert.strictEqual((yield* pulling.pull(`quanter/Poet-8B-GGUF:IQ4_XS@${commit}`)).stored.revision, commit)
      assert.strictEqual((yield* pulling.letter("quanter/Poet-8B-GGUF@v9")).reason, "NotFound")
    }).pipe(Effect.scoped),
  )

  it.live("all pages of files are read, through a mirror too", () =>
    Effect.gen(function* () {
      const hub = yield* ScriptedHub.make([gguf], { pageSize: 3 })
      const pulling = yield* Pulling.make({ url: hub.url })
      assert.strictEqual((yield* pulling.pull("quanter/Poet-8B-GGUF:bf16")).stored.files.length, 3)
      assert.isAbove(hub.seen.filter(({ path }) => path.includes("cursor=")).length, 1)
    }).pipe(Effect.scoped),
  )
})

describe("V7 · a licence", () => {
  it.live("that is no plain open one is asked about; without an answer nothing is downloaded", () =>
    Effect.gen(function* () {
      const repo = { ...gated, gated: undefined }
      const hub = yield* ScriptedHub.make([
        { id: repo.id, files: repo.files, tags: repo.tags ?? [], card: repo.card ?? {} },
      ])
      const unattended = yield* Pulling.make({ url: hub.url })
      const letter = yield* unattended.letter("shy/Secret-GGUF")
      assert.strictEqual(letter.reason, "LicenseNotAccepted")
      assert.include(letter.text, '"shy-community"')
      assert.include(letter.text, "https://example.com/license")
      assert.include(letter.text, "--yes")
      const no = yield* Pulling.make({ url: hub.url, accepts: false })
      assert.include((yield* no.letter("shy/Secret-GGUF")).text, "nothing was downloaded")
      assert.deepStrictEqual(hub.ranges(), [])
      const yes = yield* Pulling.make({ url: hub.url, accepts: true })
      yield* yes.pull("shy/Secret-GGUF")
      assert.strictEqual(yes.asked.length, 1)
    }).pipe(Effect.scoped),
  )
})

describe("V7 · redirects", () => {
  it.each([
    ["https://cdn.example.com/f", true],
    ["https://us.aws.cdn.hf.co/f?Signature=x", true],
    ["http://cdn.example.com/f", false],
    ["https://169.254.169.254/latest", false],
    ["https://10.0.0.1/", false],
    ["https://2130706433/", false],
    ["https://0x7f.1/", false],
    ["https://[::1]/", false],
    ["https://[::ffff:169.254.169.254]/", false],
    ["https://localhost/", false],
    ["https://a.internal/", false],
    ["https://user:secret@cdn.example.com/", false],
    ["ftp://cdn.example.com/", false],
    ["file:///etc/passwd", false],
    ["data:,x", false],
  ])("from the public hub to %s: %s", (target, isFollowed) => {
    const why = HubRequest.whyUnsafe(new URL(target), new URL("https://huggingface.co"))
    assert.strictEqual(why === undefined, isFollowed, why)
  })

  it("an endpoint of one's own without encryption leads to its own host alone", () => {
    const endpoint = new URL("http://127.0.0.1:8000")
    assert.isUndefined(HubRequest.whyUnsafe(new URL("http://127.0.0.1:9000/f"), endpoint))
    assert.isUndefined(HubRequest.whyUnsafe(new URL("https://cdn.example.com/f"), endpoint))
    assert.isDefined(HubRequest.whyUnsafe(new URL("http://127.0.0.2/f"), endpoint))
    assert.isDefined(HubRequest.whyUnsafe(new URL("http://169.254.169.254/"), endpoint))
  })

  it.live("that are unsafe, or too many, end the download with a letter", () =>
    Effect.gen(function* () {
      const { hub, pulling } = yield* everything
      for (const location of ["http://169.254.169.254/latest/meta-data", "//[fe80::1]/x", "ftp://x/", "http://["]) {
        hub.faults.hub.push({ _tag: "Redirect", location })
        const letter = yield* pulling.letter("quanter/Poet-8B-GGUF")
        assert.strictEqual(letter.reason, "UnsafeRedirect", letter.text)
      }
      for (let hops = 0; hops < 6; hops++) hub.faults.hub.push({ _tag: "Redirect", location: `/again/${hops}` })
      const letter = yield* pulling.letter("quanter/Poet-8B-GGUF")
      assert.include(letter.text, "redirect number 6")
    }).pipe(Effect.scoped),
  )
})

describe("V7 · answers of a hub", () => {
  it.live("that are none, or too large, are refused", () =>
    Effect.gen(function* () {
      const { hub, pulling } = yield* everything
      for (const bytes of [text("<html>"), text("{}"), text('{"id":7}'), new Uint8Array(9 * 1024 * 1024).fill(32)]) {
        hub.faults.hub.push({ _tag: "Send", bytes })
        const letter = yield* pulling.letter("quanter/Poet-8B-GGUF")
        assert.strictEqual(letter.reason, "BadAnswer")
        assert.include(letter.text, "HF_ENDPOINT")
      }
    }).pipe(Effect.scoped),
  )

  it.live("that a model was taken down are told as they are", () =>
    Effect.gen(function* () {
      const { hub, pulling } = yield* everything
      const headers = { "x-error-message": "Access to this resource is disabled." }
      hub.faults.hub.push({ _tag: "Status", status: 403, headers })
      const letter = yield* pulling.letter("quanter/Poet-8B-GGUF")
      assert.strictEqual(letter.reason, "NotFound")
      assert.include(letter.text, "to nobody any more")
    }).pipe(Effect.scoped),
  )

  it.live("with paths that lead out of a folder, or names that move a cursor, do no harm", () =>
    Effect.gen(function* () {
      const hub = yield* ScriptedHub.make([
        {
          id: "x/y-GGUF",
          files: [
            { path: "../../../escape-Q8_0.gguf", bytes: Q4 },
            { path: "/abs-Q4_K_M.gguf", bytes: Q4 },
            { path: "a\u001b[2J-Q2_K.gguf", bytes: Q4 },
            { path: "b-Q3_K.gguf", bytes: Q4 },
          ],
          card: { license: "mit" },
        },
      ])
      const pulling = yield* Pulling.make({ url: hub.url })
      const letter = yield* pulling.letter("x/y-GGUF:Q8_0")
      assert.strictEqual(letter.reason, "NoVariant")
      assert.notInclude(letter.text, "escape")
      assert.notInclude(letter.text, "\u001b")
      const pulled = yield* pulling.pull("x/y-GGUF:Q2_K")
      assert.isTrue(pulled.path.startsWith(pulling.directory))
    }).pipe(Effect.scoped),
  )

  it("ask to wait in seconds, as a date, or in the hub's own header", () => {
    const nowMs = Date.parse("2026-01-01T00:00:00Z")
    assert.strictEqual(HubRequest.waitMs({ "retry-after": "120" }, nowMs), 120_000)
    assert.strictEqual(HubRequest.waitMs({ "retry-after": "Thu, 01 Jan 2026 00:01:00 GMT" }, nowMs), 60_000)
    assert.strictEqual(HubRequest.waitMs({ "retry-after": "Wed, 31 Dec 2025 00:01:00 GMT" }, nowMs), 0)
    assert.strictEqual(HubRequest.waitMs({ ratelimit: '"api";r=0;t=55' }, nowMs), 55_000)
    // The header stands on every answer; only an empty allowance is a reason to wait.
    assert.isUndefined(HubRequest.waitMs({ ratelimit: '"api";r=12;t=55' }, nowMs))
    assert.isUndefined(HubRequest.waitMs({ "retry-after": "soon" }, nowMs))
  })
})

describe("V7 · the variables of the field", () => {
  const load = (variables: Readonly<Record<string, string>>) =>
    HubSettings.load.pipe(
      Effect.provide(NodeServices.layer),
      Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown(variables)),
    )
  const tokenOf = (settings: HubSettings.HubSettings) => settings.token && Redacted.value(settings.token)

  it.effect("name the hub, the token and its file, as other tools read them", () =>
    Effect.gen(function* () {
      const home = yield* AgentProcess.temporaryHome
      const none = yield* load({ HOME: home })
      assert.deepStrictEqual(none, { endpoint: "https://huggingface.co", token: undefined, isOffline: false })
      assert.strictEqual(
        (yield* load({ HOME: home, HF_ENDPOINT: "https://mirror.example/hub/" })).endpoint,
        "https://mirror.example/hub",
      )
      Fs.mkdirSync(Path.join(home, ".cache/huggingface"), { recursive: true })
      Fs.writeFileSync(Path.join(home, ".cache/huggingface/token"), "hf_saved\n")
      assert.strictEqual(tokenOf(yield* load({ HOME: home })), "hf_saved")
      assert.strictEqual(tokenOf(yield* load({ HOME: home, HF_TOKEN: " hf_given " })), "hf_given")
      Fs.writeFileSync(Path.join(home, "elsewhere"), "hf_elsewhere")
      assert.strictEqual(
        tokenOf(yield* load({ HOME: home, HF_TOKEN_PATH: Path.join(home, "elsewhere") })),
        "hf_elsewhere",
      )
      assert.isTrue((yield* load({ HOME: home, HF_HUB_OFFLINE: "1" })).isOffline)
      for (const HF_ENDPOINT of ["nowhere", "ftp://x", "https://u:p@x"]) {
        assert.strictEqual((yield* Effect.flip(load({ HOME: home, HF_ENDPOINT }))).reason, "BadSetting")
      }
      assert.strictEqual((yield* Effect.flip(load({ HOME: home, HF_TOKEN: "a\r\nx: y" }))).reason, "BadSetting")
      assert.notInclude(JSON.stringify(yield* load({ HOME: home })), "hf_saved")
    }).pipe(Effect.scoped),
  )

  it.live("a token never leaves over a line that others can read, but to this machine", () =>
    Effect.gen(function* () {
      const { hub } = yield* everything
      // A client that shows what would be sent, and to whom.
      const sent: Array<string | undefined> = []
      const client = HttpClient.make((request) => {
        sent.push(request.headers["authorization"])
        return Effect.succeed(HttpClientResponse.fromWeb(request, new Response("no", { status: 401 })))
      })
      const settings = { endpoint: "http://mirror.example", token: Redacted.make(ScriptedHub.TOKEN), isOffline: false }
      const mirror = yield* Hub.make(settings).pipe(Effect.provideService(HttpClient.HttpClient, client))
      const error = yield* Effect.flip(mirror.repository("a/b", undefined))
      assert.include(error.message, "address with https")
      assert.deepStrictEqual(sent, [undefined])
      const there = hub.url.replace("127.0.0.1", "localhost")
      const pulling = yield* Pulling.make({ url: there, token: ScriptedHub.TOKEN })
      yield* pulling.provided(Effect.flatMap(Hub.Hub, (one) => one.repository("Acme/Poet-8B", undefined)))
      assert.strictEqual(hub.seen.at(-1)?.headers.authorization, `Bearer ${ScriptedHub.TOKEN}`)
    }).pipe(Effect.scoped),
  )
})
