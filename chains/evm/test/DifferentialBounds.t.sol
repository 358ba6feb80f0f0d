// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MerkleLog} from "../contracts/libraries/MerkleLog.sol";
import {Code, Refused} from "../contracts/types/Code.sol";
import {Test} from "./support/Test.sol";

contract LogFace {
    MerkleLog.Frontier private _log;

    function append(bytes32 data) external returns (uint64 size) {
        (size,) = MerkleLog.append(_log, data);
    }
}

/// Bounds that no vector reaches, because a ledger's state would have to be there first.
contract DifferentialBoundsTest is Test {
    function test_append_refusesOversize_fullLog() public {
        LogFace face = new LogFace();
        vm.store(address(face), 0, bytes32(uint256(type(uint64).max - 1)));
        vm.assertEq(face.append("last"), type(uint64).max, "the last leaf");
        vm.expectRevert(abi.encodeWithSelector(Refused.selector, Code.Oversize));
        face.append("one more");
    }
}
