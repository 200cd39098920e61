// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { Channel } from "../../src/Channel.sol";
import { Settlement } from "../../src/Settlement.sol";
import { ValidatorRegistry } from "../../src/ValidatorRegistry.sol";
import { IChannel } from "../../src/interfaces/IChannel.sol";
import { IRootVault } from "../../src/interfaces/IRootVault.sol";
import { ISettlement } from "../../src/interfaces/ISettlement.sol";
import { IValidatorRegistry } from "../../src/interfaces/IValidatorRegistry.sol";
import { ChannelFixture } from "../fixtures/ChannelFixture.sol";
import { RegistryFixture } from "../fixtures/RegistryFixture.sol";
import { SettlementFixture } from "../fixtures/SettlementFixture.sol";
import { Usd } from "../tokens/Usd.sol";

/// @notice A signature that leaves something out counts where it was never meant: on another chain, in another contract,
/// for another token, payee, epoch or amount. Each of them is changed alone, and each is refused.
contract VoucherReplayTest is SettlementFixture {
    Settlement private settlement;
    Usd private usd;
    ISettlement.Voucher private voucher;
    bytes private signature;

    function setUp() public {
        begin();
        settlement = deploySettlement();
        usd = new Usd();
        fundWith(settlement, usd, 10_000, 0);
        voucher = ISettlement.Voucher(makeAddr("provider"), address(usd), settlement.currentEpoch(), 100);
        signature = signVoucher(settlement, voucher);
    }

    function test_a_voucher_counts_for_what_it_says_only() public {
        Usd other = new Usd();
        fundWith(settlement, other, 10_000, 0);
        ISettlement.Voucher memory changed = voucher;
        changed.provider = makeAddr("thief");
        _isRefused(changed);
        changed = voucher;
        changed.token = address(other);
        _isRefused(changed);
        changed = voucher;
        changed.epoch -= 1;
        _isRefused(changed);
        changed = voucher;
        changed.cumulative += 1;
        _isRefused(changed);
        settlement.redeem(voucher, signature);
    }

    function test_a_voucher_counts_on_its_chain_and_in_its_contract_only() public {
        uint256 chain = block.chainid;
        vm.chainId(chain + 1);
        _isRefused(voucher);
        vm.chainId(chain);
        Settlement original = settlement;
        settlement = deploySettlement();
        fundWith(settlement, usd, 10_000, 0);
        _isRefused(voucher);
        original.redeem(voucher, signature);
    }

    function test_a_voucher_pays_once() public {
        settlement.redeem(voucher, signature);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.NothingToRedeem.selector, 100, 100));
        settlement.redeem(voucher, signature);
    }

    function test_the_other_form_of_a_signature_is_none() public {
        vm.expectRevert(ISettlement.InvalidVoucher.selector);
        settlement.redeem(voucher, _otherForm(signature));
        vm.expectRevert(ISettlement.InvalidVoucher.selector);
        settlement.redeem(voucher, bytes.concat(signature, hex"00"));
    }

    function test_a_new_signer_takes_nothing_from_earlier_epochs_and_gives_nothing_for_them() public {
        (address next, uint256 nextKey) = makeAddrAndKey("next signer");
        uint48 from = (clock() + ROLE_DELAY) / HOUR + 1;
        ISettlement.Terms memory later = terms(from, 9_000);
        later.voucherSigner = next;
        vm.prank(curator);
        settlement.appendTerms(later);
        vm.warp(uint256(from) * HOUR);
        voucher.epoch = from - 1;
        bytes memory foreign = sign(nextKey, settlement.digestOf(voucher));
        vm.expectRevert(ISettlement.InvalidVoucher.selector);
        settlement.redeem(voucher, foreign);
        settlement.redeem(voucher, signVoucher(settlement, voucher));
        voucher.epoch = from;
        signature = signVoucher(settlement, voucher);
        _isRefused(voucher);
        settlement.redeem(voucher, sign(nextKey, settlement.digestOf(voucher)));
    }

    function test_a_leaf_counts_on_its_chain_in_its_vault_and_for_its_token_only() public {
        IRootVault vault = settlement.rootVault();
        address provider = makeAddr("provider");
        bytes32 leaf = vault.leafOf(address(usd), provider, 90);
        skip(HOUR);
        uint48 epoch = settlement.currentEpoch() - 1;
        vm.prank(operator);
        settlement.proposeEpoch(address(usd), epoch, ISettlement.EpochKind.Root, leaf, 100, 0);
        skip(CHALLENGE);
        settlement.applyRoot(address(usd), epoch);
        bytes32[] memory proof = new bytes32[](0);
        uint256 chain = block.chainid;
        vm.chainId(chain + 1);
        vm.expectRevert(IRootVault.InvalidProof.selector);
        vault.claim(address(usd), provider, 90, proof);
        vm.chainId(chain);
        assertNotEq(deploySettlement().rootVault().leafOf(address(usd), provider, 90), leaf);
        assertNotEq(vault.leafOf(address(this), provider, 90), leaf);
        assertEq(vault.claim(address(usd), provider, 90, proof), 90);
    }

    function _isRefused(ISettlement.Voucher memory changed) private {
        vm.expectRevert(ISettlement.InvalidVoucher.selector);
        settlement.redeem(changed, signature);
    }

    /// @dev The same point with the other sign: it recovers the same signer where nobody looks.
    function _otherForm(bytes memory normal) private pure returns (bytes memory) {
        (bytes32 r, bytes32 s, uint8 v) = _split(normal);
        uint256 order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
        return abi.encodePacked(r, bytes32(order - uint256(s)), v == 27 ? uint8(28) : uint8(27));
    }

    function _split(bytes memory normal) private pure returns (bytes32 r, bytes32 s, uint8 v) {
        assembly ("memory-safe") {
            r := mload(add(normal, 32))
            s := mload(add(normal, 64))
            v := byte(0, mload(add(normal, 96)))
        }
    }
}

