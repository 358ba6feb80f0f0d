// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFinalityVerifier, TrustState} from "../../contracts/interfaces/IFinalityVerifier.sol";
import {Agreements, SchemeTrust} from "../../contracts/schemes/and1/AgreementProof.sol";

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

/// Geneses and proofs of AND1.
library Composed {
    function genesis(uint64 epoch, SchemeTrust[] memory list, bytes[] memory geneses)
        internal
        pure
        returns (bytes memory packed)
    {
        packed = abi.encodePacked(epoch, uint8(list.length));
        for (uint256 i = 0; i < list.length; ++i) {
            packed = bytes.concat(
                packed, abi.encodePacked(list[i].scheme, list[i].shadow, uint16(geneses[i].length)), geneses[i]
            );
        }
    }

    function proof(uint64 epoch, SchemeTrust[] memory list, bytes[] memory proofs)
        internal
        pure
        returns (bytes memory packed)
    {
        packed = abi.encodePacked(epoch, uint8(list.length));
        for (uint256 i = 0; i < list.length; ++i) {
            SchemeTrust memory trust = list[i];
            packed = bytes.concat(
                packed,
                abi.encodePacked(
                    trust.scheme,
                    trust.shadow,
                    trust.epoch,
                    trust.authority,
                    trust.smallCommittee,
                    uint16(proofs[i].length)
                ),
                proofs[i]
            );
        }
    }

    /// A client that has this list and knows an empty outbox at height 10.
    function state(uint64 epoch, SchemeTrust[] memory list) internal pure returns (TrustState memory) {
        return TrustState({
            epoch: epoch,
            height: 10,
            timestamp: 1990,
            outboxSize: 0,
            outboxRoot: keccak256(""),
            authority: Agreements.hash(list),
            smallCommittee: false
        });
    }
}
