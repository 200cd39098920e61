// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { Checkpoints } from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";
import { Roles } from "../Roles.sol";
import { IValidatorRegistry } from "../interfaces/IValidatorRegistry.sol";

/// @title Who is listed in which epoch
/// @dev The list has no gaps: who leaves is replaced by the last. Each place and the length keep their history by epoch,
/// so the list of an epoch is frozen without being copied, however long it is.
abstract contract ValidatorList is IValidatorRegistry, Roles {
    using Checkpoints for Checkpoints.Trace208;

    /// @notice Length of an epoch in seconds.
    uint48 public immutable epochLength;

    Checkpoints.Trace208 private _length;
    mapping(uint256 place => Checkpoints.Trace208) private _places;
    /// @dev Place in the next epoch's list, plus one; 0 for who is not in it.
    mapping(address validator => uint256) private _placeOf;

    constructor(uint48 epochLength_) {
        if (epochLength_ < 1 minutes || epochLength_ > 366 days) revert BadRegistryConfig();
        epochLength = epochLength_;
    }

    /// @inheritdoc IValidatorRegistry
    function currentEpoch() public view returns (uint48) {
        return _now() / epochLength;
    }

    /// @inheritdoc IValidatorRegistry
    function listedAt(uint48 epoch) public view returns (uint256) {
        return _length.upperLookupRecent(epoch);
    }

    /// @inheritdoc IValidatorRegistry
    function validatorAt(uint48 epoch, uint256 place) public view returns (address) {
        uint256 length = listedAt(epoch);
        if (place >= length) revert NoSuchPlace(place, length);
        return address(uint160(_places[place].upperLookupRecent(epoch)));
    }

    /// @dev From the next epoch on.
    function _enlist(address validator) internal {
        uint48 next = currentEpoch() + 1;
        uint208 length = _length.latest();
        _length.push(next, length + 1);
        _places[length].push(next, uint160(validator));
        _placeOf[validator] = length + 1;
    }

    /// @dev From the next epoch on.
    function _unlist(address validator) internal {
        uint48 next = currentEpoch() + 1;
        uint208 last = _length.latest() - 1;
        uint256 place = _placeOf[validator] - 1;
        delete _placeOf[validator];
        if (place != last) {
            uint160 moved = uint160(_places[last].latest());
            _places[place].push(next, moved);
            _placeOf[address(moved)] = place + 1;
        }
        _length.push(next, last);
    }
}
