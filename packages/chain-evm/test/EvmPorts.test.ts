import {
  BondVaultTest,
  InsuranceVaultTest,
  PaymentChannelTest,
  SettlementTest,
  StakeBookTest,
  ValidatorSetTest,
} from "@guildhall/chain/testing"
import * as EvmTestbed from "./EvmTestbed.ts"

StakeBookTest.suite("anvil", EvmTestbed.layer)
BondVaultTest.suite("anvil", EvmTestbed.layer)
SettlementTest.suite("anvil", EvmTestbed.layer)
InsuranceVaultTest.suite("anvil", EvmTestbed.layer)
ValidatorSetTest.suite("anvil", EvmTestbed.layer)
PaymentChannelTest.suite("anvil", EvmTestbed.layer)
