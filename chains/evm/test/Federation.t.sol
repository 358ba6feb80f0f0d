// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {Route} from "../contracts/CheckpointRegistry.sol";
import {Federation, Phase, Round, Task} from "../contracts/Federation.sol";
import {Domains} from "../contracts/libraries/Domains.sol";
import {Assignment} from "../contracts/libraries/Assignment.sol";
import {Checkpoint, Checkpoints} from "../contracts/libraries/Checkpoints.sol";
import {
    SignedMembership,
    SignedUpdate,
    SignedVerdict,
    SignedVote,
    Update,
    Verdict,
    Vote
} from "../contracts/libraries/Statements.sol";
import {Seat} from "../contracts/Members.sol";
import {Code} from "../contracts/types/Code.sol";
import {Participants} from "./support/Participants.sol";
import {LogTwin} from "./support/LogTwin.sol";

/// Whole rounds, and every rule of docs/federation.md broken once.
contract FederationTest is Participants {
    bytes32 private constant DESTINATION = keccak256("domain of a destination");
    bytes32 private constant RECEIVER = keccak256("poft/pallet/Federation");

    // Rounds that go well.

    function test_round_endsFinal_everyoneSpeaks() public {
        federation.startRound(task);
        assertPhase(Phase.Training);
        submitUpdates(5);
        assertPhase(Phase.Verifying);
        submitVerdicts(5, 31);
        assertPhase(Phase.Aggregating);
        (Checkpoint memory checkpoint, bytes32[] memory parents) = result();
        bytes32 id = Checkpoints.id(checkpoint);
        submitVotes(4, id);
        vm.prank(STRANGER);
        federation.finalise(task, checkpoint, parents);
        assertPhase(Phase.Final);
        Federation.TaskRecord memory record = federation.taskState(task);
        vm.assertEq(record.lastFinal, id, "last final");
        vm.assertEq(record.lastFinalRound, 1, "last final round");
    }

    function test_round_endsFinal_someAreLate() public {
        federation.startRound(task);
        submitUpdates(4);
        assertPhase(Phase.Training);
        pass(PHASE_BLOCKS + 1);
        federation.advance(task);
        assertPhase(Phase.Verifying);
        submitVerdicts(4, 15);
        pass(PHASE_BLOCKS + 1);
        federation.advance(task);
        assertPhase(Phase.Aggregating);
        vm.assertEq(currentRound().accepted, 15, "accepted");
        (Checkpoint memory checkpoint, bytes32[] memory parents) = result();
        submitVotes(4, Checkpoints.id(checkpoint));
        // After the deadline, before anyone advances.
        pass(PHASE_BLOCKS + 1);
        federation.finalise(task, checkpoint, parents);
        assertPhase(Phase.Final);
    }

    function test_task_completes_afterItsRounds() public {
        bytes32 last = genesisId;
        for (uint256 i = 0; i < 4; ++i) {
            bytes32 next = wholeRound();
            vm.assertTrue(next != last, "a new checkpoint");
            last = next;
        }
        expectRefused(Code.TaskComplete);
        federation.startRound(task);
    }

    function test_exports_followSchedule_everySecondRound() public {
        Route[] memory routes = new Route[](2);
        routes[0] = Route(DESTINATION, RECEIVER);
        routes[1] = Route(keccak256("another destination"), RECEIVER);
        registry.setRoutes(task, routes);
        vm.assertEq(registry.lastExport(task, DESTINATION), genesisId, "genesis comes first");
        wholeRound();
        (uint64 size,,) = outbox.state();
        vm.assertEq(size, 0, "round 1 stays");
        bytes32 second = wholeRound();
        (size,,) = outbox.state();
        vm.assertEq(size, 2, "round 2 goes to both");
        vm.assertEq(registry.lastExport(task, DESTINATION), second, "previous of the next");
        vm.assertEq(outbox.nextNonce(DESTINATION), 1, "nonce");
    }

    function test_assignment_isLargestRemainder_unequalCapacities() public {
        federation.startRound(task);
        uint32[] memory steps = federation.assignment(task, 1);
        // One each, and 95 steps over 100, 50, 25, 200, 75 of 450: 21.1, 10.6, 5.3, 42.2, 15.8; two are left over for
        // the largest remainders, 15.8 and 10.6.
        uint32[5] memory wanted = [uint32(22), 12, 6, 43, 17];
        for (uint256 i = 0; i < 5; ++i) {
            vm.assertEq(steps[i], wanted[i], "steps");
        }
    }

    function testFuzz_assignment_sumsUpAndIsFair_anyCapacities(uint32 total, uint32[] memory some) public pure {
        uint256 count = some.length > 64 ? 64 : some.length;
        vm.assume(count != 0 && count <= total);
        uint32[] memory capacities_ = new uint32[](count);
        uint256 sum = 0;
        for (uint256 i = 0; i < count; ++i) {
            capacities_[i] = some[i] == 0 ? 1 : some[i];
            sum += capacities_[i];
        }
        uint32[] memory steps = Assignment.split(total, capacities_);
        uint256 given = 0;
        for (uint256 i = 0; i < count; ++i) {
            uint256 floor = 1 + uint256(total - count) * capacities_[i] / sum;
            vm.assertTrue(steps[i] == floor || steps[i] == floor + 1, "the share, rounded");
            given += steps[i];
        }
        vm.assertEq(given, total, "sum");
    }

    // Rounds that fail.

    function test_round_failsAndStartsAgain_tooFewUpdates() public {
        federation.startRound(task);
        submitUpdates(2);
        pass(PHASE_BLOCKS + 1);
        federation.advance(task);
        assertPhase(Phase.Failed);
        federation.startRound(task);
        vm.assertEq(federation.taskState(task).round, 2, "the number is used up");
        vm.assertEq(currentRound().submitted, 0, "nothing counts");
        submitUpdates(5);
        submitVerdicts(5, 31);
        assertPhase(Phase.Aggregating);
    }

    function test_round_fails_verifiersRejectUpdates() public {
        federation.startRound(task);
        submitUpdates(5);
        submitVerdicts(5, 3);
        assertPhase(Phase.Failed);
    }

    function test_round_fails_noQuorumOnOneCheckpoint() public {
        reachAggregating();
        (Checkpoint memory checkpoint, bytes32[] memory parents) = result();
        submitVotes(3, Checkpoints.id(checkpoint));
        expectRefused(Code.QuorumNotReached);
        federation.finalise(task, checkpoint, parents);
        pass(PHASE_BLOCKS + 1);
        federation.advance(task);
        assertPhase(Phase.Failed);
        vm.assertEq(federation.taskState(task).lastFinal, genesisId, "the last final model stays");
        wholeRound();
        vm.assertEq(federation.taskState(task).lastFinalRound, 2, "the next came about");
    }

    /// Everything that was signed for a failed round, carried into the one that follows it.
    function test_failedRound_refusesWrongRound_itsStatementsReplayed() public {
        federation.startRound(task);
        SignedUpdate[] memory updates = list(signed(0, update(0)));
        SignedVerdict[] memory verdicts = list(signed(0, verdict(0, 31)));
        submitUpdates(5);
        submitVerdicts(5, 31);
        (Checkpoint memory checkpoint, bytes32[] memory parents) = result();
        SignedVote[] memory votes = list(signed(0, vote(0, Checkpoints.id(checkpoint))));
        pass(PHASE_BLOCKS + 1);
        federation.advance(task);
        assertPhase(Phase.Failed);
        federation.startRound(task);
        expectRefused(Code.WrongRound);
        federation.submitUpdates(task, updates);
        submitUpdates(5);
        expectRefused(Code.WrongRound);
        federation.submitVerdicts(task, verdicts);
        submitVerdicts(5, 31);
        expectRefused(Code.WrongRound);
        federation.submitVotes(task, votes);
        expectRefused(Code.WrongRound);
        federation.finalise(task, checkpoint, parents);
        vm.assertEq(currentRound().votes, 0, "no vote counts");
    }

    /// A task is complete when its last final round reaches `rounds`, however many failed.
    function test_task_completes_withNumberBeyondRounds_afterFailures() public {
        for (uint256 i = 0; i < 3; ++i) {
            federation.startRound(task);
            pass(PHASE_BLOCKS + 1);
            federation.advance(task);
        }
        wholeRound();
        vm.assertEq(federation.taskState(task).lastFinalRound, 4, "last final round");
        expectRefused(Code.TaskComplete);
        federation.startRound(task);
    }

    /// Nobody fails a round that can be finalised by coming first: votes that agree leave another `phaseBlocks`.
    function test_advance_refusesDeadlineNotReached_votesAgree() public {
        reachAggregating();
        (Checkpoint memory checkpoint, bytes32[] memory parents) = result();
        submitVotes(4, Checkpoints.id(checkpoint));
        vm.assertTrue(currentRound().agreed, "more than two thirds");
        pass(PHASE_BLOCKS + 1);
        expectRefused(Code.DeadlineNotReached);
        federation.advance(task);
        pass(PHASE_BLOCKS - 1);
        expectRefused(Code.DeadlineNotReached);
        federation.advance(task);
        assertPhase(Phase.Aggregating);
        federation.finalise(task, checkpoint, parents);
        assertPhase(Phase.Final);
    }

    function test_advance_failsRound_agreedAndNeverFinalised() public {
        reachAggregating();
        (Checkpoint memory checkpoint, bytes32[] memory parents) = result();
        submitVotes(4, Checkpoints.id(checkpoint));
        pass(2 * PHASE_BLOCKS + 1);
        federation.advance(task);
        assertPhase(Phase.Failed);
        expectRefused(Code.WrongPhase);
        federation.finalise(task, checkpoint, parents);
    }

    function test_advance_failsRoundAtOnce_votesDisagree() public {
        reachAggregating();
        (Checkpoint memory checkpoint,) = result();
        submitVotes(3, Checkpoints.id(checkpoint));
        SignedVote[] memory others = new SignedVote[](2);
        for (uint256 i = 3; i < 5; ++i) {
            others[i - 3] = signed(i, vote(i, keccak256("another")));
        }
        federation.submitVotes(task, others);
        vm.assertTrue(!currentRound().agreed, "three of five");
        pass(PHASE_BLOCKS + 1);
        federation.advance(task);
        assertPhase(Phase.Failed);
    }

    function test_tally_needsMoreThanTwoThirds_ofAllMembers() public {
        federation.startRound(task);
        submitUpdates(5);
        // Member 4's update has 3 of 5 votes, the others 4: 3 * 3 <= 2 * 5 < 3 * 4.
        SignedVerdict[] memory verdicts = new SignedVerdict[](4);
        for (uint256 i = 0; i < 4; ++i) {
            verdicts[i] = signed(i, verdict(i, i == 0 ? 15 : 31));
        }
        federation.submitVerdicts(task, verdicts);
        pass(PHASE_BLOCKS + 1);
        federation.advance(task);
        vm.assertEq(currentRound().accepted, 15, "accepted");
    }

    // Phases and deadlines.

    function test_phases_refuseWrongPhase_everythingElse() public {
        (Checkpoint memory checkpoint, bytes32[] memory parents) = result();
        expectRefused(Code.WrongPhase);
        federation.submitUpdates(task, new SignedUpdate[](0));
        expectRefused(Code.WrongPhase);
        federation.advance(task);
        federation.startRound(task);
        expectRefused(Code.WrongPhase);
        federation.startRound(task);
        expectRefused(Code.WrongPhase);
        federation.submitVerdicts(task, new SignedVerdict[](0));
        expectRefused(Code.WrongPhase);
        federation.finalise(task, checkpoint, parents);
        submitUpdates(5);
        expectRefused(Code.WrongPhase);
        federation.submitUpdates(task, new SignedUpdate[](0));
    }

    function test_deadlines_holdToTheBlock() public {
        federation.startRound(task);
        SignedUpdate[] memory one = list(signed(0, update(0)));
        SignedUpdate[] memory two = list(signed(1, update(1)));
        pass(PHASE_BLOCKS);
        expectRefused(Code.DeadlineNotReached);
        federation.advance(task);
        federation.submitUpdates(task, one);
        pass(1);
        expectRefused(Code.DeadlinePassed);
        federation.submitUpdates(task, two);
        federation.advance(task);
        assertPhase(Phase.Failed);
    }

    function test_task_refusesUnknownTask_anyCall() public {
        bytes32 unknown = keccak256("unknown");
        expectRefused(Code.UnknownTask);
        federation.startRound(unknown);
        expectRefused(Code.UnknownTask);
        federation.submitUpdates(unknown, new SignedUpdate[](0));
        expectRefused(Code.UnknownTask);
        federation.advance(unknown);
    }

    // Updates.

    function test_submitUpdates_refused_oneThingBroken() public {
        federation.startRound(task);
        Update memory said = update(0);
        said.federation = keccak256("another federation");
        _refusedUpdate(Code.WrongDomain, 0, said);
        said = update(0);
        said.task = keccak256("another task");
        _refusedUpdate(Code.WrongDomain, 0, said);
        said = update(0);
        said.round = 2;
        _refusedUpdate(Code.WrongRound, 0, said);
        _refusedUpdate(Code.NotRegistered, 5, update(0));
        said = update(0);
        said.trainer = vm.addr(members[1]);
        _refusedUpdate(Code.NotRegistered, 0, said);
        said = update(0);
        said.steps -= 1;
        _refusedUpdate(Code.NotAssigned, 0, said);
        said = update(0);
        said.steps = 0;
        _refusedUpdate(Code.NotAssigned, 0, said);
        said = update(0);
        said.base = keccak256("another base");
        _refusedUpdate(Code.WrongBase, 0, said);
        said = update(0);
        said.samples = 0;
        _refusedUpdate(Code.ZeroValue, 0, said);
        said = update(0);
        said.updateRoot = 0;
        _refusedUpdate(Code.ZeroValue, 0, said);
        said = update(0);
        said.updateBytes = 0;
        _refusedUpdate(Code.ZeroValue, 0, said);
    }

    function test_submitUpdates_refusesSignatures_notTheTrainers() public {
        federation.startRound(task);
        SignedUpdate memory forged = signed(0, update(0));
        forged.signature = signed(1, update(0)).signature;
        expectRefused(Code.NotSigner);
        federation.submitUpdates(task, list(forged));
        forged = signed(0, update(0));
        forged.statement.samples = 900;
        expectRefused(Code.NotSigner);
        federation.submitUpdates(task, list(forged));
        forged = signed(0, update(0));
        forged.signature[64] = 0x00;
        expectRefused(Code.BadSignature);
        federation.submitUpdates(task, list(forged));
        forged.signature = new bytes(64);
        expectRefused(Code.BadSignature);
        federation.submitUpdates(task, list(forged));
        vm.assertEq(currentRound().submitted, 0, "nothing stored");
    }

    function test_submitUpdates_isAllOrNothing_lastOneBad() public {
        federation.startRound(task);
        SignedUpdate[] memory updates = new SignedUpdate[](2);
        updates[0] = signed(0, update(0));
        updates[1] = updates[0];
        expectRefused(Code.AlreadySubmitted);
        federation.submitUpdates(task, updates);
        vm.assertEq(currentRound().submitted, 0, "nothing stored");
    }

    function test_submitUpdates_refusesWrongRound_replayedInNextRound() public {
        federation.startRound(task);
        SignedUpdate[] memory old = list(signed(0, update(0)));
        submitUpdates(5);
        submitVerdicts(5, 31);
        (Checkpoint memory checkpoint, bytes32[] memory parents) = result();
        submitVotes(5, Checkpoints.id(checkpoint));
        federation.finalise(task, checkpoint, parents);
        federation.startRound(task);
        expectRefused(Code.WrongRound);
        federation.submitUpdates(task, old);
    }

    // Verdicts and votes.

    function test_submitVerdicts_refused_oneThingBroken() public {
        federation.startRound(task);
        submitUpdates(4);
        pass(PHASE_BLOCKS + 1);
        federation.advance(task);
        _refusedVerdict(Code.BitmapMismatch, 0, verdict(0, 31));
        Verdict memory said = verdict(0, 15);
        said.task = keccak256("another task");
        _refusedVerdict(Code.WrongDomain, 0, said);
        said = verdict(0, 15);
        said.round = 0;
        _refusedVerdict(Code.WrongRound, 0, said);
        _refusedVerdict(Code.NotRegistered, 1, verdict(0, 15));
        SignedVerdict memory forged = signed(0, verdict(0, 15));
        forged.statement.accepted = 7;
        expectRefused(Code.NotSigner);
        federation.submitVerdicts(task, list(forged));
        federation.submitVerdicts(task, list(signed(0, verdict(0, 15))));
        _refusedVerdict(Code.AlreadySubmitted, 0, verdict(0, 7));
    }

    function test_submitVotes_refused_oneThingBroken() public {
        reachAggregating();
        _refusedVote(Code.ZeroValue, 0, vote(0, 0));
        Vote memory said = vote(0, keccak256("x"));
        said.federation = keccak256("another federation");
        _refusedVote(Code.WrongDomain, 0, said);
        said = vote(0, keccak256("x"));
        said.round = 7;
        _refusedVote(Code.WrongRound, 0, said);
        _refusedVote(Code.NotRegistered, 1, vote(0, keccak256("x")));
        federation.submitVotes(task, list(signed(0, vote(0, keccak256("x")))));
        _refusedVote(Code.AlreadySubmitted, 0, vote(0, keccak256("y")));
        vm.assertEq(federation.votesFor(task, 1, keccak256("x")), 1, "one vote");
    }

    // Checkpoints.

    function test_finalise_refused_oneThingBroken() public {
        reachAggregating();
        (Checkpoint memory good, bytes32[] memory parents) = result();
        submitVotes(5, Checkpoints.id(good));
        Checkpoint memory bad = _copy(good);
        bad.federation = keccak256("another federation");
        _refusedFinalise(Code.WrongDomain, bad, parents);
        bad = _copy(good);
        bad.round = 2;
        _refusedFinalise(Code.WrongRound, bad, parents);
        bad = _copy(good);
        bad.modelBytes = 0;
        _refusedFinalise(Code.ZeroValue, bad, parents);
        _refusedFinalise(Code.ParentsMismatch, good, new bytes32[](0));
        bad = _copy(good);
        bad.trainingRoot = keccak256("other updates");
        _refusedFinalise(Code.TrainingRootMismatch, bad, parents);
        bad = _copy(good);
        bad.modelRoot = keccak256("another model");
        _refusedFinalise(Code.QuorumNotReached, bad, parents);
        _refusedLineage(Code.WrongPredecessor, good, new bytes32[](0));
        _refusedLineage(Code.WrongPredecessor, good, new bytes32[](1));
        _refusedLineage(Code.Oversize, good, new bytes32[](9));
        bytes32[] memory unknown = LogTwin.append(parents, keccak256("never imported"));
        _refusedLineage(Code.UnknownParent, good, unknown);
        federation.finalise(task, good, parents);
    }

    // Members.

    function test_setMembers_refused_oneThingBroken() public {
        uint256 outsider = uint256(keccak256("outsider"));
        _refusedMembership(Code.NotAdmitted, signedMembership(outsider, 10, 1));
        _refusedMembership(Code.StaleSequence, signedMembership(members[0], 10, 1));
        SignedMembership memory forged = signedMembership(members[0], 10, 2);
        forged.statement.capacity = 1_000_000;
        _refusedMembership(Code.NotSigner, forged);
        forged = signedMembership(members[0], 10, 2);
        forged.statement.federation = keccak256("another federation");
        _refusedMembership(Code.WrongDomain, forged);
        vm.assertEq(federation.participantState(vm.addr(members[0])).capacity, 100, "unchanged");
    }

    function test_setMembers_takesEffect_withNextRound() public {
        federation.startRound(task);
        SignedMembership[] memory leaving = new SignedMembership[](1);
        leaving[0] = signedMembership(members[4], 0, 2);
        federation.setMembers(leaving);
        vm.assertEq(federation.members().length, 4, "left");
        vm.assertEq(federation.memberSet(1).length, 5, "the round keeps its set");
        submitUpdates(5);
        submitVerdicts(5, 31);
        (Checkpoint memory checkpoint, bytes32[] memory parents) = result();
        submitVotes(5, Checkpoints.id(checkpoint));
        federation.finalise(task, checkpoint, parents);
        federation.startRound(task);
        vm.assertEq(currentRound().memberSet, 2, "a new set");
        vm.assertEq(currentRound().memberCount, 4, "without the one that left");
    }

    function test_members_areSorted_anyOrderOfJoining() public {
        Seat[] memory seats = federation.members();
        for (uint256 i = 1; i < seats.length; ++i) {
            vm.assertTrue(seats[i - 1].participant < seats[i].participant, "ascending");
        }
        address[] memory one = new address[](1);
        one[0] = vm.addr(members[2]);
        federation.expel(one);
        vm.assertEq(federation.members().length, 4, "expelled");
        _refusedMembership(Code.NotAdmitted, signedMembership(members[2], 10, 2));
        expectRefused(Code.NotAdmitted);
        federation.expel(one);
        federation.admit(one);
        seats = federation.members();
        vm.assertEq(seats[2].participant, one[0], "back in its place");
        vm.assertEq(seats[2].capacity, capacities[2], "with its capacity");
    }

    function test_setMembers_refusesTooManyParticipants_sixtyFifth() public {
        uint256[] memory crowd = sortedKeys("crowd", 60);
        federation.admit(addresses(crowd));
        SignedMembership[] memory joining = new SignedMembership[](59);
        for (uint256 i = 0; i < 59; ++i) {
            joining[i] = signedMembership(crowd[i], 1, 1);
        }
        federation.setMembers(joining);
        vm.assertEq(federation.members().length, 64, "full");
        _refusedMembership(Code.TooManyParticipants, signedMembership(crowd[59], 1, 1));
        // A round with 64 members still fits into a block.
        federation.startRound(task);
        vm.assertEq(currentRound().memberCount, 64, "members");
    }

    function test_startRound_refusesTooFewParticipants_belowMinTrainers() public {
        SignedMembership[] memory leaving = new SignedMembership[](3);
        for (uint256 i = 0; i < 3; ++i) {
            leaving[i] = signedMembership(members[i], 0, 2);
        }
        federation.setMembers(leaving);
        expectRefused(Code.TooFewParticipants);
        federation.startRound(task);
    }

    /// Whoever claims all the capacity there is leaves one step to everybody else.
    function test_assignment_leavesAStepToEveryone_oneClaimsEverything() public {
        SignedMembership[] memory one = new SignedMembership[](1);
        one[0] = signedMembership(members[3], type(uint32).max, 2);
        federation.setMembers(one);
        federation.startRound(task);
        uint32[] memory steps = federation.assignment(task, 1);
        for (uint256 i = 0; i < 5; ++i) {
            vm.assertEq(steps[i], i == 3 ? STEPS - 4 : 1, "steps");
        }
        submitUpdates(5);
        assertPhase(Phase.Verifying);
    }

    function test_startRound_refusesTooManyParticipants_moreThanSteps() public {
        Task memory config = taskConfig();
        config.configDigest = keccak256("four steps");
        config.stepsPerRound = 4;
        Checkpoint memory genesis = genesisCheckpoint();
        genesis.task = Domains.task(genesis.federation, config.configDigest);
        task = federation.createTask(config, genesis);
        expectRefused(Code.TooManyParticipants);
        federation.startRound(task);
        vm.assertEq(federation.taskState(task).round, 0, "not started");
        SignedMembership[] memory leaving = new SignedMembership[](1);
        leaving[0] = signedMembership(members[4], 0, 2);
        federation.setMembers(leaving);
        federation.startRound(task);
        uint32[] memory steps = federation.assignment(task, 1);
        for (uint256 i = 0; i < 4; ++i) {
            vm.assertEq(steps[i], 1, "one each");
        }
    }

    // Tasks and governance.

    function test_createTask_refused_badArguments() public {
        Task memory config = taskConfig();
        _refusedTask(Code.TaskExists, config, genesisCheckpoint());
        config.minTrainers = 0;
        _refusedTask(Code.ZeroValue, config, genesisCheckpoint());
        config = taskConfig();
        config.rounds = 0;
        _refusedTask(Code.ZeroValue, config, genesisCheckpoint());
        config = taskConfig();
        config.configDigest = keccak256("another config");
        // A genesis of another task.
        _refusedTask(Code.WrongDomain, config, genesisCheckpoint());
    }

    function test_governance_refused_stranger() public {
        bytes memory unauthorised = abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, STRANGER);
        vm.startPrank(STRANGER);
        vm.expectRevert(unauthorised);
        federation.admit(new address[](1));
        vm.expectRevert(unauthorised);
        federation.expel(new address[](1));
        vm.stopPrank();
        Checkpoint memory genesis = genesisCheckpoint();
        vm.prank(STRANGER);
        vm.expectRevert(unauthorised);
        federation.createTask(taskConfig(), genesis);
    }

    // Refusals leave everything as it was.

    function _refusedUpdate(Code code, uint256 index, Update memory said) private {
        SignedUpdate[] memory one = list(signed(index < 5 ? index : 0, said));
        one[0].index = index;
        expectRefused(code);
        federation.submitUpdates(task, one);
        vm.assertEq(currentRound().submitted, 0, "nothing stored");
    }

    function _refusedVerdict(Code code, uint256 index, Verdict memory said) private {
        uint64 before = currentRound().verdicts;
        SignedVerdict[] memory one = list(signed(index, said));
        expectRefused(code);
        federation.submitVerdicts(task, one);
        vm.assertEq(currentRound().verdicts, before, "nothing stored");
    }

    function _refusedVote(Code code, uint256 index, Vote memory said) private {
        uint64 before = currentRound().votes;
        SignedVote[] memory one = list(signed(index, said));
        expectRefused(code);
        federation.submitVotes(task, one);
        vm.assertEq(currentRound().votes, before, "nothing stored");
    }

    function _refusedFinalise(Code code, Checkpoint memory checkpoint, bytes32[] memory parents) private {
        expectRefused(code);
        federation.finalise(task, checkpoint, parents);
        assertPhase(Phase.Aggregating);
        vm.assertEq(federation.taskState(task).lastFinal, genesisId, "last final");
    }

    function _refusedLineage(Code code, Checkpoint memory good, bytes32[] memory parents) private {
        Checkpoint memory bad = _copy(good);
        bad.parentsHash = Checkpoints.hashParents(parents);
        _refusedFinalise(code, bad, parents);
    }

    function _refusedMembership(Code code, SignedMembership memory said) private {
        SignedMembership[] memory one = new SignedMembership[](1);
        one[0] = said;
        expectRefused(code);
        federation.setMembers(one);
    }

    function _refusedTask(Code code, Task memory config, Checkpoint memory genesis) private {
        expectRefused(code);
        federation.createTask(config, genesis);
    }

    function _copy(Checkpoint memory checkpoint) private pure returns (Checkpoint memory) {
        return abi.decode(abi.encode(checkpoint), (Checkpoint));
    }
}
