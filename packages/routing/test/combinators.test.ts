import * as Cap from "../src/combinators/Cap.ts"
import * as Filtered from "../src/combinators/Filter.ts"
import * as OrElse from "../src/combinators/OrElse.ts"
import * as PartitionBy from "../src/combinators/PartitionBy.ts"
import * as Pooled from "../src/combinators/Pooled.ts"
import * as TieBreak from "../src/combinators/TieBreak.ts"
import * as Weighted from "../src/combinators/Weighted.ts"
import { bonded } from "../src/filters/Bonded.ts"
import * as AdjustedPrice from "../src/policies/AdjustedPrice.ts"
import { healthiest } from "../src/policies/Healthiest.ts"
import * as InverseSquarePrice from "../src/policies/InverseSquarePrice.ts"
import { leastLoaded } from "../src/policies/LeastLoaded.ts"
import * as LowestPrice from "../src/policies/LowestPrice.ts"
import * as PeakEwma from "../src/policies/PeakEwma.ts"
import * as PrefixAffinity from "../src/policies/PrefixAffinity.ts"
import type { RoutingPolicy } from "../src/RoutingPolicy.ts"
import * as RoutingPolicyTest from "../src/testing/RoutingPolicyTest.ts"

const lowestPrice = LowestPrice.make(LowestPrice.usual)
const inverseSquare = InverseSquarePrice.make(InverseSquarePrice.usual)
const adjustedPrice = AdjustedPrice.make(AdjustedPrice.usual)
const peakEwma = PeakEwma.make(PeakEwma.usual)
const affinity = { homes: 2, saturatedPercent: 80 }
/** One that combinators know nothing of but its ranking. */
const bare: RoutingPolicy = { name: "Bare", version: 1, rank: leastLoaded.rank }

RoutingPolicyTest.suite("tieBreak by standing", TieBreak.tieBreak(leastLoaded, healthiest))
RoutingPolicyTest.suite("tieBreak by a draw", TieBreak.tieBreak(leastLoaded, inverseSquare))
RoutingPolicyTest.suite("tieBreak of bare policies", TieBreak.tieBreak(bare, lowestPrice))
RoutingPolicyTest.suite("orElse", OrElse.orElse(Filtered.filter("bonded", bonded, lowestPrice), leastLoaded))
RoutingPolicyTest.suite("filter", Filtered.filter("bonded", bonded, leastLoaded))
RoutingPolicyTest.suite("filter of a draw", Filtered.filter("bonded", bonded, adjustedPrice))
RoutingPolicyTest.suite(
  "filter of prefixes",
  Filtered.filter("bonded", bonded, PrefixAffinity.make(affinity, leastLoaded)),
)
RoutingPolicyTest.suite("filter of a bare policy", Filtered.filter("bonded", bonded, bare))
RoutingPolicyTest.suite(
  "weighted",
  Weighted.weighted({ policy: leastLoaded, weight: 3 }, { policy: inverseSquare, weight: 1 }),
)
RoutingPolicyTest.suite(
  "weighted with a bare policy",
  Weighted.weighted({ policy: bare, weight: 1 }, { policy: peakEwma, weight: 1 }),
)
RoutingPolicyTest.suite("partitionBy device", PartitionBy.partitionBy("device", leastLoaded))
RoutingPolicyTest.suite("partitionBy region", PartitionBy.partitionBy("region", peakEwma))
RoutingPolicyTest.suite("partitionBy member, drawn by price", PartitionBy.partitionBy("member", inverseSquare))
RoutingPolicyTest.suite("cap", Cap.cap({ by: "member", percent: 40, slack: 2 }, leastLoaded))
RoutingPolicyTest.suite("pooled", Pooled.pooled({ by: "member", machines: 2 }, leastLoaded))
RoutingPolicyTest.suite(
  "pooled, chance dealt to members",
  Pooled.pooled({ by: "member", machines: 1 }, PartitionBy.partitionBy("member", leastLoaded)),
)
