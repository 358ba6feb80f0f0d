// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFinalityVerifier} from "../../contracts/interfaces/IFinalityVerifier.sol";

/// A scheme under another name, as `tests/vectors/composed.py` has it: whatever else is asked goes to the scheme.
contract Renamed {
    bytes4 public immutable scheme;
    address private immutable TARGET;

    constructor(bytes4 name, IFinalityVerifier target) {
        (scheme, TARGET) = (name, address(target));
    }

    fallback() external {
        address target = TARGET;
        assembly {
            calldatacopy(0, 0, calldatasize())
            let answered := staticcall(gas(), target, 0, calldatasize(), 0, 0)
            returndatacopy(0, 0, returndatasize())
            if answered { return(0, returndatasize()) }
            revert(0, returndatasize())
        }
    }
}

/// A scheme that answers every question with the same bytes, or refuses with them.
contract Stubborn {
    bytes4 public immutable scheme;
    bytes private _answer;
    bool private _refuses;

    constructor(bytes4 name) {
        scheme = name;
    }

    function answer(bytes calldata data, bool refuses) external {
        (_answer, _refuses) = (data, refuses);
    }

    fallback() external {
        bytes memory data = _answer;
        bool refuses = _refuses;
        assembly {
            if refuses { revert(add(data, 0x20), mload(data)) }
            return(add(data, 0x20), mload(data))
        }
    }
}

/// A scheme in shadow that harms whoever asks it: burns all its gas, or returns or reverts with as much as it can pay.
contract Bomb {
    enum Charge {
        Burn,
        Return,
        Revert,
        Trap
    }

    bytes4 public immutable scheme;
    Charge public charge;

    constructor(bytes4 name) {
        scheme = name;
    }

    function load(Charge next) external {
        charge = next;
    }

    fallback() external {
        if (charge == Charge.Trap) {
            assembly {
                invalid()
            }
        }
        if (charge == Charge.Burn) {
            while (true) {}
        }
        bool refuses = charge == Charge.Revert;
        // 400 KiB: memory for them costs less than the gas that a scheme in shadow gets, a copy of them more.
        assembly {
            if refuses { revert(0, 409600) }
            return(0, 409600)
        }
    }
}
