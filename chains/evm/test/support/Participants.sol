// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Federation, Phase, Round, Task} from "../../contracts/Federation.sol";
import {Checkpoint, Checkpoints} from "../../contracts/libraries/Checkpoints.sol";
import {Domains} from "../../contracts/libraries/Domains.sol";
import {
    Membership,
    SignedMembership,
    SignedUpdate,
    SignedVerdict,
    SignedVote,
    Statements,
    Update,
    Verdict,
    Vote
} from "../../contracts/libraries/Statements.sol";
import {LogTwin} from "./LogTwin.sol";
import {Network} from "./Network.sol";

/// A federation with admitted participants and one task, and what its participants sign.
abstract contract Participants is Network {
    bytes32 internal constant CONFIG = keccak256("config of the run");
    uint32 internal constant STEPS = 100;
    uint32 internal constant PHASE_BLOCKS = 10;

    /// Sorted by address, as member lists are.
    uint256[] internal members;
    uint32[] internal capacities;
    bytes32 internal task;
    bytes32 internal genesisId;

    function setUp() public virtual override {
        super.setUp();
        members = sortedKeys("participant", 5);
        capacities = [uint32(100), 50, 25, 200, 75];
        federation.admit(addresses(members));
        SignedMembership[] memory joining = new SignedMembership[](5);
        for (uint256 i = 0; i < 5; ++i) {
            joining[i] = signedMembership(members[i], capacities[i], 1);
        }
        federation.setMembers(joining);
        task = Domains.task(federation.federation(), CONFIG);
        genesisId = Checkpoints.id(genesisCheckpoint());
        federation.createTask(taskConfig(), genesisCheckpoint());
    }

    function taskConfig() internal pure virtual returns (Task memory) {
        return Task({
            configDigest: CONFIG,
            rounds: 4,
            stepsPerRound: STEPS,
            exportEvery: 2,
            phaseBlocks: PHASE_BLOCKS,
            minTrainers: 3
        });
    }

    function genesisCheckpoint() internal view returns (Checkpoint memory checkpoint) {
        checkpoint.federation = federation.federation();
        checkpoint.task = task == 0 ? Domains.task(federation.federation(), CONFIG) : task;
        checkpoint.modelRoot = keccak256("first model");
        checkpoint.modelBytes = 1000;
        checkpoint.manifestHash = keccak256("manifest");
        checkpoint.parentsHash = Checkpoints.hashParents(new bytes32[](0));
    }

    // Statements.

    function signedMembership(uint256 key, uint32 capacity, uint64 sequence)
        internal
        view
        returns (SignedMembership memory said)
    {
        said.statement = Membership({
            federation: federation.federation(),
            participant: vm.addr(key),
            encryptionKey: keccak256(abi.encode("x25519", key)),
            capacity: capacity,
            sequence: sequence
        });
        said.signature = signDigest(key, Statements.digest(said.statement, federation.statementSeparator()));
    }

    function update(uint256 index) internal view returns (Update memory) {
        Federation.TaskRecord memory record = federation.taskState(task);
        uint32[] memory steps = federation.assignment(task, record.round);
        return Update({
            federation: federation.federation(),
            task: task,
            round: record.round,
            trainer: vm.addr(members[index]),
            base: record.lastFinal,
            updateRoot: keccak256(abi.encode("update", index, record.round)),
            updateBytes: 1000,
            samples: 90,
            computeMillis: 1500,
            steps: steps[index],
            trainingRoot: keccak256("steps"),
            datasetRoot: keccak256("data"),
            accessRoot: keccak256("reads"),
            cipherHash: 0
        });
    }

    function verdict(uint256 index, uint64 accepted) internal view returns (Verdict memory) {
        return Verdict({
            federation: federation.federation(),
            task: task,
            round: federation.taskState(task).round,
            verifier: vm.addr(members[index]),
            accepted: accepted,
            scoresRoot: keccak256("scores")
        });
    }

    function vote(uint256 index, bytes32 checkpoint) internal view returns (Vote memory) {
        return Vote({
            federation: federation.federation(),
            task: task,
            round: federation.taskState(task).round,
            participant: vm.addr(members[index]),
            checkpoint: checkpoint
        });
    }

    function signed(uint256 index, Update memory said) internal view returns (SignedUpdate memory) {
        return SignedUpdate(index, said, _sign(index, Statements.digest(said, federation.statementSeparator())));
    }

    function signed(uint256 index, Verdict memory said) internal view returns (SignedVerdict memory) {
        return SignedVerdict(index, said, _sign(index, Statements.digest(said, federation.statementSeparator())));
    }

    function signed(uint256 index, Vote memory said) internal view returns (SignedVote memory) {
        return SignedVote(index, said, _sign(index, Statements.digest(said, federation.statementSeparator())));
    }

    function list(SignedUpdate memory only) internal pure returns (SignedUpdate[] memory one) {
        one = new SignedUpdate[](1);
        one[0] = only;
    }

    function list(SignedVerdict memory only) internal pure returns (SignedVerdict[] memory one) {
        one = new SignedVerdict[](1);
        one[0] = only;
    }

    function list(SignedVote memory only) internal pure returns (SignedVote[] memory one) {
        one = new SignedVote[](1);
        one[0] = only;
    }

    // The course of a round.

    function submitUpdates(uint256 count) internal {
        SignedUpdate[] memory updates = new SignedUpdate[](count);
        for (uint256 i = 0; i < count; ++i) {
            updates[i] = signed(i, update(i));
        }
        federation.submitUpdates(task, updates);
    }

    function submitVerdicts(uint256 count, uint64 accepted) internal {
        SignedVerdict[] memory verdicts = new SignedVerdict[](count);
        for (uint256 i = 0; i < count; ++i) {
            verdicts[i] = signed(i, verdict(i, accepted));
        }
        federation.submitVerdicts(task, verdicts);
    }

    function submitVotes(uint256 count, bytes32 checkpoint) internal {
        SignedVote[] memory votes = new SignedVote[](count);
        for (uint256 i = 0; i < count; ++i) {
            votes[i] = signed(i, vote(i, checkpoint));
        }
        federation.submitVotes(task, votes);
    }

    /// A round up to Aggregating in which everyone submits and accepts everything.
    function reachAggregating() internal {
        federation.startRound(task);
        submitUpdates(5);
        submitVerdicts(5, 31);
    }

    function wholeRound() internal returns (bytes32 checkpointId) {
        reachAggregating();
        (Checkpoint memory checkpoint, bytes32[] memory parents) = result();
        checkpointId = Checkpoints.id(checkpoint);
        submitVotes(4, checkpointId);
        federation.finalise(task, checkpoint, parents);
    }

    /// The checkpoint that everyone computes from the accepted updates, with no import.
    function result() internal view returns (Checkpoint memory checkpoint, bytes32[] memory parents) {
        Federation.TaskRecord memory record = federation.taskState(task);
        parents = new bytes32[](1);
        parents[0] = record.lastFinal;
        checkpoint = Checkpoint({
            federation: federation.federation(),
            task: task,
            round: record.round,
            modelRoot: keccak256(abi.encode("model", record.round)),
            modelBytes: 1000,
            manifestHash: keccak256("manifest"),
            parentsHash: Checkpoints.hashParents(parents),
            samples: 450,
            metricsHash: keccak256("metrics"),
            trainingRoot: LogTwin.root(acceptedDigests()),
            datasetRoot: keccak256("data"),
            locatorHash: keccak256("locator")
        });
    }

    function acceptedDigests() internal view returns (bytes32[] memory digests) {
        Federation.TaskRecord memory record = federation.taskState(task);
        Round memory round = currentRound();
        for (uint256 i = 0; i < members.length; ++i) {
            if ((round.accepted >> i) & 1 == 0) continue;
            digests = LogTwin.append(digests, federation.updateDigest(task, record.round, i));
        }
    }

    function currentRound() internal view returns (Round memory) {
        Federation.TaskRecord memory record = federation.taskState(task);
        return federation.roundState(task, record.round);
    }

    function assertPhase(Phase phase) internal view {
        vm.assertEq(uint256(currentRound().phase), uint256(phase), "phase");
    }

    function pass(uint256 blocks) internal {
        vm.roll(block.number + blocks);
    }

    function _sign(uint256 index, bytes32 digest) private view returns (bytes memory) {
        return signDigest(members[index], digest);
    }
}
