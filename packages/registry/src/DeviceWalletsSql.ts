/**
 * The wallets of devices in PostgreSQL.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { DeviceId } from "@guildhall/core/Device"
import * as EvmKey from "@guildhall/protocol/evm/EvmKey"
import { WalletBinding } from "@guildhall/protocol/provider/WalletBinding"
import * as DeviceWallets from "./DeviceWallets.ts"
import * as RegistryTables from "./internal/RegistryTables.ts"
import { corrupt, unavailable } from "./internal/Unavailable.ts"
import type { RegistryError } from "./RegistryError.ts"

const decode = Schema.decodeUnknownEffect(
  Schema.Array(
    Schema.Struct({
      deviceId: DeviceId,
      address: EvmKey.Address,
      boundAtMs: Schema.Int,
      binding: WalletBinding,
    }),
  ),
)

const int8 = (value: number): string => `${value}`

/**
 * Creates the table where it is missing, and answers wallets over it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* RegistryTables.migrate
  return DeviceWallets.make({
    put: ({ address, binding, boundAtMs, deviceId }) =>
      sql`INSERT INTO registry_device_wallets AS w (device_id, address, issued_at_ms, bound_at_ms, binding)
        VALUES (${deviceId}, ${address}, ${int8(binding.issued_at_ms)}::text::bigint, ${int8(boundAtMs)}::text::bigint,
          ${JSON.stringify(binding)}::text::jsonb)
        ON CONFLICT (device_id) DO UPDATE SET address = excluded.address, issued_at_ms = excluded.issued_at_ms,
          bound_at_ms = excluded.bound_at_ms, binding = excluded.binding
        WHERE w.issued_at_ms < excluded.issued_at_ms
        RETURNING 1`.pipe(
        Effect.mapError(unavailable),
        Effect.map((rows) => rows.length > 0),
      ),
    of: (ids) =>
      sql`SELECT device_id AS "deviceId", address, bound_at_ms::float8 AS "boundAtMs", binding FROM registry_device_wallets
        WHERE device_id IN (SELECT jsonb_array_elements_text(${JSON.stringify(ids)}::text::jsonb))`.pipe(
        Effect.mapError(unavailable),
        Effect.flatMap((rows) => Effect.mapError(decode(rows), corrupt)),
        Effect.map((wallets) => new Map(wallets.map((wallet) => [wallet.deviceId, wallet]))),
      ),
  })
})

/**
 * {@link make} as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<DeviceWallets.DeviceWallets, RegistryError, SqlClient.SqlClient> = Layer.effect(
  DeviceWallets.DeviceWallets,
  make,
)
