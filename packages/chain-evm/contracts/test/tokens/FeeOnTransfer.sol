// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { ERC20 } from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @notice Burns one percent of every transfer, while it is switched on.
contract FeeOnTransfer is ERC20 {
    bool public on = true;

    constructor() ERC20("Fee", "FEE") { }

    function mint(address account, uint256 amount) external {
        _mint(account, amount);
    }

    function switchTo(bool on_) external {
        on = on_;
    }

    function _update(address from, address to, uint256 amount) internal override {
        if (!on || from == address(0) || to == address(0)) return super._update(from, to, amount);
        uint256 fee = amount / 100;
        super._update(from, address(0), fee);
        super._update(from, to, amount - fee);
    }
}
