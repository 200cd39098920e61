import type { Pages } from "./Page.ts"
import * as Samples from "./Samples.ts"

/** Machines that are paired with a member. */
export const devicePages: Pages = {
  "POST /api/devices/pair-code": {
    key: "provider",
    text: "Run the `command` that it answers on the machine, compare the fingerprint that both show, and approve it.",
    answer: {
      code: "418306",
      longCode: "418306-4f2a9c1b7d",
      command: "guildhall-agent pair 418306-4f2a9c1b7d",
      endsAtMs: 1_795_293_600_000,
    },
  },
  "POST /api/devices/pair": {
    key: "device",
    text: "The device signs it with the key that it made. Five wrong codes end a pairing.",
    body: {
      code: "418306",
      name: "attic",
      hardware: {
        gpus: [
          {
            vendor: "nvidia",
            name: "NVIDIA GeForce RTX 4090",
            memoryMib: 24_564,
            memoryKind: "own",
            cudaVersion: "12.4",
          },
        ],
        cpu: { name: "AMD Ryzen 9 7950X", cores: 16, architecture: "x64" },
        memoryMib: 65_536,
        diskFreeMib: 512_000,
        system: { platform: "linux", name: "Debian GNU/Linux 13" },
      },
      versions: { agent: "0.1.0" },
    },
  },
  "GET /api/devices": {
    key: "provider",
    text: "Compare the fingerprint with what the machine shows before you approve.",
  },
  "POST /api/devices/{id}/approve": { key: "provider", text: "From then on it serves without an API key." },
  "POST /api/devices/{id}/refuse": { key: "provider", text: "Its code is used up." },
  "PATCH /api/devices/{id}": { key: "provider", text: "The name is yours alone to see.", body: { name: "attic" } },
  "DELETE /api/devices/{id}": {
    key: "provider",
    text: "Nothing that it signs is taken again. Pair it with a new key instead.",
  },
  "POST /api/devices/{id}/key": {
    key: "device",
    text: "The device keeps its id, its instances and its history.",
    body: { public_key: Samples.publicKey, proof: Samples.signature },
  },
  "POST /api/devices/{id}/wallet": {
    key: "device",
    text: "Both keys sign that they belong together: who bonds or votes has such a wallet.",
    body: {
      market: "local",
      chain_id: 84532,
      device: Samples.publicKey,
      wallet: "0x52908400098527886e0f7030069857d2e4169ee7",
      issued_at_ms: 1_795_293_000_000,
      nonce: `0x${"4f".repeat(32)}`,
      wallet_signature: `0x${"5a".repeat(65)}`,
      device_signature: Samples.signature,
    },
  },
  "POST /api/devices/heartbeat": {
    key: "device",
    text: "The body is that of a signed beat.",
    body: { nonce: "nonce_4f2a9c1b7d", instances: [{ instance_id: Samples.instance, state: "serving", in_flight: 0 }] },
  },
  "POST /api/network/register-gpu": {
    text: "It answers 410 with `pair_instead`, whatever is sent, and says how a machine is paired.",
  },
}
