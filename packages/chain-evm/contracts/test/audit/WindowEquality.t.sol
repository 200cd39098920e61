// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IProviderBond } from "../../src/interfaces/IProviderBond.sol";
import { BondFixture } from "../fixtures/BondFixture.sol";

/// @notice Windows that end in the same second leave no time to act. The cooldown is longer than all of them by a buffer.
contract WindowEqualityTest is BondFixture {
    bytes32 internal constant OFFENCE = keccak256("offence");

    function setUp() public {
        deployBonds();
    }

    function test_a_cooldown_without_its_buffer_is_refused() public {
        IProviderBond.BondConfig memory config = bondConfig();
        config.cooldown -= 1;
        vm.expectRevert(abi.encodeWithSelector(IProviderBond.CooldownTooShort.selector, 7 days - 1, 7 days));
        newBonds(token, pool, config);
    }

    function testFuzz_every_accepted_configuration_has_its_buffer(IProviderBond.BondConfig memory config) public {
        config.cooldown = uint48(bound(config.cooldown, 0, 30 days));
        config.evidenceWindow = uint48(bound(config.evidenceWindow, 0, 12 days));
        config.appealWindow = uint48(bound(config.appealWindow, 0, 12 days));
        config.buffer = uint48(bound(config.buffer, 0, 12 days));
        config.rulingWindow = 1 days;
        config.period = 30 days;
        config.capBps = 2_000;
        config.finderBps = 0;
        try this.deploy(config) {
            assertGe(config.cooldown, uint256(config.evidenceWindow) + config.appealWindow + 48 hours);
        } catch {
            uint256 needed = uint256(config.evidenceWindow) + config.appealWindow + config.buffer;
            bool fine = config.cooldown >= needed && config.buffer >= 48 hours && config.evidenceWindow > 0
                && config.appealWindow > 0;
            assertFalse(fine && config.cooldown >= 2 days);
        }
    }

    function testFuzz_in_no_second_a_case_can_be_appealed_and_finalised(uint48 wait) public {
        bondActive(DEVICE, provider, 1_000e18);
        slash(DEVICE, OFFENCE, 500, clock());
        // Around the edge in half of the runs.
        skip(wait % 2 == 0 ? bound(wait, 2 days - 2, 2 days + 2) : bound(wait, 0, 10 days));
        uint256 id = vm.snapshotState();
        vm.prank(provider);
        (bool appealed,) = address(bonds).call(abi.encodeCall(bonds.appeal, (OFFENCE)));
        vm.revertToState(id);
        (bool finalised,) = address(bonds).call(abi.encodeCall(bonds.finalise, (OFFENCE)));
        vm.revertToState(id);
        vm.prank(arbiter);
        (bool overturned,) = address(bonds).call(abi.encodeCall(bonds.overturn, (OFFENCE)));
        assertEq(appealed, !finalised);
        assertEq(overturned, appealed);
    }

    function testFuzz_in_no_second_an_appeal_can_be_decided_and_lapse(uint48 wait) public {
        bondActive(DEVICE, provider, 1_000e18);
        slash(DEVICE, OFFENCE, 500, clock());
        vm.prank(provider);
        bonds.appeal(OFFENCE);
        skip(wait % 2 == 0 ? bound(wait, 5 days - 2, 5 days + 2) : bound(wait, 0, 30 days));
        uint256 id = vm.snapshotState();
        vm.prank(arbiter);
        (bool decided,) = address(bonds).call(abi.encodeCall(bonds.uphold, (OFFENCE)));
        vm.revertToState(id);
        (bool lapsed,) = address(bonds).call(abi.encodeCall(bonds.lapse, (OFFENCE)));
        assertEq(decided, !lapsed);
    }

    function test_evidence_of_the_last_second_still_meets_the_bond() public {
        bondActive(DEVICE, provider, 1_000e18);
        uint48 offenceTime = clock();
        startExit(DEVICE, provider);
        skip(3 days);
        assertEq(slash(DEVICE, OFFENCE, 500, offenceTime), 50e18);
        // Appeal window and buffer pass before the bond can leave.
        skip(2 days + 1);
        bonds.finalise(OFFENCE);
        assertGe(bonds.deviceOf(DEVICE).cooldownEnd, clock() + 2 days - 1);
    }

    function deploy(IProviderBond.BondConfig memory config) external {
        newBonds(token, pool, config);
    }
}
