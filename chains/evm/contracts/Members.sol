// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {Signatures} from "./libraries/Signatures.sol";
import {Membership, SignedMembership, Statements} from "./libraries/Statements.sol";
import {Code, Refused} from "./types/Code.sol";

/// A member of a round: a participant's training key and what it can do, in samples per second.
struct Seat {
    address participant;
    uint32 capacity;
}

/// Who takes part in a federation (docs/federation.md, Members). A participant is its training key's address.
///
/// - `admit`, `expel`: governance.
/// - `setMembers`: anyone carries what participants signed.
///
/// The list of members (admitted, registered, capacity above zero, by address) is stored once per change, under a
/// number that rounds refer to: a change counts from the next round that starts.
abstract contract Members is AccessManaged {
    using Statements for Membership;

    /// Bitmaps over members are uint64.
    uint256 public constant MAX_MEMBERS = 64;

    struct Participant {
        bool admitted;
        uint32 capacity;
        uint64 sequence;
        bytes32 encryptionKey;
    }

    bytes32 public immutable federation;
    /// EIP-712 separator of every statement of this chain's federations.
    bytes32 public immutable statementSeparator;

    mapping(address => Participant) private _participants;
    /// Members as of now, ascending.
    address[] private _members;
    mapping(uint32 number => Seat[]) private _memberSets;
    uint32 private _memberSetCount;
    bool private _changed;

    event Admitted(address indexed participant);
    event Expelled(address indexed participant);
    event MembershipChanged(address indexed participant, bytes32 encryptionKey, uint32 capacity, uint64 sequence);
    event MemberSetStored(uint32 indexed number, Seat[] seats);

    constructor(bytes32 federation_, bytes32 domain) {
        federation = federation_;
        statementSeparator = Statements.separator(domain);
    }

    function admit(address[] calldata participants) external restricted {
        for (uint256 i = 0; i < participants.length; ++i) {
            address account = participants[i];
            require(account != address(0), Refused(Code.ZeroValue));
            Participant storage participant = _participants[account];
            if (participant.admitted) continue;
            participant.admitted = true;
            if (participant.capacity != 0) _insert(account);
            emit Admitted(account);
        }
    }

    function expel(address[] calldata participants) external restricted {
        for (uint256 i = 0; i < participants.length; ++i) {
            address account = participants[i];
            Participant storage participant = _participants[account];
            require(participant.admitted, Refused(Code.NotAdmitted));
            participant.admitted = false;
            if (participant.capacity != 0) _remove(account);
            emit Expelled(account);
        }
    }

    /// All or nothing.
    function setMembers(SignedMembership[] calldata statements) external {
        for (uint256 i = 0; i < statements.length; ++i) {
            _setMember(statements[i]);
        }
    }

    /// Members as of now, ascending by address.
    function members() external view returns (Seat[] memory) {
        return _seats();
    }

    function memberSet(uint32 number) external view returns (Seat[] memory) {
        return _memberSets[number];
    }

    function participantState(address account) external view returns (Participant memory) {
        return _participants[account];
    }

    /// Number of the member set that a round which starts now has, and its seats.
    function _currentMemberSet() internal returns (uint32 number, Seat[] memory seats) {
        seats = _seats();
        if (!_changed) return (_memberSetCount, seats);
        _changed = false;
        number = ++_memberSetCount;
        for (uint256 i = 0; i < seats.length; ++i) {
            _memberSets[number].push(seats[i]);
        }
        emit MemberSetStored(number, seats);
    }

    /// Whether `account` is member `index` of a stored set.
    function _isMember(uint32 number, uint256 index, address account) internal view returns (bool) {
        Seat[] storage seats = _memberSets[number];
        return index < seats.length && seats[index].participant == account;
    }

    function _setMember(SignedMembership calldata signed) private {
        Membership calldata statement = signed.statement;
        Participant storage participant = _participants[statement.participant];
        require(participant.admitted, Refused(Code.NotAdmitted));
        require(statement.federation == federation, Refused(Code.WrongDomain));
        require(statement.sequence > participant.sequence, Refused(Code.StaleSequence));
        Signatures.requireSigner(statement.digest(statementSeparator), signed.signature, statement.participant);
        if (participant.capacity == 0 && statement.capacity != 0) _insert(statement.participant);
        if (participant.capacity != 0 && statement.capacity == 0) _remove(statement.participant);
        participant.sequence = statement.sequence;
        participant.capacity = statement.capacity;
        participant.encryptionKey = statement.encryptionKey;
        _changed = true;
        emit MembershipChanged(statement.participant, statement.encryptionKey, statement.capacity, statement.sequence);
    }

    function _insert(address account) private {
        uint256 position = _members.length;
        require(position < MAX_MEMBERS, Refused(Code.TooManyParticipants));
        _members.push(account);
        for (; position != 0 && _members[position - 1] > account; --position) {
            _members[position] = _members[position - 1];
        }
        _members[position] = account;
        _changed = true;
    }

    function _remove(address account) private {
        uint256 position = 0;
        while (_members[position] != account) ++position;
        for (uint256 last = _members.length - 1; position < last; ++position) {
            _members[position] = _members[position + 1];
        }
        _members.pop();
        _changed = true;
    }

    function _seats() private view returns (Seat[] memory seats) {
        seats = new Seat[](_members.length);
        for (uint256 i = 0; i < seats.length; ++i) {
            address account = _members[i];
            seats[i] = Seat({participant: account, capacity: _participants[account].capacity});
        }
    }
}
