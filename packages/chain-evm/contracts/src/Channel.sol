// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IERC20 } from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import { SafeERC20 } from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import { ReentrancyGuardTransient } from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import { ECDSA } from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import { EIP712 } from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import { SignatureChecker } from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import { IChannel } from "./interfaces/IChannel.sol";
import { IReceiveWithAuthorization } from "./interfaces/IReceiveWithAuthorization.sol";
import { ExactTransfer } from "./libraries/ExactTransfer.sol";

/// @title A payer's deposit that one payee is paid from by signed cumulative vouchers
/// @dev Every function changes its own storage before it calls a token; what comes in must be exact, or all reverts.
contract Channel is IChannel, EIP712, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;
    using ExactTransfer for IERC20;

    struct Parties {
        address payer;
        address payee;
        address token;
        address authorizedSigner;
    }

    /// @dev All that changes after the opening, in one slot.
    struct Money {
        uint96 deposit;
        uint96 settled;
        uint48 closeRequestedAt;
        bool finalized;
    }

    /// @notice Seconds between a payer's request to close and its withdrawal.
    uint48 public constant CLOSE_GRACE_PERIOD = 15 minutes;

    bytes32 public constant VOUCHER_TYPEHASH = keccak256("Voucher(bytes32 channelId,uint128 cumulativeAmount)");

    mapping(bytes32 channelId => Parties) private _parties;
    mapping(bytes32 channelId => Money) private _money;

    constructor() EIP712("EVM Payment Channel", "1") { }

    /// @inheritdoc IChannel
    function open(address payee, address token, uint128 deposit, bytes32 salt, address authorizedSigner)
        external
        nonReentrant
        returns (bytes32 channelId)
    {
        channelId = _open(Parties(msg.sender, payee, token, authorizedSigner), salt, deposit);
        IERC20(token).takeExactly(msg.sender, deposit);
    }

    /// @inheritdoc IChannel
    function openWithAuthorization(
        address payee,
        address token,
        uint128 deposit,
        bytes32 salt,
        address authorizedSigner,
        address from,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external nonReentrant returns (bytes32 channelId) {
        _checkNonce(nonce, keccak256(abi.encode(from, payee, token, salt, authorizedSigner)));
        channelId = _open(Parties(from, payee, token, authorizedSigner), salt, deposit);
        _receive(token, from, deposit, validAfter, validBefore, nonce, signature);
    }

    /// @inheritdoc IChannel
    function topUp(bytes32 channelId, uint128 additionalDeposit) external nonReentrant {
        address token = _topUp(channelId, msg.sender, additionalDeposit);
        if (msg.sender != _parties[channelId].payer) revert NotPayer(msg.sender);
        IERC20(token).takeExactly(msg.sender, additionalDeposit);
    }

    /// @inheritdoc IChannel
    function topUpWithAuthorization(
        bytes32 channelId,
        uint128 additionalDeposit,
        address from,
        bytes32 topUpSalt,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external nonReentrant {
        _checkNonce(nonce, keccak256(abi.encode(channelId, additionalDeposit, from, topUpSalt)));
        address token = _topUp(channelId, from, additionalDeposit);
        _receive(token, from, additionalDeposit, validAfter, validBefore, nonce, signature);
    }

    /// @inheritdoc IChannel
    function settle(bytes32 channelId, uint128 cumulativeAmount, bytes calldata signature) external nonReentrant {
        Money storage money = _openChannel(channelId);
        Parties storage parties = _parties[channelId];
        if (msg.sender != parties.payee) revert NotPayee(msg.sender);
        uint96 settled = money.settled;
        if (cumulativeAmount <= settled) revert AmountNotIncreasing(cumulativeAmount, settled);
        uint128 amount = _settle(channelId, money, parties, cumulativeAmount, signature);
        IERC20(parties.token).safeTransfer(msg.sender, amount);
    }

    /// @inheritdoc IChannel
    function close(bytes32 channelId, uint128 cumulativeAmount, bytes calldata signature) external nonReentrant {
        Money storage money = _openChannel(channelId);
        Parties storage parties = _parties[channelId];
        if (msg.sender != parties.payee) revert NotPayee(msg.sender);
        uint128 amount = 0;
        if (cumulativeAmount > money.settled) amount = _settle(channelId, money, parties, cumulativeAmount, signature);
        uint128 refund = _finalize(channelId, money);
        IERC20 token = IERC20(parties.token);
        if (amount > 0) token.safeTransfer(msg.sender, amount);
        if (refund > 0) token.safeTransfer(parties.payer, refund);
    }

    /// @inheritdoc IChannel
    function requestClose(bytes32 channelId) external {
        Money storage money = _openChannel(channelId);
        if (msg.sender != _parties[channelId].payer) revert NotPayer(msg.sender);
        if (money.closeRequestedAt != 0) return;
        money.closeRequestedAt = uint48(block.timestamp);
        emit CloseRequested(channelId, uint48(block.timestamp) + CLOSE_GRACE_PERIOD);
    }

    /// @inheritdoc IChannel
    function withdraw(bytes32 channelId) external nonReentrant {
        Money storage money = _openChannel(channelId);
        Parties storage parties = _parties[channelId];
        if (msg.sender != parties.payer) revert NotPayer(msg.sender);
        uint48 requestedAt = money.closeRequestedAt;
        if (requestedAt == 0) revert CloseNotReady(0);
        if (block.timestamp < requestedAt + CLOSE_GRACE_PERIOD) revert CloseNotReady(requestedAt + CLOSE_GRACE_PERIOD);
        uint128 refund = _finalize(channelId, money);
        if (refund > 0) IERC20(parties.token).safeTransfer(msg.sender, refund);
    }

    /// @inheritdoc IChannel
    function getChannel(bytes32 channelId) external view returns (ChannelInfo memory) {
        Parties memory parties = _parties[channelId];
        Money memory money = _money[channelId];
        return ChannelInfo({
            payer: parties.payer,
            payee: parties.payee,
            token: parties.token,
            authorizedSigner: parties.authorizedSigner,
            deposit: money.deposit,
            settled: money.settled,
            closeRequestedAt: money.closeRequestedAt,
            finalized: money.finalized
        });
    }

    /// @inheritdoc IChannel
    function computeChannelId(address payer, address payee, address token, bytes32 salt, address authorizedSigner)
        public
        view
        returns (bytes32)
    {
        return keccak256(abi.encode(payer, payee, token, salt, authorizedSigner, address(this), block.chainid));
    }

    /// @inheritdoc IChannel
    function digestOf(bytes32 channelId, uint128 cumulativeAmount) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(VOUCHER_TYPEHASH, channelId, cumulativeAmount)));
    }

    function _open(Parties memory parties, bytes32 salt, uint128 deposit) private returns (bytes32 channelId) {
        if (parties.payee == address(0)) revert ZeroPayee();
        channelId = computeChannelId(parties.payer, parties.payee, parties.token, salt, parties.authorizedSigner);
        Money storage money = _money[channelId];
        if (money.deposit != 0) revert ChannelAlreadyExists(channelId);
        _parties[channelId] = parties;
        _addDeposit(money, deposit);
        emit ChannelOpened(
            channelId, parties.payer, parties.payee, parties.token, parties.authorizedSigner, salt, deposit
        );
    }

    function _topUp(bytes32 channelId, address from, uint128 amount) private returns (address token) {
        Money storage money = _openChannel(channelId);
        Parties storage parties = _parties[channelId];
        // If anybody's unit could take the payer's request back, a payee could keep a deposit for ever.
        if (from == parties.payer && money.closeRequestedAt != 0) {
            money.closeRequestedAt = 0;
            emit CloseRequestCancelled(channelId);
        }
        emit ChannelToppedUp(channelId, from, amount, _addDeposit(money, amount));
        return parties.token;
    }

    function _addDeposit(Money storage money, uint128 amount) private returns (uint96 deposit) {
        if (amount == 0) revert ZeroDeposit();
        uint256 sum = uint256(money.deposit) + amount;
        if (sum > type(uint96).max) revert DepositOverflow(sum);
        deposit = uint96(sum);
        money.deposit = deposit;
    }

    /// @dev Takes a voucher for more than is settled. The caller sends the amount.
    function _settle(
        bytes32 channelId,
        Money storage money,
        Parties storage parties,
        uint128 cumulativeAmount,
        bytes calldata signature
    ) private returns (uint128 amount) {
        if (cumulativeAmount > money.deposit) {
            revert AmountExceedsDeposit(cumulativeAmount, money.deposit);
        }
        address signer = parties.authorizedSigner;
        if (signer == address(0)) signer = parties.payer;
        bytes32 digest = digestOf(channelId, cumulativeAmount);
        if (!_isSigned(signer, digest, signature)) revert InvalidSignature();
        amount = cumulativeAmount - money.settled;
        // It is at most the deposit, so it fits.
        money.settled = uint96(cumulativeAmount);
        emit ChannelSettled(channelId, amount, cumulativeAmount);
    }

    function _finalize(bytes32 channelId, Money storage money) private returns (uint128 refund) {
        uint96 settled = money.settled;
        refund = money.deposit - settled;
        money.finalized = true;
        emit ChannelClosed(channelId, settled, refund);
    }

    function _receive(
        address token,
        address from,
        uint256 amount,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) private {
        uint256 before = IERC20(token).balanceOf(address(this));
        IReceiveWithAuthorization(token)
            .receiveWithAuthorization(from, address(this), amount, validAfter, validBefore, nonce, signature);
        uint256 received = IERC20(token).balanceOf(address(this)) - before;
        if (received != amount) revert ExactTransfer.TokenTookFee(amount, received);
    }

    function _openChannel(bytes32 channelId) private view returns (Money storage money) {
        money = _money[channelId];
        if (money.deposit == 0) revert ChannelNotFound(channelId);
        if (money.finalized) revert ChannelFinalized(channelId);
    }

    /// @dev A key's signature counts also where its account has code. An account can be given some later (EIP-7702), and
    /// would take back with it what it signed. What a contract says can change: who accepts its vouchers trusts it.
    function _isSigned(address signer, bytes32 digest, bytes calldata signature) private view returns (bool) {
        (address recovered, ECDSA.RecoverError problem,) = ECDSA.tryRecoverCalldata(digest, signature);
        if (problem == ECDSA.RecoverError.NoError && recovered == signer) return true;
        return SignatureChecker.isValidERC1271SignatureNowCalldata(signer, digest, signature);
    }

    function _checkNonce(bytes32 actual, bytes32 expected) private pure {
        if (actual != expected) revert NonceMismatch(expected, actual);
    }
}
