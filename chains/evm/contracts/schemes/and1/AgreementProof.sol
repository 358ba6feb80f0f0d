// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TrustState} from "../../interfaces/IFinalityVerifier.sol";
import {Code, Refused} from "../../types/Code.sol";

/// What a client believes of one scheme of its list; what it believes of the source is common to all. A scheme in
/// shadow is heard and decides nothing.
struct SchemeTrust {
    bytes4 scheme;
    bool shadow;
    uint64 epoch;
    bytes32 authority;
    bool smallCommittee;
}

/// Where the bytes that are for one scheme lie among the encoded ones.
struct Span {
    uint256 start;
    uint256 end;
}

/// AND1's encodings and the hash of its list; the same bytes on every chain. Both are packed, big-endian. A genesis:
///
/// | bytes | field |
/// |---|---|
/// | 8 | epoch: of the list, and of each scheme's own genesis |
/// | 1 | n, number of schemes: 2 to 8 |
/// | n × (4 1 2 length) | name, shadow (0 or 1; of the first 0), length, genesis of the scheme |
///
/// A proof:
///
/// | bytes | field |
/// |---|---|
/// | 8 | epoch of the list |
/// | 1 | n |
/// | n × (4 1 8 32 1 2 length) | what is believed of the scheme: name, shadow, epoch, authority, smallCommittee (0 or 1); length, its proof |
library Agreements {
    /// One scheme agrees with itself.
    uint256 private constant MIN = 2;
    /// More opinions than any source has; keeps an update of all of them within a block.
    uint256 private constant MAX = 8;

    uint256 private constant HEAD = 9;
    uint256 private constant GENESIS_ROW = 7;
    uint256 private constant PROOF_ROW = 48;

    /// Names and flags, and where the geneses lie.
    function decodeGenesis(bytes calldata encoded)
        internal
        pure
        returns (uint64 epoch, SchemeTrust[] memory list, Span[] memory spans)
    {
        (epoch, list, spans) = _head(encoded);
        uint256 cursor = HEAD;
        for (uint256 i = 0; i < list.length; ++i) {
            require(encoded.length >= cursor + GENESIS_ROW, Refused(Code.Malformed));
            uint256 row = _word(encoded, cursor);
            _name(list[i], i, row);
            cursor = _take(encoded, spans[i], cursor + GENESIS_ROW, uint16(row >> 200));
        }
        require(encoded.length == cursor, Refused(Code.Malformed));
    }

    /// What the carrier says that is believed, and where the proofs lie.
    function decode(bytes calldata encoded)
        internal
        pure
        returns (uint64 epoch, SchemeTrust[] memory list, Span[] memory spans)
    {
        (epoch, list, spans) = _head(encoded);
        uint256 cursor = HEAD;
        for (uint256 i = 0; i < list.length; ++i) {
            require(encoded.length >= cursor + PROOF_ROW, Refused(Code.Malformed));
            uint256 row = _word(encoded, cursor);
            // The word that ends where the row does.
            uint256 tail = _word(encoded, cursor + PROOF_ROW - 32);
            SchemeTrust memory trust = list[i];
            _name(trust, i, row);
            trust.epoch = uint64(row >> 152);
            trust.authority = bytes32(_word(encoded, cursor + 13));
            trust.smallCommittee = _flag(uint8(tail >> 16));
            cursor = _take(encoded, spans[i], cursor + PROOF_ROW, uint16(tail));
        }
        require(encoded.length == cursor, Refused(Code.Malformed));
    }

    /// The authority of a client that believes this.
    function hash(SchemeTrust[] memory list) internal pure returns (bytes32) {
        return keccak256(abi.encode(list));
    }

    /// The state that a scheme is asked with.
    function within(SchemeTrust memory trust, TrustState memory state) internal pure returns (TrustState memory) {
        return TrustState({
            epoch: trust.epoch,
            height: state.height,
            timestamp: state.timestamp,
            outboxSize: state.outboxSize,
            outboxRoot: state.outboxRoot,
            authority: trust.authority,
            smallCommittee: trust.smallCommittee
        });
    }

    /// Whether a scheme may go to this epoch: it stays, or moves on by one, so that no scheme is ever in a later epoch
    /// than the list. Then a recovery, which needs a later epoch of the list, leaves everything behind that any scheme's
    /// signers have signed. `epoch` may be any word that a contract returned.
    function reaches(SchemeTrust memory trust, uint256 epoch) internal pure returns (bool) {
        return epoch == trust.epoch || (epoch == uint256(trust.epoch) + 1 && epoch <= type(uint64).max);
    }

    function _head(bytes calldata encoded)
        private
        pure
        returns (uint64 epoch, SchemeTrust[] memory list, Span[] memory spans)
    {
        require(encoded.length >= HEAD, Refused(Code.Malformed));
        uint256 head = _word(encoded, 0);
        epoch = uint64(head >> 192);
        uint256 n = uint8(head >> 184);
        require(n <= MAX, Refused(Code.Oversize));
        require(n >= MIN, Refused(Code.Malformed));
        list = new SchemeTrust[](n);
        spans = new Span[](n);
    }

    function _name(SchemeTrust memory trust, uint256 place, uint256 row) private pure {
        trust.scheme = bytes4(bytes32(row));
        trust.shadow = _flag(uint8(row >> 216));
        require(place != 0 || !trust.shadow, Refused(Code.Malformed));
    }

    function _flag(uint256 value) private pure returns (bool) {
        require(value <= 1, Refused(Code.Malformed));
        return value == 1;
    }

    function _take(bytes calldata encoded, Span memory span, uint256 start, uint256 length)
        private
        pure
        returns (uint256 end)
    {
        end = start + length;
        require(end <= encoded.length, Refused(Code.Malformed));
        (span.start, span.end) = (start, end);
    }

    /// 32 bytes from here; zeros where calldata ends. Callers look at those only whose presence they have checked.
    function _word(bytes calldata encoded, uint256 cursor) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := calldataload(add(encoded.offset, cursor))
        }
    }
}
