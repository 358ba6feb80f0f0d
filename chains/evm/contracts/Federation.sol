// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {CheckpointRegistry} from "./CheckpointRegistry.sol";
import {Assignment} from "./libraries/Assignment.sol";
import {Checkpoint, Checkpoints} from "./libraries/Checkpoints.sol";
import {Domains} from "./libraries/Domains.sol";
import {MerkleLog} from "./libraries/MerkleLog.sol";
import {Signatures} from "./libraries/Signatures.sol";
import {SignedUpdate, SignedVerdict, SignedVote, Statements, Update, Verdict, Vote} from "./libraries/Statements.sol";
import {Members, Seat} from "./Members.sol";
import {SuccessorRegistry} from "./successors/SuccessorRegistry.sol";
import {Code, Refused} from "./types/Code.sol";

/// A training request. `exportEvery` k: the final checkpoint of every round divisible by k goes out; 0 = never.
struct Task {
    bytes32 configDigest;
    uint64 rounds;
    uint32 stepsPerRound;
    uint32 exportEvery;
    uint32 phaseBlocks;
    uint16 minTrainers;
}

enum Phase {
    None,
    Training,
    Verifying,
    Aggregating,
    Final,
    Failed
}

/// A round. Bit i of a bitmap = member i of the member set.
struct Round {
    Phase phase;
    uint8 memberCount;
    uint32 memberSet;
    uint64 startBlock;
    /// Block in which the phase began.
    uint64 phaseBlock;
    /// Some checkpoint has more than two thirds of the votes.
    bool agreed;
    uint64 submitted;
    uint64 accepted;
    uint64 verdicts;
    uint64 votes;
}

