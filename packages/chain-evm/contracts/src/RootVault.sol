// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IERC20 } from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import { SafeERC20 } from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import { MerkleProof } from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import { IRootVault } from "./interfaces/IRootVault.sol";

/// @title What roots promise, apart from all other money
/// @dev The cap of claims is the balance itself, so no claim writes a sum. It needs no guard: an account's slot is written
/// before the only call, and a claim made inside of that call sees what the outer one left.
contract RootVault is IRootVault {
    using SafeERC20 for IERC20;

    /// @inheritdoc IRootVault
    address public immutable settlement;

    /// @inheritdoc IRootVault
    mapping(address token => bytes32) public rootOf;
    mapping(address token => mapping(address account => uint128)) private _claimed;

    constructor() {
        settlement = msg.sender;
    }

    /// @inheritdoc IRootVault
    function publish(address token, bytes32 root) external {
        if (msg.sender != settlement) revert NotSettlement(msg.sender);
        rootOf[token] = root;
        emit RootPublished(token, root);
    }

    /// @inheritdoc IRootVault
    function claim(address token, address account, uint128 cumulative, bytes32[] calldata proof)
        external
        returns (uint128 amount)
    {
        bytes32 leaf = leafOf(token, account, cumulative);
        if (!MerkleProof.verifyCalldata(proof, rootOf[token], leaf)) revert InvalidProof();
        uint128 claimed = _claimed[token][account];
        if (cumulative <= claimed) return 0;
        amount = cumulative - claimed;
        uint256 balance = IERC20(token).balanceOf(address(this));
        // Less than `amount`, so it fits.
        if (balance < amount) amount = uint128(balance);
        if (amount == 0) return 0;
        _claimed[token][account] = claimed + amount;
        emit RootClaimed(token, account, amount, claimed + amount);
        IERC20(token).safeTransfer(account, amount);
    }

    /// @inheritdoc IRootVault
    function claimedOf(address account, address token) external view returns (uint128) {
        return _claimed[token][account];
    }

    /// @inheritdoc IRootVault
    function leafOf(address token, address account, uint128 cumulative) public view returns (bytes32) {
        bytes32 inner = keccak256(abi.encode(block.chainid, address(this), token, account, cumulative));
        return keccak256(abi.encode(inner));
    }
}
