// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Finalised, IFinalityVerifier, Limits, TrustState} from "../../interfaces/IFinalityVerifier.sol";
import {Code, Refused} from "../../types/Code.sol";
import {Agreements, SchemeTrust, Span} from "./AgreementProof.sol";

/// AND1: several schemes that must agree on what is final; some of them in shadow (docs/protocol.md section 8).
///
/// Every scheme of the list is asked for the same step of the source. Those that decide must all accept and say the same;
/// one in shadow is asked as well, and where it refuses or says something else, its bit is set in `Finalised.dissent` and
/// nothing else happens. The list, with its flags, is part of the genesis; the authority commits to it and to what is
/// believed of each scheme, so a carrier cannot leave out, swap or demote one.
///
/// Stateless, like every verifier; it only knows under which address each scheme that a list may name is deployed.
/// Encodings of genesis and proof: `AgreementProof.sol`. Twins: `poft/verification/schemes/and1.py`,
/// `primitives/src/and1.rs`; the order of checks is the same in the three.
///
/// A scheme that decides is trusted with what it costs. One in shadow is not: it gets `SHADOW_GAS`, no more and no less,
/// its answer has ten words or is none, and nothing else of what it returns is copied. So its bit depends on the proof,
/// and not on the gas that the carrier brought.
contract AgreementVerifier is IFinalityVerifier {
    using Agreements for SchemeTrust;

    /// What a scheme in shadow gets: CMT1 with 43 signatures of 64 needs less than a third of it, a pairing check with
    /// two pairs a tenth.
    uint256 public constant SHADOW_GAS = 1_000_000;

    bytes4 private constant SCHEME = "AND1";
    /// Words of a `TrustState` and a `Finalised`.
    uint256 private constant ANSWER = 10;

    mapping(bytes4 scheme => IFinalityVerifier) private _schemes;

    /// The transaction carries too little gas to give a scheme in shadow its `SHADOW_GAS`.
    error GasBelowFloor();

    /// `schemes`: what a list may name, each under its own name.
    constructor(IFinalityVerifier[] memory schemes) {
        for (uint256 i = 0; i < schemes.length; ++i) {
            require(address(schemes[i]).code.length != 0, Refused(Code.UnknownScheme));
            bytes4 name = schemes[i].scheme();
            // No list within a list.
            require(name != SCHEME, Refused(Code.UnknownScheme));
            require(address(_schemes[name]) == address(0), Refused(Code.AlreadyInitialised));
            _schemes[name] = schemes[i];
        }
    }

    function scheme() external pure returns (bytes4) {
        return SCHEME;
    }

    /// The contract that is asked for a scheme; refuses with `UnknownScheme`.
    function verifierOf(bytes4 name) public view returns (IFinalityVerifier verifier) {
        verifier = _schemes[name];
        require(address(verifier) != address(0), Refused(Code.UnknownScheme));
    }

    /// `genesis`: the list, and what each scheme of it starts from.
    function initialise(bytes calldata genesis) external view returns (TrustState memory state) {
        (uint64 epoch, SchemeTrust[] memory list, Span[] memory spans) = Agreements.decodeGenesis(genesis);
        require(epoch != 0, Refused(Code.ZeroValue));
        _requireDistinct(list);
        bool small = false;
        for (uint256 i = 0; i < list.length; ++i) {
            SchemeTrust memory trust = list[i];
            TrustState memory own = verifierOf(trust.scheme).initialise(genesis[spans[i].start:spans[i].end]);
            // An epoch that was never used before: after a recovery no scheme counts a signature of the past.
            require(own.epoch == epoch, Refused(Code.WrongEpoch));
            (trust.epoch, trust.authority, trust.smallCommittee) = (own.epoch, own.authority, own.smallCommittee);
            small = small || own.smallCommittee;
            if (i == 0) state = own;
            require(_sameSource(own, state), Refused(Code.SchemesDisagree));
        }
        state.authority = Agreements.hash(list);
        state.smallCommittee = small;
    }

    function verify(bytes32 sourceDomain, TrustState memory state, bytes calldata encoded, Limits calldata limits)
        external
        view
        returns (TrustState memory next, Finalised memory finalised)
    {
        (SchemeTrust[] memory list, Span[] memory spans) = _believed(state, encoded);
        // Those that decide agree.
        for (uint256 i = 0; i < list.length; ++i) {
            SchemeTrust memory trust = list[i];
            if (trust.shadow) continue;
            (TrustState memory then, Finalised memory found) = verifierOf(trust.scheme)
                .verify(sourceDomain, trust.within(state), encoded[spans[i].start:spans[i].end], limits);
            if (i == 0) (next, finalised) = (then, found);
            bool same = found.blockHash == finalised.blockHash && found.stateRoot == finalised.stateRoot;
            require(same && _sameSource(then, next), Refused(Code.SchemesDisagree));
            require(trust.reaches(then.epoch), Refused(Code.BadHandover));
            (trust.epoch, trust.authority) = (then.epoch, then.authority);
        }
        if (next.height == state.height) return (state, finalised);
        // Those in shadow are heard.
        finalised.dissent = 0;
        for (uint256 i = 0; i < list.length; ++i) {
            if (!list[i].shadow) continue;
            bytes calldata proof = encoded[spans[i].start:spans[i].end];
            // An empty proof is none: nobody is asked.
            bool agrees = proof.length != 0
                && _hear(
                    _question(sourceDomain, list[i].within(state), proof, limits), list[i], state.epoch, next, finalised
                );
            // At most 8 schemes.
            // forge-lint: disable-next-line(unsafe-typecast,incorrect-shift)
            if (!agrees) finalised.dissent |= uint32(1 << i);
        }
        // A list that changed is another epoch's.
        next.authority = Agreements.hash(list);
        next.epoch = state.epoch;
        if (next.authority != state.authority) {
            require(state.epoch != type(uint64).max, Refused(Code.BadHandover));
            ++next.epoch;
        }
        next.smallCommittee = state.smallCommittee;
    }

    /// The epoch of the list, not of any scheme in it.
    function epochOf(bytes calldata encoded) external pure returns (uint64 epoch) {
        (epoch,,) = Agreements.decode(encoded);
    }

    /// A contradiction within one scheme that decides: the first for which both halves have a proof.
    function checkMisbehaviour(
        bytes32 sourceDomain,
        TrustState memory state,
        bytes calldata first,
        bytes calldata second
    ) external view returns (address[] memory signers) {
        (SchemeTrust[] memory list, Span[] memory one) = _believed(state, first);
        (, Span[] memory other) = _believed(state, second);
        for (uint256 i = 0; i < list.length; ++i) {
            if (list[i].shadow || one[i].start == one[i].end || other[i].start == other[i].end) continue;
            return verifierOf(list[i].scheme)
                .checkMisbehaviour(
                    sourceDomain,
                    list[i].within(state),
                    first[one[i].start:one[i].end],
                    second[other[i].start:other[i].end]
                );
        }
        revert Refused(Code.NotMisbehaviour);
    }

    /// The list that the state commits to, and where the proofs lie.
    function _believed(TrustState memory state, bytes calldata encoded)
        private
        pure
        returns (SchemeTrust[] memory list, Span[] memory spans)
    {
        uint64 epoch;
        (epoch, list, spans) = Agreements.decode(encoded);
        require(Agreements.hash(list) == state.authority, Refused(Code.CommitteeMismatch));
        require(epoch == state.epoch, Refused(Code.WrongEpoch));
    }

    function _question(bytes32 sourceDomain, TrustState memory own, bytes calldata proof, Limits calldata limits)
        private
        pure
        returns (bytes memory)
    {
        return abi.encodeCall(IFinalityVerifier.verify, (sourceDomain, own, proof, limits));
    }

    /// Asks a scheme in shadow; whether it agrees. If so, `trust` moves on with it.
    function _hear(
        bytes memory question,
        SchemeTrust memory trust,
        uint64 epoch,
        TrustState memory next,
        Finalised memory finalised
    ) private view returns (bool) {
        address target = address(_schemes[trust.scheme]);
        // A call gets at most 63/64 of what is left (EIP-150).
        require(gasleft() - gasleft() / 64 > SHADOW_GAS + 5000, GasBelowFloor());
        uint256[ANSWER] memory answer;
        bool answered;
        // Solidity's own low-level call copies all return data, which the scheme chooses and the carrier pays.
        assembly ("memory-safe") {
            answered := staticcall(SHADOW_GAS, target, add(question, 0x20), mload(question), answer, mul(0x20, ANSWER))
            answered := and(answered, eq(returndatasize(), mul(0x20, ANSWER)))
        }
        // The members of both structs, in their order.
        bool agrees = answered && answer[1] == next.height && answer[2] == next.timestamp
            && answer[3] == next.outboxSize && bytes32(answer[4]) == next.outboxRoot
            && bytes32(answer[7]) == finalised.blockHash && bytes32(answer[8]) == finalised.stateRoot;
        if (!agrees || !trust.reaches(answer[0])) return false;
        bool stays = answer[0] == trust.epoch && bytes32(answer[5]) == trust.authority;
        // What refuses nothing cannot ask for an epoch that does not exist either.
        if (!stays && epoch == type(uint64).max) return false;
        (trust.epoch, trust.authority) = (uint64(answer[0]), bytes32(answer[5]));
        return true;
    }

    function _requireDistinct(SchemeTrust[] memory list) private pure {
        for (uint256 i = 1; i < list.length; ++i) {
            for (uint256 j = 0; j < i; ++j) {
                require(list[i].scheme != list[j].scheme, Refused(Code.CommitteeInvalid));
            }
        }
    }

    /// Whether both believe the same of the source.
    function _sameSource(TrustState memory one, TrustState memory other) private pure returns (bool) {
        return one.height == other.height && one.timestamp == other.timestamp && one.outboxSize == other.outboxSize
            && one.outboxRoot == other.outboxRoot;
    }
}
