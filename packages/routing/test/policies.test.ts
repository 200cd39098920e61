import * as Filtered from "../src/combinators/Filter.ts"
import { bonded } from "../src/filters/Bonded.ts"
import * as AdjustedPrice from "../src/policies/AdjustedPrice.ts"
import { healthiest } from "../src/policies/Healthiest.ts"
import * as InverseSquarePrice from "../src/policies/InverseSquarePrice.ts"
import { leastLoaded } from "../src/policies/LeastLoaded.ts"
import * as LowestPrice from "../src/policies/LowestPrice.ts"
import * as PeakEwma from "../src/policies/PeakEwma.ts"
import * as PrefixAffinity from "../src/policies/PrefixAffinity.ts"
import * as PriceBand from "../src/policies/PriceBand.ts"
import * as QualityPreferred from "../src/policies/QualityPreferred.ts"
import * as TierWeighted from "../src/policies/TierWeighted.ts"
import type { RoutingPolicy } from "../src/RoutingPolicy.ts"
import * as RoutingPolicyTest from "../src/testing/RoutingPolicyTest.ts"

const lowestPrice = LowestPrice.make(LowestPrice.usual)
const inverseSquare = InverseSquarePrice.make(InverseSquarePrice.usual)
const priceBand = PriceBand.make(PriceBand.usual)
const adjustedPrice = AdjustedPrice.make(AdjustedPrice.usual)
const peakEwma = PeakEwma.make(PeakEwma.usual)
const tierWeighted = TierWeighted.make(TierWeighted.usual)
const affinity = { homes: 2, saturatedPercent: 80 }
/** One that combinators know nothing of but its ranking. */
const bare: RoutingPolicy = { name: "Bare", version: 1, rank: leastLoaded.rank }

RoutingPolicyTest.suite("LowestPrice", lowestPrice)
RoutingPolicyTest.suite("PriceBand", priceBand)
RoutingPolicyTest.suite("InverseSquarePrice", inverseSquare)
RoutingPolicyTest.suite("AdjustedPrice", adjustedPrice)
RoutingPolicyTest.suite(
  "AdjustedPrice with a wide edge",
  AdjustedPrice.make({ ...AdjustedPrice.usual, edge: 1.5, outsidePower: 8, exploration: 0.01, speedPower: 0.5 }),
)
RoutingPolicyTest.suite("PeakEwma", peakEwma)
RoutingPolicyTest.suite("PrefixAffinity", PrefixAffinity.make(affinity, leastLoaded))
RoutingPolicyTest.suite(
  "PrefixAffinity over a filtered policy",
  PrefixAffinity.make(affinity, Filtered.filter("bonded", bonded, priceBand)),
)
RoutingPolicyTest.suite("PrefixAffinity over a bare policy", PrefixAffinity.make(affinity, bare))
RoutingPolicyTest.suite("TierWeighted", tierWeighted)
RoutingPolicyTest.suite("QualityPreferred", QualityPreferred.make(QualityPreferred.usual))
RoutingPolicyTest.suite("Healthiest", healthiest)
