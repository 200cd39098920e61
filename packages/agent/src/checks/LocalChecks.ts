/**
 * The checks that need nothing but this machine, and those that need a market too, in the order in which they are shown.
 *
 * @since 0.1.0
 */
import type { Check } from "./Check.ts"
import * as ClockSkew from "./ClockSkew.ts"
import * as Connection from "./Connection.ts"
import * as ContainerToolkit from "./ContainerToolkit.ts"
import * as DeviceFit from "./DeviceFit.ts"
import * as DiskRoom from "./DiskRoom.ts"
import * as GpuTools from "./GpuTools.ts"
import * as HomeFolder from "./HomeFolder.ts"
import * as MarketReach from "./MarketReach.ts"
import * as ModelServers from "./ModelServers.ts"

/**
 * The list. Add a check here to have `doctor` run it.
 *
 * @category checks
 * @since 0.1.0
 */
export const all: ReadonlyArray<Check> = [
  DeviceFit.check,
  GpuTools.check,
  ContainerToolkit.check,
  DiskRoom.check,
  HomeFolder.check,
  ModelServers.check,
  MarketReach.check,
  ClockSkew.check,
  Connection.check,
]