contract ChannelReplayTest is ChannelFixture {
    bytes32 private id;
    bytes private signature;

    function setUp() public {
        begin();
        id = open(1_000, "salt", address(0));
        signature = voucher(id, 100);
    }

    function test_a_voucher_counts_for_its_channel_and_amount_only() public {
        bytes32 other = open(1_000, "other", address(0));
        _isRefused(channel, other, 100);
        _isRefused(channel, id, 101);
        vm.prank(payee);
        channel.settle(id, 100, signature);
    }

    function test_a_voucher_counts_on_its_chain_only() public {
        vm.chainId(block.chainid + 1);
        _isRefused(channel, id, 100);
    }

    function test_a_voucher_counts_in_its_contract_only() public {
        channel = new Channel();
        bytes32 twin = open(1_000, "salt", address(0));
        assertNotEq(twin, id);
        _isRefused(channel, twin, 100);
    }

    function test_a_closed_channel_is_never_opened_again_with_its_vouchers() public {
        vm.prank(payee);
        channel.close(id, 100, signature);
        usd.mint(payer, 1_000);
        vm.startPrank(payer);
        usd.approve(address(channel), 1_000);
        vm.expectRevert(abi.encodeWithSelector(IChannel.ChannelAlreadyExists.selector, id));
        channel.open(payee, address(usd), 1_000, "salt", address(0));
        vm.stopPrank();
    }

    function test_an_authorization_to_open_is_no_top_up_and_the_other_way_round() public {
        usd.mint(payer, 1_000);
        bytes32 nonce = keccak256(abi.encode(payer, payee, address(usd), bytes32("new"), address(0)));
        bytes memory toOpen = authorization(payer, payerKey, 1_000, nonce);
        vm.expectPartialRevert(IChannel.NonceMismatch.selector);
        channel.topUpWithAuthorization(id, 1_000, payer, "new", 0, type(uint256).max, nonce, toOpen);
        // Nor can somebody bring it to the token itself.
        vm.expectRevert(Usd.CallerMustBePayee.selector);
        usd.receiveWithAuthorization(payer, address(channel), 1_000, 0, type(uint256).max, nonce, toOpen);
    }

    function _isRefused(Channel at, bytes32 channelId, uint128 cumulative) private {
        vm.prank(payee);
        vm.expectRevert(IChannel.InvalidSignature.selector);
        at.settle(channelId, cumulative, signature);
    }
}

contract VerdictReplayTest is RegistryFixture {
    function setUp() public {
        begin();
        registerSeven();
    }

    function test_verdicts_contradict_each_other_on_one_chain_and_in_one_registry_only() public {
        address v = validators[0];
        bytes memory good = signVerdict(v, "job", GOOD);
        ValidatorRegistry here = registry;
        registry = newRegistry(config());
        bytes memory elsewhere = signVerdict(v, "job", BAD);
        registry = here;
        vm.expectRevert(IValidatorRegistry.InvalidSignature.selector);
        registry.report(v, "job", GOOD, good, BAD, elsewhere);
        uint256 chain = block.chainid;
        vm.chainId(chain + 1);
        elsewhere = signVerdict(v, "job", BAD);
        vm.chainId(chain);
        vm.expectRevert(IValidatorRegistry.InvalidSignature.selector);
        registry.report(v, "job", GOOD, good, BAD, elsewhere);
    }
}
