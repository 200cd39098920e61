/**
 * What devices sign of themselves, on its way in: it is kept, a device that contradicts itself is noted in the journal with both
 * signatures, and receipts name what is held.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Schedule from "effect/Schedule"
import type { DeviceId, DevicePublicKey } from "@guildhall/core/Device"
import { isAttested, type Instance } from "@guildhall/core/Instance"
import type { Receipt } from "@guildhall/core/Receipt"
import { Journal } from "@guildhall/journal/Journal"
import type { SignedText } from "@guildhall/journal/JournalEntry"
import type { Attested, KeyedHead } from "@guildhall/protocol/provider/Attested"
import * as SignedCommitment from "@guildhall/protocol/provider/SignedCommitment"
import { headBytes, lineBytes, type UsageReport } from "@guildhall/protocol/provider/UsageLog"
import { Attestations, digest } from "@guildhall/registry/Attestations"
import type { Named } from "@guildhall/registry/AttestationStore"
import { RegistryError } from "@guildhall/registry/RegistryError"

/**
 * What a receipt names of what a device has signed.
 *
 * @category models
 * @since 0.1.0
 */
export type Names = Pick<Receipt, "commitment" | "usageHead">

/** A device, by the key that signed the message that is being heard. */
interface Signer {
  readonly id: DeviceId
  readonly publicKey: DevicePublicKey
}

/**
 * The service. Statements of a device must come in a message that it has signed.
 *
 * - `commit` takes what the device says that it serves.
 * - `report` takes the head of its usage log, with the lines that lead to it, whose chain is checked already. `behind` where the
 *   market holds a later one that the report does not reach: then the device goes on from that one, which `held` tells.
 * - `of` is what a receipt of an instance names, as this gateway knows it; it learns what others hear within seconds.
 *
 * @category services
 * @since 0.1.0
 */
export class Attestation extends Context.Service<
  Attestation,
  {
    readonly commit: (
      signer: Signer,
      statement: SignedCommitment.SignedCommitment,
    ) => Effect.Effect<void, RegistryError>
    readonly report: (
      signer: Signer,
      report: UsageReport,
    ) => Effect.Effect<"taken" | "behind" | "forked", RegistryError>
    readonly held: (id: DeviceId) => Effect.Effect<Attested, RegistryError>
    readonly of: (instance: Pick<Instance, "deviceId" | "devicePublicKey">) => Names | undefined
  }
>()("@guildhall/gateway/Attestation") {}

const forks = Metric.counter("guildhall_device_equivocations", {
  description: "Statements of devices that contradict what they had signed before, by reason.",
})

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

const commitmentText = (statement: SignedCommitment.SignedCommitment): SignedText => ({
  publicKey: statement.device,
  text: text(SignedCommitment.bytes(statement)),
  signature: statement.signature,
})

const headText = (head: KeyedHead): SignedText => ({
  publicKey: head.device,
  text: text(headBytes(head.device, head)),
  signature: head.signature,
})

/** What a gateway knows of what receipts name. */
class Known {
  readonly #devices = new Map<DeviceId, Names>()

  of(id: DeviceId): Names | undefined {
    return this.#devices.get(id)
  }

  /** A head that another gateway heard may come after a later one that was heard here. */
  learn({ commitment, deviceId, usageHead }: Named): void {
    const known = this.#devices.get(deviceId)
    const isOlder = (known?.usageHead?.number ?? -1) > (usageHead?.number ?? -1)
    const head = isOlder ? known?.usageHead : usageHead
    this.#devices.set(deviceId, {
      ...(commitment === undefined ? {} : { commitment }),
      ...(head === undefined ? {} : { usageHead: head }),
    })
  }
}

/** How often a gateway asks what the others heard. */
const EVERY_MS = 2_000

/**
 * Makes the service, which follows what is held for as long as the scope is open.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function* () {
  const attestations = yield* Attestations
  const journal = yield* Journal
  const known = new Known()
  let cursor = 0

  const follow = Effect.gen(function* () {
    const changes = yield* attestations.changes(cursor)
    for (const device of changes.devices) known.learn(device)
    cursor = changes.cursor
  })

  /** One piece of evidence of a kind is enough against a key; a device that signs more of it fills no journal. */
  const note = Effect.fnUntraced(function* (
    deviceId: DeviceId,
    reason: "usage_log_forked" | "commitment_forked",
    former: SignedText,
    latter: SignedText,
    chain: ReadonlyArray<string>,
  ) {
    const id = `equivocation:${reason}:${deviceId}:${latter.publicKey}`
    const atMs = yield* Clock.currentTimeMillis
    yield* Metric.update(Metric.withAttributes(forks, { reason }), 1)
    yield* Effect.logWarning(`${deviceId} contradicts what it had signed (${reason}). The journal keeps both as ${id}.`)
    yield* Effect.mapError(
      journal.append([{ _tag: "DeviceEquivocated", id, deviceId, reason, former, latter, chain, atMs }]),
      (cause) =>
        new RegistryError({ code: "service_unavailable", detail: "The journal is away. Send it again.", cause }),
    )
  })

  yield* follow
  yield* Effect.forkScoped(
    Effect.repeat(
      Effect.catchCause(follow, (cause) => Effect.logWarning("What devices have signed could not be read.", cause)),
      Schedule.spaced(EVERY_MS),
    ),
  )

  return Attestation.of({
    commit: Effect.fn("Attestation.commit")(function* ({ id, publicKey }, statement) {
      if (statement.device !== publicKey) {
        const detail = "The commitment names another key than the one that signs the beat. Sign it anew."
        return yield* new RegistryError({ code: "invalid_signature", detail })
      }
      const taken = yield* attestations.commit(id, statement)
      if (taken._tag === "Forked") {
        return yield* note(id, "commitment_forked", commitmentText(taken.former), commitmentText(statement), [])
      }
      if (taken._tag === "New") known.learn({ ...known.of(id), deviceId: id, commitment: digest(statement) })
    }),
    report: Effect.fn("Attestation.report")(function* ({ id, publicKey }, { head, lines }) {
      const keyed = { device: publicKey, ...head }
      const taken = yield* attestations.report(id, keyed, lines)
      if (taken._tag === "Forked") {
        const { former } = taken
        const chain = lines.filter(({ number }) => number > former.number || number === head.number)
        yield* note(
          id,
          "usage_log_forked",
          headText(former),
          headText(keyed),
          former.number === head.number ? [] : chain.map((line) => text(lineBytes(line))),
        )
        return "forked"
      }
      if (taken._tag === "New") {
        known.learn({ ...known.of(id), deviceId: id, usageHead: { number: head.number, hash: head.hash } })
        if (taken.isGap) {
          yield* Effect.logWarning(`${id} signed line ${head.number} of its usage log, and not what leads to it.`)
        }
      }
      return taken._tag === "Behind" ? "behind" : "taken"
    }),
    held: Effect.fn("Attestation.held")(function* (id) {
      const { commitment, head } = yield* attestations.held(id)
      return {
        ...(commitment === undefined
          ? {}
          : { commitment: { number: commitment.statement.number, digest: commitment.digest } }),
        ...(head === undefined ? {} : { usage_head: head }),
      }
    }),
    of: (instance) => (isAttested(instance) ? known.of(instance.deviceId) : undefined),
  })
})

/**
 * The service as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Attestation, RegistryError, Attestations | Journal> = Layer.effect(Attestation, make)
