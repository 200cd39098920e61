// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice The part of forge's cheat codes that these tests use.
interface Vm {
    struct Log {
        bytes32[] topics;
        bytes data;
        address emitter;
    }

    function prank(address sender) external;
    function startPrank(address sender) external;
    function stopPrank() external;
    function expectRevert() external;
    function expectRevert(bytes4 selector) external;
    function expectRevert(bytes calldata data) external;
    function expectPartialRevert(bytes4 selector) external;
    function expectEmit() external;
    function expectEmit(address emitter) external;
    function expectEmit(bool topic1, bool topic2, bool topic3, bool data, address emitter) external;
    function expectCall(address callee, bytes calldata data) external;
    function recordLogs() external;
    function getRecordedLogs() external returns (Log[] memory);
    function warp(uint256 time) external;
    function roll(uint256 number) external;
    function chainId(uint256 id) external;
    function fee(uint256 basefee) external;
    function assume(bool condition) external pure;
    function deal(address account, uint256 amount) external;
    function etch(address account, bytes calldata code) external;
    function load(address account, bytes32 slot) external view returns (bytes32);
    function store(address account, bytes32 slot, bytes32 value) external;
    function record() external;
    function accesses(address account) external returns (bytes32[] memory reads, bytes32[] memory writes);
    function mockCall(address callee, bytes calldata data, bytes calldata result) external;
    function mockCallRevert(address callee, bytes calldata data, bytes calldata result) external;
    function clearMockedCalls() external;
    function sign(uint256 key, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
    function addr(uint256 key) external pure returns (address);
    function label(address account, string calldata name) external;
    function getNonce(address account) external view returns (uint64);
    function computeCreateAddress(address deployer, uint256 nonce) external pure returns (address);
    function snapshotState() external returns (uint256 id);
    function revertToState(uint256 id) external returns (bool);
    function revertToStateAndDelete(uint256 id) external returns (bool);
    function snapshotGasLastCall(string calldata name) external returns (uint256 gas);
    function snapshotGasLastCall(string calldata group, string calldata name) external returns (uint256 gas);
    function startSnapshotGas(string calldata group, string calldata name) external;
    function stopSnapshotGas() external returns (uint256 gas);
    function snapshotValue(string calldata group, string calldata name, uint256 value) external;
    function pauseGasMetering() external;
    function resumeGasMetering() external;
    function resetGasMetering() external;
    function cool(address account) external;
    function isolate(bool on) external;
    function getBlockTimestamp() external view returns (uint256);
    function toString(uint256 value) external pure returns (string memory);
    function envOr(string calldata name, uint256 value) external view returns (uint256);
    function assertTrue(bool value) external pure;
    function assertTrue(bool value, string calldata reason) external pure;
    function assertFalse(bool value) external pure;
    function assertFalse(bool value, string calldata reason) external pure;
    function assertEq(uint256 a, uint256 b) external pure;
    function assertEq(uint256 a, uint256 b, string calldata reason) external pure;
    function assertEq(address a, address b) external pure;
    function assertEq(address a, address b, string calldata reason) external pure;
    function assertEq(bytes32 a, bytes32 b) external pure;
    function assertEq(bytes32 a, bytes32 b, string calldata reason) external pure;
    function assertEq(bool a, bool b) external pure;
    function assertEq(bool a, bool b, string calldata reason) external pure;
    function assertEq(bytes calldata a, bytes calldata b) external pure;
    function assertNotEq(uint256 a, uint256 b) external pure;
    function assertNotEq(bytes32 a, bytes32 b) external pure;
    function assertLe(uint256 a, uint256 b) external pure;
    function assertLe(uint256 a, uint256 b, string calldata reason) external pure;
    function assertLt(uint256 a, uint256 b) external pure;
    function assertLt(uint256 a, uint256 b, string calldata reason) external pure;
    function assertGe(uint256 a, uint256 b) external pure;
    function assertGe(uint256 a, uint256 b, string calldata reason) external pure;
    function assertGt(uint256 a, uint256 b) external pure;
    function assertGt(uint256 a, uint256 b, string calldata reason) external pure;
    function assertApproxEqAbs(uint256 a, uint256 b, uint256 delta) external pure;
}

/// @notice What every test and every handler of an invariant needs: cheat codes, assertions, bounds and targets.
abstract contract Base {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    // forge looks for this name
    // solhint-disable-next-line const-name-snakecase
    Vm internal constant vm = Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);
    // solhint-disable-next-line var-name-mixedcase
    bool public IS_TEST = true;

