// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { Settlement } from "../../src/Settlement.sol";
import { IRootVault } from "../../src/interfaces/IRootVault.sol";
import { ISettlement } from "../../src/interfaces/ISettlement.sol";
import { SettlementFixture } from "../fixtures/SettlementFixture.sol";
import { Usd } from "../tokens/Usd.sol";

/// @notice A cheat code that only these tests use.
interface VmGas {
    struct Gas {
        uint64 limit;
        uint64 total;
        uint64 memoryUsed;
        int64 refunded;
        uint64 remaining;
    }

    function lastCallGas() external view returns (Gas memory);
}

/// @notice Whole transactions, 21,000 and calldata included, in the steady state: every slot that a first use would fill
/// holds something already. Isolation makes each call a transaction of its own, so all storage is cold at its start.
/// forge-config: default.isolate = true
/// forge-config: quick.isolate = true
contract SettlementGasTest is SettlementFixture {
    uint96 private constant PRICE = 1_234_567;
    uint160 private constant FIRST = uint160(uint256(keccak256("first provider")));

    Settlement private settlement;
    IRootVault private vault;
    Usd private usd;
    address private provider = address(FIRST);

    function setUp() public {
        begin();
        settlement = deploySettlement();
        vault = settlement.rootVault();
        usd = new Usd();
        fundWith(settlement, usd, 1e15, 1e15);
        usd.mint(treasury, 1);
        usd.mint(provider, 1);
    }

    function test_settle_per_request() public {
        _settle("first");
        _settle("second");
        _measure("settle_per_request", 72_000);
    }

    function test_settle_from() public {
        address payer = makeAddr("payer");
        usd.mint(payer, 1e12);
        vm.prank(payer);
        usd.approve(address(settlement), type(uint256).max);
        _settle("first");
        vm.prank(operator);
        settlement.settleFrom(payer, provider, address(usd), PRICE, keccak256("second"));
        _measure("settle_from", 95_000);
    }

    function test_voucher() public {
        ISettlement.Voucher memory voucher =
            ISettlement.Voucher(provider, address(usd), settlement.currentEpoch(), PRICE);
        settlement.redeem(voucher, signVoucher(settlement, voucher));
        voucher.cumulative += PRICE;
        bytes memory signature = signVoucher(settlement, voucher);
        settlement.redeem(voucher, signature);
        _measure("voucher", 62_000);
    }

    function test_epoch_root() public {
        _applyRoot(keccak256("a root"));
        skip(HOUR);
        uint48 epoch = settlement.currentEpoch() - 1;
        vm.prank(operator);
        settlement.proposeEpoch(
            address(usd), epoch, ISettlement.EpochKind.Root, keccak256("another"), PRICE * 1_024, uint88(PRICE * 512)
        );
        _measure("epoch_root", 45_000);
        skip(CHALLENGE);
        settlement.applyRoot(address(usd), epoch);
        _measure("epoch_root_apply", 75_000);
    }

    function test_claim_of_1024() public {
        for (uint128 cumulative = PRICE; cumulative <= 2 * PRICE; cumulative += PRICE) {
            bytes32[] memory leaves = new bytes32[](1_024);
            for (uint160 i = 0; i < 1_024; ++i) {
                leaves[i] = vault.leafOf(address(usd), address(FIRST + i), cumulative);
            }
            (bytes32 root, bytes32[] memory proof) = treeOf(leaves, 0);
            _applyRoot(root);
            vault.claim(address(usd), provider, cumulative, proof);
        }
        _measure("claim", 60_000);
    }

    function test_claim_of_owed() public {
        _settle("first");
        settlement.claimFor(provider, address(usd));
        _settle("second");
        settlement.claimFor(provider, address(usd));
        _measure("claim_owed", 60_000);
    }

    function test_netted_10() public {
        _netted(10, "netted_per_provider_10", 15_500);
    }

    function test_netted_100() public {
        _netted(100, "netted_per_provider_100", 7_500);
    }

    function test_netted_500() public {
        _netted(500, "netted_per_provider_500", 7_000);
    }

    function test_pay_many_200() public {
        bytes memory packed = entries(FIRST, 200, uint96(PRICE));
        for (uint160 i = 0; i < 200; ++i) {
            usd.mint(address(FIRST + i), 1);
        }
        vm.prank(operator);
        settlement.payMany(address(usd), "batch", packed);
        assertLe(_lastGas() / 200, 15_000, "pay_many_200");
    }

    function _netted(uint256 count, string memory name, uint256 target) private {
        bytes memory packed = entries(FIRST, count, uint96(PRICE));
        // Floor and cast: the gross whose 90 % are exactly the entries.
        uint96 gross = uint96(PRICE * count * 10_000 / 9_000 + 1);
        uint256 gas = 0;
        for (uint256 round = 0; round < 2; ++round) {
            skip(HOUR);
            uint48 epoch = settlement.currentEpoch() - 1;
            vm.prank(operator);
            settlement.proposeEpoch(address(usd), epoch, ISettlement.EpochKind.Batch, keccak256(packed), gross, 0);
            gas = _lastGas();
            skip(CHALLENGE);
            settlement.applyBatch(address(usd), epoch, packed);
            gas += _lastGas();
        }
        assertLe(gas / count, target, name);
    }

    function _settle(bytes32 requestId) private {
        vm.prank(operator);
        settlement.settle(provider, address(usd), PRICE, keccak256(abi.encode(requestId)));
    }

    function _applyRoot(bytes32 root) private {
        skip(HOUR);
        uint48 epoch = settlement.currentEpoch() - 1;
        vm.prank(operator);
        settlement.proposeEpoch(
            address(usd), epoch, ISettlement.EpochKind.Root, root, PRICE * 1_024, uint88(PRICE * 512)
        );
        skip(CHALLENGE);
        settlement.applyRoot(address(usd), epoch);
    }

    function _measure(string memory name, uint256 target) private view {
        assertLe(_lastGas(), target, name);
    }

    function _lastGas() private view returns (uint256) {
        return VmGas(address(vm)).lastCallGas().total;
    }
}
