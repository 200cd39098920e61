// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { Base } from "../Base.sol";

/// @notice What a handler saw that must never happen. An invariant asserts that none of its flags is up.
abstract contract Flags is Base {
    mapping(string what => bool) public saw;

    /// @dev Calls as somebody, and compares the outcome with what the handler's own books say.
    function attempt(
        address who,
        address target,
        bytes memory data,
        bool legal,
        string memory early,
        string memory refused
    ) internal returns (bool ok) {
        vm.prank(who);
        (ok,) = target.call(data);
        if (ok && !legal) saw[early] = true;
        if (!ok && legal) saw[refused] = true;
    }

    function flagUnless(bool fine, string memory what) internal {
        if (!fine) saw[what] = true;
    }
}
