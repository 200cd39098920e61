/** What a machine says that it is. */
import type { DeviceView } from "@guildhall/protocol/api/DevicesApi"
import * as Words from "./Words.ts"

export const HardwareList = ({ device: { deviceClass, hardware, misses } }: { readonly device: DeviceView }) => {
  if (hardware === null) return null
  const { cpu, gpus, memoryMib, system } = hardware
  return (
    <dl>
      <dt>GPU</dt>
      <dd>
        {gpus.length === 0
          ? "none"
          : gpus.map(({ memoryMib: own, name }) => `${name}, ${Words.memory(own)}`).join("; ")}
      </dd>
      <dt>Processor</dt>
      <dd>
        {cpu.name}, {cpu.cores} {cpu.cores === 1 ? "core" : "cores"}
      </dd>
      <dt>Memory</dt>
      <dd>{Words.memory(memoryMib)}</dd>
      <dt>System</dt>
      <dd>{system.name}</dd>
      <dt>Class</dt>
      <dd>{deviceClass ?? `none: ${misses.flatMap(({ reasons }) => reasons)[0] ?? "it fits none of the market's"}`}</dd>
    </dl>
  )
}