/// One federation: its participants, tasks and rounds (docs/federation.md). The same rules, in the same order and with
/// the same codes, as the federation pallet's.
///
/// Training -> Verifying -> Aggregating -> Final | Failed. Anyone carries statements, starts rounds, pushes an overdue
/// phase on (`advance`) and presents the checkpoint that more than two thirds voted for (`finalise`); what counts is
/// who signed. Governance admits participants and creates tasks. The statements of one call are all or nothing.
contract Federation is Members {
    using Statements for Update;
    using Statements for Verdict;
    using Statements for Vote;

    struct TaskRecord {
        Task config;
        bytes32 lastFinal;
        uint64 lastFinalRound;
        /// The round that was started last. A failed round uses its number up.
        uint64 round;
    }

    CheckpointRegistry public registry;

    mapping(bytes32 task => TaskRecord) private _tasks;
    mapping(bytes32 roundKey => Round) private _rounds;
    mapping(bytes32 roundKey => uint32[]) private _steps;
    mapping(bytes32 roundKey => mapping(uint256 index => bytes32)) private _updateDigests;
    mapping(bytes32 roundKey => uint64[64]) private _verdicts;
    mapping(bytes32 roundKey => mapping(bytes32 checkpoint => uint256)) private _votes;

    event RegistrySet(CheckpointRegistry registry);
    event TaskCreated(bytes32 indexed task, Task config, Checkpoint genesis);
    event RoundStarted(bytes32 indexed task, uint64 indexed round, uint32 memberSet, uint64 startBlock, uint32[] steps);
    event PhaseEntered(bytes32 indexed task, uint64 indexed round, Phase phase, uint64 deadline);
    event UpdateSubmitted(bytes32 indexed task, uint64 indexed round, uint256 index, bytes32 digest, Update update);
    event VerdictSubmitted(bytes32 indexed task, uint64 indexed round, uint256 index, Verdict verdict);
    event RoundTallied(bytes32 indexed task, uint64 indexed round, uint64 accepted);
    event VoteSubmitted(bytes32 indexed task, uint64 indexed round, uint256 index, bytes32 checkpoint);
    event RoundFinal(
        bytes32 indexed task,
        uint64 indexed round,
        bytes32 indexed checkpointId,
        Checkpoint checkpoint,
        bytes32[] parents
    );
    event RoundFailed(bytes32 indexed task, uint64 indexed round);

    constructor(address authority, CheckpointRegistry registry_, string memory name)
        AccessManaged(authority)
        Members(Domains.federation(_domain(registry_), name), _domain(registry_))
    {
        require(authority != address(0), Refused(Code.ZeroValue));
        registry = registry_;
    }

    // ------------------------------------------------------------------------------------------------------ tasks

    function createTask(Task calldata config, Checkpoint calldata genesis) external restricted returns (bytes32 task) {
        require(
            config.configDigest != 0 && config.rounds != 0 && config.stepsPerRound != 0 && config.phaseBlocks != 0
                && config.minTrainers != 0 && genesis.modelRoot != 0,
            Refused(Code.ZeroValue)
        );
        task = Domains.task(federation, config.configDigest);
        TaskRecord storage record = _tasks[task];
        require(record.lastFinal == 0, Refused(Code.TaskExists));
        require(genesis.federation == federation && genesis.task == task, Refused(Code.WrongDomain));
        require(genesis.round == 0, Refused(Code.WrongRound));
        require(genesis.parentsHash == Checkpoints.hashParents(new bytes32[](0)), Refused(Code.ParentsMismatch));
        bytes32 genesisId = Checkpoints.id(genesis);
        record.config = config;
        record.lastFinal = genesisId;
        emit TaskCreated(task, config, genesis);
        registry.declareTask(task, genesisId);
    }

    /// Goes on with another registry, which has all that the present one accepted and exported: members, tasks, rounds and
    /// checkpoints stay.
    function setRegistry(SuccessorRegistry next) external restricted {
        require(address(next.predecessor()) == address(registry), Refused(Code.WrongPredecessor));
        registry = next;
        emit RegistrySet(next);
    }

    // ----------------------------------------------------------------------------------------------------- rounds

    function startRound(bytes32 task) external {
        TaskRecord storage record = _known(task);
        Phase last = _rounds[_currentKey(task, record)].phase;
        require(last == Phase.None || last == Phase.Final || last == Phase.Failed, Refused(Code.WrongPhase));
        require(record.lastFinalRound < record.config.rounds, Refused(Code.TaskComplete));
        (uint32 number, Seat[] memory seats) = _currentMemberSet();
        // No task has minTrainers zero, so there is a member, and its capacity is not zero.
        require(seats.length >= record.config.minTrainers, Refused(Code.TooFewParticipants));
        // Everybody gets a step.
        require(seats.length <= record.config.stepsPerRound, Refused(Code.TooManyParticipants));
        // Never the number of a failed round again: its statements, which name their round, would count once more.
        record.round += 1;
        bytes32 key = _currentKey(task, record);
        uint32[] memory steps = Assignment.split(record.config.stepsPerRound, _capacities(seats));
        _steps[key] = steps;
        _rounds[key] = Round({
            phase: Phase.Training,
            memberCount: uint8(seats.length),
            memberSet: number,
            startBlock: uint64(block.number),
            phaseBlock: uint64(block.number),
            agreed: false,
            submitted: 0,
            accepted: 0,
            verdicts: 0,
            votes: 0
        });
        emit RoundStarted(task, record.round, number, uint64(block.number), steps);
    }

    function submitUpdates(bytes32 task, SignedUpdate[] calldata updates) external {
        (TaskRecord storage record, bytes32 key, Round storage round) = _open(task, Phase.Training);
        for (uint256 i = 0; i < updates.length; ++i) {
            _submitUpdate(task, record, key, round, updates[i]);
        }
        if (round.submitted == _all(round.memberCount)) _enter(task, record, round, Phase.Verifying);
    }

    function submitVerdicts(bytes32 task, SignedVerdict[] calldata verdicts) external {
        (TaskRecord storage record, bytes32 key, Round storage round) = _open(task, Phase.Verifying);
        for (uint256 i = 0; i < verdicts.length; ++i) {
            _submitVerdict(task, record, key, round, verdicts[i]);
        }
        if (round.verdicts == _all(round.memberCount)) _tally(task, record, key, round);
    }

    function submitVotes(bytes32 task, SignedVote[] calldata votes) external {
        (TaskRecord storage record, bytes32 key, Round storage round) = _open(task, Phase.Aggregating);
        for (uint256 i = 0; i < votes.length; ++i) {
            _submitVote(task, record, key, round, votes[i]);
        }
    }

    /// Makes the checkpoint final that more than two thirds of the members voted for, after the deadline as well.
    function finalise(bytes32 task, Checkpoint calldata checkpoint, bytes32[] calldata parents) external {
        TaskRecord storage record = _known(task);
        bytes32 key = _currentKey(task, record);
        Round storage round = _rounds[key];
        require(round.phase == Phase.Aggregating, Refused(Code.WrongPhase));
        require(checkpoint.federation == federation && checkpoint.task == task, Refused(Code.WrongDomain));
        require(checkpoint.round == record.round, Refused(Code.WrongRound));
        require(
            checkpoint.modelRoot != 0 && checkpoint.modelBytes != 0 && checkpoint.manifestHash != 0,
            Refused(Code.ZeroValue)
        );
        _requireLineage(record.lastFinal, round.startBlock, checkpoint.parentsHash, parents);
        require(checkpoint.trainingRoot == _trainingRoot(key, round), Refused(Code.TrainingRootMismatch));
        bytes32 checkpointId = Checkpoints.id(checkpoint);
        require(3 * _votes[key][checkpointId] > 2 * uint256(round.memberCount), Refused(Code.QuorumNotReached));
        round.phase = Phase.Final;
        round.phaseBlock = uint64(block.number);
        record.lastFinal = checkpointId;
        record.lastFinalRound = checkpoint.round;
        emit RoundFinal(task, checkpoint.round, checkpointId, checkpoint, parents);
        uint32 every = record.config.exportEvery;
        if (every != 0 && checkpoint.round % every == 0) registry.exportCheckpoint(checkpoint, parents);
    }

    /// Pushes a phase on whose deadline has passed. Votes that agree leave `finalise` another `phaseBlocks`, so that
    /// nobody fails a round that can be finalised by coming first.
    function advance(bytes32 task) external {
        TaskRecord storage record = _known(task);
        bytes32 key = _currentKey(task, record);
        Round storage round = _rounds[key];
        Phase phase = round.phase;
        require(
            phase == Phase.Training || phase == Phase.Verifying || phase == Phase.Aggregating, Refused(Code.WrongPhase)
        );
        uint64 grace = phase == Phase.Aggregating && round.agreed ? record.config.phaseBlocks : 0;
        require(block.number > _deadline(record, round) + grace, Refused(Code.DeadlineNotReached));
        if (phase == Phase.Verifying) {
            _tally(task, record, key, round);
        } else if (phase == Phase.Training && _bitCount(round.submitted) >= record.config.minTrainers) {
            _enter(task, record, round, Phase.Verifying);
        } else {
            _fail(task, record, round);
        }
    }

    // ------------------------------------------------------------------------------------------------------ views

    function taskState(bytes32 task) external view returns (TaskRecord memory) {
        return _tasks[task];
    }

    function roundState(bytes32 task, uint64 round) external view returns (Round memory) {
        return _rounds[_roundKey(task, round)];
    }

    /// Steps of every member, in member order.
    function assignment(bytes32 task, uint64 round) external view returns (uint32[] memory) {
        return _steps[_roundKey(task, round)];
    }

    /// EIP-712 digest of a member's update, zero = none submitted.
    function updateDigest(bytes32 task, uint64 round, uint256 index) external view returns (bytes32) {
        return _updateDigests[_roundKey(task, round)][index];
    }

    function votesFor(bytes32 task, uint64 round, bytes32 checkpoint) external view returns (uint256) {
        return _votes[_roundKey(task, round)][checkpoint];
    }

    // ------------------------------------------------------------------------------------------------- statements

    function _submitUpdate(
        bytes32 task,
        TaskRecord storage record,
        bytes32 key,
        Round storage round,
        SignedUpdate calldata signed
    ) private {
        Update calldata update = signed.statement;
        _requireAbout(task, record.round, update.federation, update.task, update.round);
        uint256 index = signed.index;
        require(_isMember(round.memberSet, index, update.trainer), Refused(Code.NotRegistered));
        require(update.steps == _steps[key][index], Refused(Code.NotAssigned));
        require(update.base == record.lastFinal, Refused(Code.WrongBase));
        uint64 bit = _bit(index);
        require(round.submitted & bit == 0, Refused(Code.AlreadySubmitted));
        require(update.samples != 0 && update.updateRoot != 0 && update.updateBytes != 0, Refused(Code.ZeroValue));
        bytes32 digest = update.digest(statementSeparator);
        Signatures.requireSigner(digest, signed.signature, update.trainer);
        round.submitted |= bit;
        _updateDigests[key][index] = digest;
        emit UpdateSubmitted(task, record.round, index, digest, update);
    }

    function _submitVerdict(
        bytes32 task,
        TaskRecord storage record,
        bytes32 key,
        Round storage round,
        SignedVerdict calldata signed
    ) private {
        Verdict calldata verdict = signed.statement;
        _requireAbout(task, record.round, verdict.federation, verdict.task, verdict.round);
        uint256 index = signed.index;
        require(_isMember(round.memberSet, index, verdict.verifier), Refused(Code.NotRegistered));
        uint64 bit = _bit(index);
        require(round.verdicts & bit == 0, Refused(Code.AlreadySubmitted));
        require(verdict.accepted & ~round.submitted == 0, Refused(Code.BitmapMismatch));
        Signatures.requireSigner(verdict.digest(statementSeparator), signed.signature, verdict.verifier);
        round.verdicts |= bit;
        _verdicts[key][index] = verdict.accepted;
        emit VerdictSubmitted(task, record.round, index, verdict);
    }

    function _submitVote(
        bytes32 task,
        TaskRecord storage record,
        bytes32 key,
        Round storage round,
        SignedVote calldata signed
    ) private {
        Vote calldata vote = signed.statement;
        _requireAbout(task, record.round, vote.federation, vote.task, vote.round);
        uint256 index = signed.index;
        require(_isMember(round.memberSet, index, vote.participant), Refused(Code.NotRegistered));
        uint64 bit = _bit(index);
        require(round.votes & bit == 0, Refused(Code.AlreadySubmitted));
        require(vote.checkpoint != 0, Refused(Code.ZeroValue));
        Signatures.requireSigner(vote.digest(statementSeparator), signed.signature, vote.participant);
        round.votes |= bit;
        if (3 * ++_votes[key][vote.checkpoint] > 2 * uint256(round.memberCount)) round.agreed = true;
        emit VoteSubmitted(task, record.round, index, vote.checkpoint);
    }

    function _requireAbout(bytes32 task, uint64 round, bytes32 saidFederation, bytes32 saidTask, uint64 saidRound)
        private
        view
    {
        require(saidFederation == federation && saidTask == task, Refused(Code.WrongDomain));
        require(saidRound == round, Refused(Code.WrongRound));
    }

    // -------------------------------------------------------------------------------------------------- transitions

    /// The running round of a task in this phase, before its deadline.
    function _open(bytes32 task, Phase phase)
        private
        view
        returns (TaskRecord storage record, bytes32 key, Round storage round)
    {
        record = _known(task);
        key = _currentKey(task, record);
        round = _rounds[key];
        require(round.phase == phase, Refused(Code.WrongPhase));
        require(block.number <= _deadline(record, round), Refused(Code.DeadlinePassed));
    }

    function _enter(bytes32 task, TaskRecord storage record, Round storage round, Phase phase) private {
        round.phase = phase;
        round.phaseBlock = uint64(block.number);
        emit PhaseEntered(task, record.round, phase, _deadline(record, round));
    }

    function _fail(bytes32 task, TaskRecord storage record, Round storage round) private {
        round.phase = Phase.Failed;
        round.phaseBlock = uint64(block.number);
        emit RoundFailed(task, record.round);
    }

    /// An update is accepted when more than two thirds of all members say so.
    function _tally(bytes32 task, TaskRecord storage record, bytes32 key, Round storage round) private {
        uint256 count = round.memberCount;
        uint256[] memory approvals = new uint256[](count);
        for (uint256 i = 0; i < count; ++i) {
            uint64 verdict = _verdicts[key][i];
            for (uint256 j = 0; j < count; ++j) {
                approvals[j] += (verdict >> j) & 1;
            }
        }
        uint64 accepted = 0;
        for (uint256 j = 0; j < count; ++j) {
            if (3 * approvals[j] > 2 * count) accepted |= _bit(j);
        }
        round.accepted = accepted;
        emit RoundTallied(task, record.round, accepted);
        if (_bitCount(accepted) < record.config.minTrainers) _fail(task, record, round);
        else _enter(task, record, round, Phase.Aggregating);
    }

    /// The local predecessor first, then imports that the registry accepted no later than the round's start.
    function _requireLineage(bytes32 lastFinal, uint64 startBlock, bytes32 parentsHash, bytes32[] calldata parents)
        private
        view
    {
        require(parentsHash == Checkpoints.hashParents(parents), Refused(Code.ParentsMismatch));
        require(parents.length <= Checkpoints.MAX_PARENTS, Refused(Code.Oversize));
        require(parents.length != 0 && parents[0] == lastFinal, Refused(Code.WrongPredecessor));
        for (uint256 i = 1; i < parents.length; ++i) {
            uint64 acceptedAt = registry.acceptedAt(parents[i]);
            require(acceptedAt != 0 && acceptedAt <= startBlock, Refused(Code.UnknownParent));
        }
    }

    /// Root of the log over the digests of the accepted updates, in member order.
    function _trainingRoot(bytes32 key, Round storage round) private view returns (bytes32) {
        uint256 accepted = round.accepted;
        bytes32[] memory digests = new bytes32[](_bitCount(accepted));
        uint256 count = 0;
        for (uint256 i = 0; accepted >> i != 0; ++i) {
            if ((accepted >> i) & 1 == 1) digests[count++] = _updateDigests[key][i];
        }
        return MerkleLog.rootInPlace(digests, count);
    }

    // ------------------------------------------------------------------------------------------------------- parts

    function _known(bytes32 task) private view returns (TaskRecord storage record) {
        record = _tasks[task];
        require(record.lastFinal != 0, Refused(Code.UnknownTask));
    }

    function _deadline(TaskRecord storage record, Round storage round) private view returns (uint64) {
        return round.phaseBlock + record.config.phaseBlocks;
    }

    function _currentKey(bytes32 task, TaskRecord storage record) private view returns (bytes32) {
        return _roundKey(task, record.round);
    }

    function _roundKey(bytes32 task, uint64 round) private pure returns (bytes32) {
        return keccak256(abi.encode(task, round));
    }

    function _capacities(Seat[] memory seats) private pure returns (uint32[] memory capacities) {
        capacities = new uint32[](seats.length);
        for (uint256 i = 0; i < seats.length; ++i) {
            capacities[i] = seats[i].capacity;
        }
    }

    function _bit(uint256 index) private pure returns (uint64) {
        // Indices come from member lists, which have at most 64 entries.
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint64(uint256(1) << index);
    }

    function _all(uint256 count) private pure returns (uint64) {
        return type(uint64).max >> (MAX_MEMBERS - count);
    }

    function _bitCount(uint256 value) private pure returns (uint256 count) {
        for (; value != 0; value &= value - 1) {
            ++count;
        }
    }

    function _domain(CheckpointRegistry registry_) private view returns (bytes32) {
        require(address(registry_) != address(0), Refused(Code.ZeroValue));
        return registry_.outbox().domain();
    }
}
