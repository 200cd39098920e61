// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { ERC20 } from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import { ERC20Permit } from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @notice A well-behaved token with 18 decimals and permit. Anyone mints.
contract Plain18 is ERC20, ERC20Permit {
    constructor() ERC20("Guild", "GLD") ERC20Permit("Guild") { }

    function mint(address account, uint256 amount) external {
        _mint(account, amount);
    }
}
