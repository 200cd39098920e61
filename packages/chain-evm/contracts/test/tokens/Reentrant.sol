// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { ERC20 } from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @notice Calls a chosen contract in the middle of each transfer, as a token with hooks could, and remembers the answer.
contract Reentrant is ERC20 {
    address public target;
    bytes public data;
    bool public before;
    /// Calls made back, and how many of them went through.
    uint256 public calls;
    uint256 public succeeded;
    bytes public lastAnswer;
    bool private _inside;

    constructor() ERC20("Hook", "HOOK") { }

    function mint(address account, uint256 amount) external {
        _mint(account, amount);
    }

    /// @notice From now on, each transfer calls `target_` with `data_`, before or after the balances move.
    function arm(address target_, bytes calldata data_, bool before_) external {
        (target, data, before, calls, succeeded) = (target_, data_, before_, 0, 0);
    }

    function _update(address from, address to, uint256 amount) internal override {
        if (before) _callBack();
        super._update(from, to, amount);
        if (!before) _callBack();
    }

    function _callBack() private {
        if (target == address(0) || _inside) return;
        _inside = true;
        (bool ok, bytes memory answer) = target.call(data);
        calls += 1;
        if (ok) succeeded += 1;
        lastAnswer = answer;
        _inside = false;
    }
}
