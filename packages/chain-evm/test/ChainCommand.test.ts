import { fileURLToPath } from "node:url"
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, FileSystem, Layer, Schema } from "effect"
import { NodeServices } from "@effect/platform-node"
import { Address } from "@guildhall/chain/Address"
import * as CumulativeTree from "@guildhall/chain/CumulativeTree"
import * as RootClaim from "@guildhall/chain/RootClaim"
import * as MarketChain from "@guildhall/core/MarketChain"
import { AssetCode } from "@guildhall/core/Asset"
import * as Anvil from "@guildhall/tools/Anvil"
import * as DeploySettings from "../src/DeploySettings.ts"
import * as Development from "../src/Development.ts"
import * as EvmStakeBook from "../src/EvmStakeBook.ts"
import * as EvmSettlement from "../src/EvmSettlement.ts"
import * as SenderStore from "../src/SenderStore.ts"
import * as Token from "../src/Token.ts"
import * as CommandTrial from "./CommandTrial.ts"
import * as DeployTrial from "./DeployTrial.ts"
import * as SenderTrial from "./SenderTrial.ts"

const { json, run } = CommandTrial

const encode = Schema.encodeSync(Schema.toCodecJson(DeploySettings.DeploySettings))

/** A file with settings of a market that no other test has, and the file's name. */
const settingsFile = Effect.fnUntraced(function* (
  salt: string,
  change: (good: DeploySettings.DeploySettings) => DeploySettings.DeploySettings = (good) => good,
) {
  const tokens = yield* Development.tokens(yield* SenderTrial.address("alice"))
  const options = yield* DeployTrial.options
  const good = Development.settings(tokens, { ...options, salt, epochLengthS: 3_600 })
  return yield* file(JSON.stringify(encode(change(good))))
})

/** The settings that the guide prints, with tokens that are there. */
const guideFile = Effect.gen(function* () {
  const { stake } = yield* Development.tokens(yield* SenderTrial.address("alice"))
  const fs = yield* FileSystem.FileSystem
  const guide = yield* fs.readFileString(fileURLToPath(new URL("../../../docs/deploying.md", import.meta.url)))
  const text = /```json\n([\s\S]*?)```/.exec(guide)?.[1] ?? ""
  return yield* file(text.replaceAll(`0x${"9".repeat(40)}`, stake))
})

const file = Effect.fnUntraced(function* (text: string) {
  const fs = yield* FileSystem.FileSystem
  const name = `${yield* fs.makeTempDirectoryScoped()}/given.json`
  yield* fs.writeFileString(name, text)
  return name
})

const deploy = (settings: string, ...more: ReadonlyArray<string>) => [
  "deploy",
  "--chain",
  "anvil",
  "--settings",
  settings,
  ...more,
]

const Deployed = Schema.Struct({
  ok: Schema.Literal(true),
  created: Schema.Array(Schema.String),
  deployed: Schema.Struct({
    staking: Address,
    settlement: Address,
    rootVault: Address,
    bond: Address,
    channel: Address,
  }),
  definition: Schema.Struct({
    stakeAsset: AssetCode,
    chain: Schema.Struct({ fromBlock: Schema.Int, contracts: MarketChain.Contracts }),
  }),
})

const deployed = Effect.fnUntraced(function* (settings: string) {
  const answer = yield* json(deploy(settings, "--yes"), { key: "alice" })
  return yield* Schema.decodeUnknownEffect(Deployed)(answer)
})

const ground = SenderTrial.sender().pipe(
  Layer.provideMerge(
    Layer.mergeAll(SenderTrial.rpc(), SenderTrial.signer("alice", ...DeployTrial.names), SenderStore.layerMemory),
  ),
)

const world = Layer.mergeAll(ground, NodeServices.layer).pipe(Layer.provideMerge(Anvil.layer()))

