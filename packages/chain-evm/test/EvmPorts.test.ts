import {
  BondVaultTest,
  InsuranceVaultTest,
  PaymentChannelTest,
  SettlementTest,
  StakeBookTest,
  ValidatorSetTest,
} from "@guildhall/chain/testing"
import { afterAll } from "@effect/vitest"
import { Layer, ManagedRuntime } from "effect"
import * as EvmTestbed from "./EvmTestbed.ts"

/** One market for all suites: each uses accounts and tokens that no other has. */
const runtime = ManagedRuntime.make(EvmTestbed.layer)
afterAll(() => runtime.dispose())
const market = Layer.effectContext(runtime.contextEffect)

StakeBookTest.suite("anvil", market)
BondVaultTest.suite("anvil", market)
SettlementTest.suite("anvil", market)
InsuranceVaultTest.suite("anvil", market)
ValidatorSetTest.suite("anvil", market)
PaymentChannelTest.suite("anvil", market)
