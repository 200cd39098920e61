/**
 * The policies that are measured, each with its usual settings.
 */
import {
  AdjustedPrice,
  Healthiest,
  InverseSquarePrice,
  LeastLoaded,
  LowestPrice,
  PeakEwma,
  PrefixAffinity,
  PriceBand,
  QualityPreferred,
  TierWeighted,
} from "@guildhall/routing/policies"
import { TieBreak } from "@guildhall/routing/combinators"
import type { RoutingPolicy } from "@guildhall/routing/RoutingPolicy"

/** What a policy is called here: its name without the mark of its settings. */
export const labelOf = ({ name }: RoutingPolicy): string => name.replace(/~.*$/, "")

export const policies: ReadonlyArray<RoutingPolicy> = [
  LeastLoaded.leastLoaded,
  LowestPrice.make(LowestPrice.usual),
  PriceBand.make(PriceBand.usual),
  InverseSquarePrice.make(InverseSquarePrice.usual),
  AdjustedPrice.make(AdjustedPrice.usual),
  PeakEwma.make(PeakEwma.usual),
  PrefixAffinity.make({ homes: 2, saturatedPercent: 90 }, LeastLoaded.leastLoaded),
  TierWeighted.make(TierWeighted.usual),
  QualityPreferred.make(QualityPreferred.usual),
  Healthiest.healthiest,
  TieBreak.tieBreak(LeastLoaded.leastLoaded, Healthiest.healthiest),
]
