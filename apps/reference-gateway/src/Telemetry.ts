/**
 * Where traces, metrics and logs are sent.
 */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Layer from "effect/Layer"
import * as Otlp from "effect/observability/Otlp"
import * as OtlpSerialization from "effect/observability/OtlpSerialization"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import type { Settings } from "./AppConfig.ts"

/** Effect exports nothing unless told to; OpenTelemetry's own default, once there is an endpoint, is everything. */
const exporters = ConfigProvider.layerAdd(
  ConfigProvider.fromUnknown({
    OTEL_TRACES_EXPORTER: "otlp",
    OTEL_METRICS_EXPORTER: "otlp",
    OTEL_LOGS_EXPORTER: "otlp",
    OTEL_SERVICE_NAME: "guildhall",
  }),
)

/**
 * Sends by OpenTelemetry where an address is set; nothing leaves the market otherwise.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = ({ otlpEndpoint }: Settings) =>
  otlpEndpoint === undefined
    ? Layer.empty
    : Otlp.layerFromConfig().pipe(
        Layer.provide(exporters),
        Layer.provide(OtlpSerialization.layerJson),
        Layer.provide(NodeHttpClient.layerUndici),
      )
