// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { ERC20 } from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @notice Refuses chosen accounts, by reverting or by answering false, or burns all gas for them.
contract Blocking is ERC20 {
    enum Way {
        None,
        Reverts,
        AnswersFalse,
        BurnsGas
    }

    mapping(address account => Way) public wayOf;

    error Blocked(address account);

    constructor() ERC20("Blocking", "BLK") { }

    function mint(address account, uint256 amount) external {
        _mint(account, amount);
    }

    /// @notice How transfers to or from `account` fail from now on.
    function block_(address account, Way way) external {
        wayOf[account] = way;
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        if (_refuses(msg.sender) || _refuses(to)) return false;
        return super.transfer(to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        if (_refuses(from) || _refuses(to)) return false;
        return super.transferFrom(from, to, amount);
    }

    function _refuses(address account) private view returns (bool) {
        Way way = wayOf[account];
        if (way == Way.Reverts) revert Blocked(account);
        if (way == Way.BurnsGas) while (gasleft() > 0) { }
        return way == Way.AnswersFalse;
    }
}
