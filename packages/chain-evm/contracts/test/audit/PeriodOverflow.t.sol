// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IInsurancePool } from "../../src/interfaces/IInsurancePool.sol";
import { IProviderBond } from "../../src/interfaces/IProviderBond.sol";
import { IStaking } from "../../src/interfaces/IStaking.sol";
import { InsurancePool } from "../../src/InsurancePool.sol";
import { ProviderBond } from "../../src/ProviderBond.sol";
import { Staking } from "../../src/Staking.sol";
import { BondFixture } from "../fixtures/BondFixture.sol";

/// @notice A period at the bounds of its type is refused, or it is as long as it says: none wraps around into an instant.
contract PeriodOverflowTest is BondFixture {
    function setUp() public {
        deployBonds();
    }

    function testFuzz_no_bond_configuration_makes_an_instant_exit(IProviderBond.BondConfig memory config, uint48 delay)
        public
    {
        // The compiler's fuzzer likes the bounds of a type; pull half of the runs into what can be.
        if (delay % 2 == 0) {
            config = possible(config);
            delay = uint48(bound(delay, config.cooldown, 3650 days));
        }
        try new ProviderBond(token, pool, config, delay, bondHolders()) returns (ProviderBond made) {
            bonds = made;
        } catch {
            return;
        }
        appendClasses(bonds);
        bondActive(DEVICE, provider, 500e18);
        uint256 left = clock();
        startExit(DEVICE, provider);
        assertEq(bonds.deviceOf(DEVICE).cooldownEnd, left + config.cooldown);
        assertGe(config.cooldown, uint256(config.evidenceWindow) + config.appealWindow + 48 hours);
        vm.expectPartialRevert(IProviderBond.CooldownNotOver.selector);
        withdraw(DEVICE, provider);
        slash(DEVICE, "offence", 500, clock());
        IProviderBond.Case memory c = bonds.caseOf("offence");
        if (c.amount == 0) return;
        assertEq(c.appealUntil, uint256(clock()) + config.appealWindow);
        assertEq(c.ruleUntil, uint256(clock()) + config.appealWindow + config.rulingWindow);
    }

    function testFuzz_no_staking_configuration_makes_an_instant_exit(IStaking.StakingConfig memory config, uint48 delay)
        public
    {
        if (delay % 2 == 0) {
            config.cooldown = uint48(bound(config.cooldown, 1, 365 days));
            config.minActive = uint48(bound(config.minActive, 0, config.cooldown));
            config.tierDelay = uint48(bound(config.tierDelay, 0, 365 days));
            config.apyBps = uint16(bound(config.apyBps, 0, 10_000));
            delay = uint48(bound(delay, 2 days, 365 days));
        }
        IStaking.Tier[] memory tiers = new IStaking.Tier[](1);
        Staking staking;
        try new Staking(token, config, tiers, delay, governor, pauser, curator) returns (Staking made) {
            staking = made;
        } catch {
            return;
        }
        token.mint(provider, 1);
        vm.startPrank(provider);
        token.approve(address(staking), 1);
        staking.stake(1);
        staking.requestUnstake(1);
        assertEq(staking.standingOf(provider).readyAt, uint256(clock()) + config.cooldown);
        if (config.cooldown > 0) {
            vm.expectPartialRevert(IStaking.CooldownNotOver.selector);
            staking.withdraw();
        }
        vm.stopPrank();
        vm.startPrank(curator);
        uint48 earliest = clock() + config.tierDelay;
        if (earliest <= clock()) earliest = clock() + 1;
        vm.expectPartialRevert(IStaking.TiersTooLate.selector);
        staking.appendTiers(tiers, type(uint48).max);
        staking.appendTiers(tiers, earliest);
        vm.stopPrank();
    }

    function testFuzz_no_insurance_configuration_pays_at_once(IInsurancePool.InsuranceConfig memory config, bool near)
        public
    {
        if (near) {
            config.epochLength = uint48(bound(config.epochLength, 1 days, 3650 days));
            config.challengeDelay = uint48(bound(config.challengeDelay, 1 days, 3650 days));
            config.claimWindow = uint48(bound(config.claimWindow, 30 days, 3650 days));
            config.epochCapBps = uint16(bound(config.epochCapBps, 1, 10_000));
            config.incidentCap = uint128(bound(config.incidentCap, 1e18, type(uint128).max));
        }
        try new InsurancePool(token, config, 2 days, governor, pauser, adjuster, challenger) returns (
            InsurancePool made
        ) {
            pool = made;
        } catch {
            return;
        }
        token.mint(address(this), 1e24);
        token.approve(address(pool), 1e24);
        pool.deposit(1e24);
        skip(config.epochLength);
        uint256 epoch = pool.currentEpoch();
        uint128 most = pool.epochLeft(epoch) < config.incidentCap ? pool.epochLeft(epoch) : config.incidentCap;
        if (most == 0) return;
        vm.prank(adjuster);
        pool.proposeClaims(epoch, "incident", "root", most);
        IInsurancePool.Claims memory claims = pool.claimsOf(epoch, "incident");
        assertEq(claims.payableAt, uint256(clock()) + config.challengeDelay);
        assertEq(claims.expiresAt, uint256(claims.payableAt) + config.claimWindow);
        assertGe(config.challengeDelay, 1 days);
    }

    function test_a_time_at_the_end_of_its_type_slashes_nothing() public {
        bondActive(DEVICE, provider, 500e18);
        assertEq(slash(DEVICE, "offence", 500, type(uint48).max), 0);
        assertEq(slash(DEVICE, "offence", 500, 0), 0);
    }

    function possible(IProviderBond.BondConfig memory config) private pure returns (IProviderBond.BondConfig memory) {
        config.evidenceWindow = uint48(bound(config.evidenceWindow, 1, 100 days));
        config.appealWindow = uint48(bound(config.appealWindow, 1, 100 days));
        config.rulingWindow = uint48(bound(config.rulingWindow, 1, 365 days));
        config.buffer = uint48(bound(config.buffer, 2 days, 100 days));
        config.cooldown = config.evidenceWindow + config.appealWindow + config.buffer;
        config.period = uint48(bound(config.period, 1, 365 days));
        config.capBps = uint16(bound(config.capBps, 1, 10_000));
        config.finderBps = uint16(bound(config.finderBps, 0, 2_000));
        return config;
    }
}