    address[] private _targetContracts;
    address[] private _targetSenders;
    FuzzSelector[] private _targetSelectors;

    function targetContract(address target) internal {
        _targetContracts.push(target);
    }

    function targetSender(address sender) internal {
        _targetSenders.push(sender);
    }

    function targetSelectors(address target, bytes4[] memory selectors) internal {
        _targetSelectors.push(FuzzSelector(target, selectors));
    }

    function targetContracts() public view returns (address[] memory) {
        return _targetContracts;
    }

    function targetSenders() public view returns (address[] memory) {
        return _targetSenders;
    }

    function targetSelectors() public view returns (FuzzSelector[] memory) {
        return _targetSelectors;
    }

    /// @notice Maps any number into lo..hi; numbers already inside stay as they are.
    function bound(uint256 x, uint256 lo, uint256 hi) internal pure returns (uint256) {
        require(lo <= hi, "bound: lo > hi");
        if (x >= lo && x <= hi) return x;
        uint256 size = hi - lo;
        return size == type(uint256).max ? x : lo + x % (size + 1);
    }

    /// @notice An address with a name in the traces, and its private key.
    function makeAddrAndKey(string memory name) internal returns (address account, uint256 key) {
        key = uint256(keccak256(bytes(name)));
        account = vm.addr(key);
        vm.label(account, name);
    }

    function makeAddr(string memory name) internal returns (address account) {
        (account,) = makeAddrAndKey(name);
    }

    function sign(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    /// @notice Seconds pass. Through the cheat code, because the compiler takes block.timestamp for constant in a call.
    function skip(uint256 secondsPassed) internal {
        vm.warp(vm.getBlockTimestamp() + secondsPassed);
    }

    function clock() internal view returns (uint48) {
        return uint48(vm.getBlockTimestamp());
    }

    function assertTrue(bool value) internal pure {
        vm.assertTrue(value);
    }

    function assertTrue(bool value, string memory reason) internal pure {
        vm.assertTrue(value, reason);
    }

    function assertFalse(bool value) internal pure {
        vm.assertFalse(value);
    }

    function assertFalse(bool value, string memory reason) internal pure {
        vm.assertFalse(value, reason);
    }

    function assertEq(uint256 a, uint256 b) internal pure {
        vm.assertEq(a, b);
    }

    function assertEq(uint256 a, uint256 b, string memory reason) internal pure {
        vm.assertEq(a, b, reason);
    }

    function assertEq(address a, address b) internal pure {
        vm.assertEq(a, b);
    }

    function assertEq(bytes32 a, bytes32 b) internal pure {
        vm.assertEq(a, b);
    }

    function assertEq(bool a, bool b) internal pure {
        vm.assertEq(a, b);
    }

    function assertNotEq(bytes32 a, bytes32 b) internal pure {
        vm.assertNotEq(a, b);
    }

    function assertLe(uint256 a, uint256 b) internal pure {
        vm.assertLe(a, b);
    }

    function assertLe(uint256 a, uint256 b, string memory reason) internal pure {
        vm.assertLe(a, b, reason);
    }

    function assertLt(uint256 a, uint256 b) internal pure {
        vm.assertLt(a, b);
    }

    function assertGe(uint256 a, uint256 b) internal pure {
        vm.assertGe(a, b);
    }

    function assertGe(uint256 a, uint256 b, string memory reason) internal pure {
        vm.assertGe(a, b, reason);
    }

    function assertGt(uint256 a, uint256 b) internal pure {
        vm.assertGt(a, b);
    }

    function assertGt(uint256 a, uint256 b, string memory reason) internal pure {
        vm.assertGt(a, b, reason);
    }

    function assertApproxEqAbs(uint256 a, uint256 b, uint256 delta) internal pure {
        vm.assertApproxEqAbs(a, b, delta);
    }
}
