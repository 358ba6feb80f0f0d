// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Checkpoint, Checkpoints} from "../contracts/libraries/Checkpoints.sol";
import {Code} from "../contracts/types/Code.sol";
import {LogTwin} from "./support/LogTwin.sol";
import {Link} from "./support/Link.sol";
import {Participants} from "./support/Participants.sol";

/// A checkpoint of another chain becomes a parent here: delivered, verified, merged, in the lineage.
contract MergingTest is Link, Participants {
    function setUp() public override(Link, Participants) {
        super.setUp();
    }

    function test_finalise_takesImportAsParent_acceptedBeforeTheRound() public {
        bytes32 imported = _import();
        pass(1);
        vm.assertEq(_finaliseWith(imported), federation.taskState(task).lastFinal, "final with two parents");
    }

    function test_finalise_takesImportAsParent_acceptedInTheStartBlock() public {
        bytes32 imported = _import();
        vm.assertEq(_finaliseWith(imported), federation.taskState(task).lastFinal, "final with two parents");
    }

    function test_finalise_refusesUnknownParent_acceptedAfterTheStart() public {
        federation.startRound(task);
        pass(1);
        bytes32 imported = _import();
        submitUpdates(5);
        submitVerdicts(5, 31);
        (Checkpoint memory checkpoint, bytes32[] memory parents) = _withParent(imported);
        submitVotes(5, Checkpoints.id(checkpoint));
        expectRefused(Code.UnknownParent);
        federation.finalise(task, checkpoint, parents);
    }

    function _import() private returns (bytes32) {
        uint256 index = sourceExports();
        finalise(10);
        deliver(proven(index));
        return lastExported;
    }

    function _finaliseWith(bytes32 imported) private returns (bytes32 id) {
        reachAggregating();
        (Checkpoint memory checkpoint, bytes32[] memory parents) = _withParent(imported);
        id = Checkpoints.id(checkpoint);
        submitVotes(5, id);
        federation.finalise(task, checkpoint, parents);
    }

    function _withParent(bytes32 imported)
        private
        view
        returns (Checkpoint memory checkpoint, bytes32[] memory parents)
    {
        (checkpoint, parents) = result();
        parents = LogTwin.append(parents, imported);
        checkpoint.parentsHash = Checkpoints.hashParents(parents);
    }
}