layer(world, { excludeTestServices: true })("guildhall chain", (it) => {
  it.effect("shows what a deployment will be, creates it on a yes, and has nothing to do the second time", () =>
    Effect.gen(function* () {
      const anvil = yield* Anvil.Anvil
      const settings = yield* settingsFile("first")
      const alice = yield* SenderTrial.address("alice")
      const nonce = yield* SenderTrial.nonceOf(alice)
      const look = yield* run(deploy(settings, "--dry-run"))
      assert.isTrue(look.isDone, look.told)
      for (const words of ["roles, each changed 7 d", "epochs of 1 h", "Nothing was sent"])
        assert.include(look.out, words)
      const unasked = yield* json(deploy(settings), { key: "alice" })
      assert.deepInclude(unasked, { isDone: false, ok: false, reason: "NotConfirmed" })
      const guide = yield* run(deploy(yield* guideFile, "--dry-run"))
      assert.include(guide.out, "to be created", guide.told)
      assert.strictEqual(yield* SenderTrial.nonceOf(alice), nonce)
      const first = yield* deployed(settings)
      assert.lengthOf(first.created, 6)
      for (const address of [first.deployed.staking, first.deployed.settlement]) assert.include(look.out, address)
      assert.strictEqual(yield* SenderTrial.nonceOf(alice), nonce + 6)
      const again = yield* deployed(settings)
      assert.deepStrictEqual(again, { ...first, created: [] })
      assert.strictEqual(yield* SenderTrial.nonceOf(alice), nonce + 6)
      const { fromBlock } = first.definition.chain
      const at = (block: number) => anvil.request("eth_getCode", [first.deployed.staking, `0x${block.toString(16)}`])
      assert.strictEqual(yield* at(fromBlock - 1), "0x")
      assert.notStrictEqual(yield* at(fromBlock), "0x")
    }),
  )

  it.effect("goes on after a run that was stopped with a transaction in the pool, and pays for nothing twice", () =>
    Effect.gen(function* () {
      const anvil = yield* Anvil.Anvil
      const settings = yield* settingsFile("stopped")
      const bob = yield* SenderTrial.address("bob")
      const nonce = yield* SenderTrial.nonceOf(bob)
      const pending = Effect.map(anvil.request("eth_getTransactionCount", [bob, "pending"]), Number)
      yield* anvil.request("evm_setAutomine", [false])
      const first = yield* Effect.forkChild(run(deploy(settings, "--yes"), { key: "bob" }))
      yield* SenderTrial.until(Effect.map(pending, (count) => count === nonce + 1))
      yield* Fiber.interrupt(first)
      const told: Array<string> = []
      const second = yield* Effect.forkChild(run(deploy(settings, "--yes"), { key: "bob", told }))
      yield* SenderTrial.until(Effect.sync(() => told.join().includes("has sent a transaction that waits")))
      assert.strictEqual(yield* pending, nonce + 1)
      yield* anvil.request("evm_setAutomine", [true])
      yield* anvil.mine(1)
      const { isDone, out } = yield* Fiber.join(second)
      assert.isTrue(isDone, told.join())
      assert.include(out, `"staking": "`)
      assert.strictEqual(yield* SenderTrial.nonceOf(bob), nonce + 6)
    }),
  )

  it.effect("says what is wrong with what it was given, before anything is sent", () =>
    Effect.gen(function* () {
      const anvil = yield* Anvil.Anvil
      const good = yield* settingsFile("letters")
      const key = "alice"
      const nonce = yield* SenderTrial.nonceOf(yield* SenderTrial.address(key))
      const poor = yield* anvil.account("poor")
      yield* anvil.request("anvil_setBalance", [poor.address, "0x0"])
      const cases: ReadonlyArray<readonly [string, ReadonlyArray<string>, CommandTrial.Trial?]> = [
        ["There is no key", deploy(good, "--yes"), {}],
        ["cannot pay for it", deploy(good, "--yes"), { key: "poor" }],
        ["is not that of", deploy(good, "--yes", "--by", poor.address), { key }],
        ["Too few endpoints", deploy(good, "--yes"), { key, url: "http://127.0.0.1:1" }],
        ["serves chain 31337, not 8453", ["deploy", "--chain", "8453", "--settings", good, "--yes"], { key }],
        ["No chain is known", ["deploy", "--chain", "moon", "--settings", good], { key }],
        ["it is empty", deploy(yield* file(" "), "--yes"), { key }],
        ["there is no such file", deploy(`${good}.not`, "--yes"), { key }],
        ["roles: it is missing", deploy(yield* file("{}"), "--yes"), { key }],
        [
          "bond.cooldownS: 10 s is too short, for an offence could be shown after its bond has left",
          deploy(yield* settingsFile("short", (at) => ({ ...at, bond: { ...at.bond, cooldownS: 10 } })), "--yes"),
          { key },
        ],
        [
          "is no token",
          deploy(yield* settingsFile("none", (at) => ({ ...at, staking: { ...at.staking, token: at.roles.pauser } }))),
          { key },
        ],
        ["it is empty", ["claim", "--proof", yield* file("")], { key }],
        ["is not the answer of GET", ["claim", "--proof", yield* file("{}")], { key }],
        ["GUILDHALL_PROVIDER_KEY", ["claim", "--proof", "https://market.example"], { key }],
        ["has no chain", ["check"], {}],
      ]
      for (const [words, args, trial] of cases) {
        const { isDone, told } = yield* run(args, trial)
        assert.isFalse(isDone, words)
        assert.include(told, words)
      }
      assert.strictEqual(yield* SenderTrial.nonceOf(yield* SenderTrial.address(key)), nonce)
    }),
  )

  it.effect("pays a provider by its proof, once, and refuses one that is changed or of another epoch", () =>
    Effect.gen(function* () {
      const anvil = yield* Anvil.Anvil
      const { deployed: at } = yield* deployed(yield* settingsFile("first"))
      const alice = yield* SenderTrial.address("alice")
      const { usd: token } = yield* Development.tokens(alice)
      yield* Development.fund({
        idempotencyKey: "claims",
        by: alice,
        token,
        settlement: at.settlement,
        funded: 900n,
        boost: 0n,
      })
      const settlement = yield* EvmSettlement.make({ address: at.settlement })
      const account = yield* SenderTrial.address("provider")
      const domain = { chainId: 31_337, contract: at.rootVault, token }
      /** Settles the next hour, and answers as the market does. */
      const settled = Effect.fnUntraced(function* (epoch: number, cumulative: bigint, gross: bigint) {
        const tree = CumulativeTree.make(domain, [
          { account, cumulative },
          { account: alice, cumulative: 7n },
        ])
        const by = yield* SenderTrial.address("operator")
        const asked = { by, token, epoch }
        const propose = { ...asked, kind: "Root", commitment: tree.root, gross, boost: 0n } as const
        yield* settlement.act({ _tag: "ProposeEpoch", idempotencyKey: `propose ${epoch}`, ...propose })
        yield* anvil.advance(61)
        yield* settlement.act({ _tag: "ApplyRoot", idempotencyKey: `apply ${epoch}`, ...asked })
        const proof = tree.proofs[0] ?? []
        const call = { to: at.rootVault, data: RootClaim.data({ token, account, cumulative, proof }) }
        const proofs = [{ account, amount: "1", cumulative: `${cumulative}`, leaf: "0x", proof, call }]
        return { epoch, kind: "root", chainId: 31_337, contract: at.rootVault, token, root: tree.root, proofs }
      })
      const claim = (answer: unknown, trial: CommandTrial.Trial, ...more: ReadonlyArray<string>) =>
        Effect.flatMap(file(JSON.stringify(answer)), (name) => run(["claim", "--proof", name, ...more], trial))
      const now = Math.floor((yield* anvil.nowS) / 3_600)
      const early = yield* settled(now - 2, 100n, 107n)
      const keyless = yield* claim(early, {})
      assert.isFalse(keyless.isDone)
      assert.include(keyless.told, `to ${at.rootVault}, data 0x`)
      const dry = yield* claim(early, {}, "--dry-run")
      // Of 107 settled, a tenth is the treasury's.
      assert.include(dry.out, "can claim 0.000096 USDC")
      assert.include(dry.out, "0.000004 USDC are not in the vault yet")
      assert.strictEqual(yield* Token.balance(token, account), 0n)
      const late = yield* settled(now - 1, 150n, 70n)
      const key = "bob"
      const stale = yield* claim(early, { key })
      assert.isFalse(stale.isDone)
      assert.include(stale.told, `The proof is of epoch ${now - 2}, and the chain pays by another root now.`)
      const changed = { ...late, proofs: late.proofs.map((one) => ({ ...one, cumulative: "900" })) }
      assert.include((yield* claim(changed, { key })).told, "account, amount or proof was changed")
      const foreign = yield* claim({ ...late, contract: at.settlement }, { key })
      assert.include(foreign.told, "is not the market's RootVault")
      const paid = yield* claim(late, { key })
      assert.isTrue(paid.isDone, paid.told)
      assert.include(paid.out, "was paid 0.00015 USDC")
      assert.strictEqual(yield* Token.balance(token, account), 150n)
      const again = yield* claim(late, { key })
      assert.isTrue(again.isDone, again.told)
      assert.include(again.out, "nothing is left to claim")
      assert.strictEqual(yield* Token.balance(token, account), 150n)
    }),
  )

  it.effect("stakes, and gives back when the cooldown is over", () =>
    Effect.gen(function* () {
      const anvil = yield* Anvil.Anvil
      const { deployed: at } = yield* deployed(yield* settingsFile("first"))
      const by = yield* SenderTrial.address("alice")
      const { stake: token } = yield* Development.tokens(by)
      const to = yield* SenderTrial.address("bob")
      yield* Development.mint({ idempotencyKey: "to stake", by, token, to, amount: 2_000n * 10n ** 18n })
      const where = ["--chain", "anvil", "--contract", at.staking, "--yes"]
      const act = (...args: ReadonlyArray<string>) => run([...args, ...where], { key: "bob" })
      const staked = yield* act("stake", "1500.5")
      assert.include(staked.out, "has 1,500.5 GLD staked")
      assert.match(staked.out, /What was added counts for a tier from \d{4}-\d\d-\d\d \d\d:\d\d UTC on/)
      assert.include((yield* act("unstake", "400")).out, "400 GLD to be withdrawn from")
      const more = yield* act("unstake", "100", "--dry-run")
      assert.include(more.out, "The 400 GLD that were asked for before wait as long again")
      assert.include(more.out, "Nothing was sent.")
      assert.include((yield* act("cancel-unstake")).out, "has 1,500.5 GLD staked")
      assert.include((yield* act("unstake", "500")).out, "500 GLD to be withdrawn from")
      yield* anvil.advance(7 * 86_400)
      assert.include((yield* act("withdraw")).out, "has 1,000.5 GLD staked")
      assert.strictEqual(yield* Token.balance(token, to), (2_000n * 10n ** 18n * 9_995n) / 20_000n)
    }),
  )

  it.effect("refuses what the staking contract would, before anything is sent, with what to do", () =>
    Effect.gen(function* () {
      const anvil = yield* Anvil.Anvil
      const { deployed: at } = yield* deployed(yield* settingsFile("refused"))
      const by = yield* SenderTrial.address("alice")
      const { stake: token } = yield* Development.tokens(by)
      const whole = 10n ** 18n
      const to = yield* SenderTrial.address("carol")
      yield* Development.mint({ idempotencyKey: "to stake and to yield", by, token, to, amount: 100n * whole })
      yield* Development.mint({ idempotencyKey: "yield", by, token, to: by, amount: 50n * whole })
      const where = ["--chain", "anvil", "--contract", at.staking, "--yes"]
      const act = (...args: ReadonlyArray<string>) => run([...args, ...where], { key: "carol" })
      const nonce = anvil.request("eth_getTransactionCount", [to, "latest"])
      const before = yield* nonce
      const refusals = [
        [["stake", "1e3"], '"1e3" is no amount of GLD'],
        [["stake", "300"], `${to} has 100 GLD to stake, not 300 GLD. Nothing was sent.`],
        [["unstake", "1"], `${to} has 0 GLD staked, not 1 GLD. Nothing was sent.`],
        [["cancel-unstake"], `${to} has asked for nothing back. Nothing was sent.`],
        [["withdraw"], "It can be withdrawn 7 d after that."],
        [["claim-rewards"], `${to} has no rewards to claim. Nothing was sent.`],
      ] as const
      for (const [args, told] of refusals) {
        const refused = yield* act(...args)
        assert.isFalse(refused.isDone, told)
        assert.include(refused.told, told)
      }
      assert.strictEqual(yield* nonce, before)
      yield* act("stake", "100")
      yield* act("unstake", "40")
      const early = yield* act("withdraw")
      assert.isFalse(early.isDone)
      assert.match(early.told, /40 GLD can be withdrawn from .* UTC on, in (7 d|6 d 23 h)\. Nothing/)
      const book = yield* EvmStakeBook.make({ address: at.staking })
      yield* book.act({ _tag: "FundRewards", idempotencyKey: "to yield", by, amount: 50n * whole })
      yield* anvil.advance(86_400)
      const paid = yield* act("claim-rewards")
      assert.isTrue(paid.isDone, paid.told)
      assert.isAbove(Number(yield* Token.balance(token, to)), 0)
    }),
  )

  it.effect("finds contracts that are ours in order, and says of the others what to do", () =>
    Effect.gen(function* () {
      const anvil = yield* Anvil.Anvil
      const { deployed: at, definition } = yield* deployed(yield* settingsFile("first"))
      const by = yield* SenderTrial.address("alice")
      const { usd, stake } = yield* Development.tokens(by)
      yield* Development.mint({ idempotencyKey: "to fund", by, token: usd, to: by, amount: 3_000_000n })
      const USD = AssetCode.make("USD")
      const chain = yield* Schema.decodeUnknownEffect(Schema.toCodecJson(MarketChain.MarketChain))({
        ...definition.chain,
        id: 31_337,
        tokens: { USD: { address: usd, decimals: 6 }, GLD: { address: stake, decimals: 18 } },
        settlement: { asset: USD, kind: "root", epochMs: 3_600_000, sources: { card: { afterMs: 0 } } },
      })
      const stakeAsset = AssetCode.make("GLD")
      const checked = (changed: Partial<MarketChain.MarketChain>) =>
        run(["check"], { market: { name: "tried", stakeAsset, chain: { ...chain, ...changed } } })
      const right = yield* checked({})
      assert.isTrue(right.isDone, right.out)
      assert.include(right.out, "7 contracts are ours")
      assert.include(right.out, "for claims by root 0.000009 USDC")
      const market = { name: "tried", stakeAsset, chain }
      const fund = (amount: string, ...flags: ReadonlyArray<string>) =>
        json(["fund", amount, "--boost", "--yes", ...flags], { key: "alice", market })
      assert.deepInclude(yield* fund("9000000"), { isDone: false, reason: "TooLittle" })
      assert.deepInclude(yield* fund("2.5", "--dry-run"), { isDone: true, dryRun: true, amount: "2500000", has: "0" })
      assert.deepInclude(yield* fund("2.5"), { isDone: true, pool: "boost pool", has: "2500000" })
      const { contracts, settlement, tokens } = chain
      const wrong: ReadonlyArray<readonly [string, Partial<MarketChain.MarketChain>]> = [
        [`${usd} is not the market's Staking`, { contracts: { ...contracts, staking: usd } }],
        [`${at.bond} is not the market's ProviderBond`, { contracts: { ...contracts, insurance: at.channel } }],
        ["An epoch is 3600 s for the contract", { settlement: { ...settlement, epochMs: 60_000 } }],
        ["has 6 decimals, not 4", { tokens: { ...tokens, [USD]: { address: usd, decimals: 4 } } }],
        ["names no contracts", { contracts: {} }],
      ]
      for (const [words, changed] of wrong) {
        const { isDone, out } = yield* checked(changed)
        assert.isFalse(isDone, words)
        assert.include(out, words)
      }
      const pauser = yield* SenderTrial.address("pauser")
      yield* anvil.request("anvil_impersonateAccount", [pauser])
      yield* anvil.request("eth_sendTransaction", [{ from: pauser, to: at.settlement, data: "0x8456cb59" }])
      const paused = yield* checked({})
      assert.isFalse(paused.isDone)
      assert.include(paused.out, "Settlement is paused until")
    }),
  )
})
