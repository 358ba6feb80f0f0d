// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IFinalityVerifier, TrustState, Limits} from "./interfaces/IFinalityVerifier.sol";
import {Outbox} from "./Outbox.sol";
import {Code, Refused} from "./types/Code.sol";

/// What this chain believes about others: one client per source domain, each with a verifier (docs/protocol.md section
/// 8). The verifier judges proofs; state, replay, freshness and freezing are done here, for every scheme alike.
///
/// - `create`, `freeze`, `recover`: governance. A freeze is lifted by `recover` alone, with a new trusted state of a
///   later epoch and a new generation; nothing that an earlier one believed or signed counts in the next.
/// - `update`, `submitMisbehaviour`: anyone.
/// - `finalisedRoot`: the inbox and anyone. The last `HISTORY` finalised outboxes are known, older ones are refused.
contract LightClient is AccessManaged {
    /// Finalised outboxes that proofs are accepted against.
    uint256 public constant HISTORY = 256;

    /// What updates change, in one slot.
    struct Progress {
        uint64 epoch;
        uint64 height;
        uint64 outboxSize;
        /// Seconds; a proof cannot put it further ahead than maxDrift, so 40 bits hold it.
        uint40 timestamp;
        /// Position of the newest outbox in the ring, and how many of its entries count.
        uint8 newest;
        uint16 held;
    }

    /// What governance sets, in one slot.
    struct Settings {
        IFinalityVerifier verifier;
        bool smallCommittee;
        bool frozen;
        uint16 generation;
        /// Seconds after which a client without news serves no deliveries, and that a source may be ahead of us.
        uint32 maxAge;
        uint16 maxDrift;
    }

    struct Client {
        Settings settings;
        Progress progress;
        /// Commitment to whoever may convince this client in its epoch.
        bytes32 authority;
        /// Ring of finalised outboxes, sizes ascending from the oldest to the newest. `create` writes all of it, so
        /// that no update pays for a fresh slot.
        bytes32[HISTORY] roots;
        uint64[HISTORY] sizes;
    }

    /// This chain's domain.
    bytes32 public immutable domain;

    mapping(bytes32 source => Client) private _clients;

    event ClientCreated(
        bytes32 indexed source, address verifier, bytes4 scheme, uint16 generation, uint64 epoch, bytes32 authority
    );
    event ClientUpdated(bytes32 indexed source, uint64 epoch, uint64 height, uint64 outboxSize, bytes32 outboxRoot);
    /// `signers` stand behind both halves of the evidence; empty when governance froze the client.
    event ClientFrozen(bytes32 indexed source, uint64 epoch, address[] signers);
    event ClientRecovered(bytes32 indexed source, uint16 generation, uint64 epoch, bytes32 authority);

    constructor(address authority, Outbox outbox) AccessManaged(authority) {
        require(authority != address(0) && address(outbox) != address(0), Refused(Code.ZeroValue));
        domain = outbox.domain();
    }

    /// Starts to follow a source. Costs about 7 million gas once: it writes the whole ring.
    function create(bytes32 source, IFinalityVerifier verifier, bytes calldata genesis, uint32 maxAge, uint16 maxDrift)
        external
        restricted
    {
        require(source != 0 && maxAge != 0, Refused(Code.ZeroValue));
        require(source != domain, Refused(Code.WrongDomain));
        require(address(verifier).code.length != 0, Refused(Code.UnknownScheme));
        Client storage client = _clients[source];
        require(address(client.settings.verifier) == address(0), Refused(Code.AlreadyInitialised));
        for (uint256 i = 0; i < HISTORY; ++i) {
            client.roots[i] = bytes32(uint256(1));
            client.sizes[i] = type(uint64).max;
        }
        client.settings.verifier = verifier;
        client.settings.maxAge = maxAge;
        client.settings.maxDrift = maxDrift;
        TrustState memory state = _begin(client, genesis);
        emit ClientCreated(source, address(verifier), verifier.scheme(), 0, state.epoch, state.authority);
    }

    /// Takes a finality proof. The one that was accepted last is a no-op: racing relayers lose nothing but gas.
    function update(bytes32 source, bytes calldata proof) external {
        Client storage client = _clients[source];
        Settings memory settings = _active(client);
        Progress memory progress = client.progress;
        TrustState memory state = _trusted(client, settings, progress);
        (TrustState memory next,) =
            settings.verifier.verify(source, state, proof, Limits({time: block.timestamp, maxDrift: settings.maxDrift}));
        if (next.height == state.height) return;
        if (next.authority != state.authority) client.authority = next.authority;
        if (next.outboxSize != state.outboxSize) {
            // A ring of 256 positions: overflow is the step from the last to the first.
            unchecked {
                ++progress.newest;
            }
            if (progress.held < HISTORY) ++progress.held;
            client.roots[progress.newest] = next.outboxRoot;
            client.sizes[progress.newest] = next.outboxSize;
        }
        progress.epoch = next.epoch;
        progress.height = next.height;
        progress.outboxSize = next.outboxSize;
        progress.timestamp = SafeCast.toUint40(next.timestamp);
        client.progress = progress;
        emit ClientUpdated(source, next.epoch, next.height, next.outboxSize, next.outboxRoot);
    }

    /// Freezes a client whose source contradicts itself: two proofs, now or later, that cannot both be true.
    function submitMisbehaviour(bytes32 source, bytes calldata first, bytes calldata second) external {
        Client storage client = _clients[source];
        Settings memory settings = _active(client);
        TrustState memory state = _trusted(client, settings, client.progress);
        address[] memory signers = settings.verifier.checkMisbehaviour(source, state, first, second);
        client.settings.frozen = true;
        emit ClientFrozen(source, state.epoch, signers);
    }

    function freeze(bytes32 source) external restricted {
        Client storage client = _clients[source];
        _active(client);
        client.settings.frozen = true;
        emit ClientFrozen(source, client.progress.epoch, new address[](0));
    }

    /// A new trusted state in a new generation, which lifts a freeze. Nonces live in the inbox and go on: no packet is
    /// ever delivered twice.
    function recover(bytes32 source, bytes calldata genesis) external restricted {
        Client storage client = _clients[source];
        uint16 generation = _known(client).generation + 1;
        uint64 last = client.progress.epoch;
        client.settings.generation = generation;
        client.settings.frozen = false;
        TrustState memory state = _begin(client, genesis);
        // Statements of the earlier generation name an earlier epoch, so they cannot be replayed.
        require(state.epoch > last, Refused(Code.WrongEpoch));
        emit ClientRecovered(source, generation, state.epoch, state.authority);
    }

    /// Root of the source's outbox when it had this size; refuses when the client is frozen or stale, or does not know.
    function finalisedRoot(bytes32 source, uint64 size) external view returns (bytes32) {
        Client storage client = _clients[source];
        Settings memory settings = _active(client);
        Progress memory progress = client.progress;
        uint256 position = progress.outboxSize == size ? progress.newest : _find(client, progress, size);
        require(block.timestamp <= uint256(progress.timestamp) + settings.maxAge, Refused(Code.StaleClient));
        return client.roots[position];
    }

    /// Returns when there is a client for this source and it is not frozen.
    function requireActive(bytes32 source) external view {
        _active(_clients[source]);
    }

    /// What is believed about a source, the number of its generation, and whether it is frozen.
    function clientState(bytes32 source)
        external
        view
        returns (TrustState memory state, uint16 generation, bool frozen)
    {
        Client storage client = _clients[source];
        Settings memory settings = _known(client);
        return (_trusted(client, settings, client.progress), settings.generation, settings.frozen);
    }

    function clientConfig(bytes32 source)
        external
        view
        returns (IFinalityVerifier verifier, uint32 maxAge, uint16 maxDrift)
    {
        Settings memory settings = _known(_clients[source]);
        return (settings.verifier, settings.maxAge, settings.maxDrift);
    }

    function _begin(Client storage client, bytes calldata genesis) private returns (TrustState memory state) {
        state = client.settings.verifier.initialise(genesis);
        client.settings.smallCommittee = state.smallCommittee;
        client.progress = Progress({
            epoch: state.epoch,
            height: state.height,
            outboxSize: state.outboxSize,
            timestamp: SafeCast.toUint40(state.timestamp),
            newest: 0,
            held: 1
        });
        client.authority = state.authority;
        client.roots[0] = state.outboxRoot;
        client.sizes[0] = state.outboxSize;
    }

    function _known(Client storage client) private view returns (Settings memory settings) {
        settings = client.settings;
        require(address(settings.verifier) != address(0), Refused(Code.Uninitialised));
    }

    function _active(Client storage client) private view returns (Settings memory settings) {
        settings = _known(client);
        require(!settings.frozen, Refused(Code.Frozen));
    }

    function _trusted(Client storage client, Settings memory settings, Progress memory progress)
        private
        view
        returns (TrustState memory)
    {
        return TrustState({
            epoch: progress.epoch,
            height: progress.height,
            timestamp: progress.timestamp,
            outboxSize: progress.outboxSize,
            outboxRoot: client.roots[progress.newest],
            authority: client.authority,
            smallCommittee: settings.smallCommittee
        });
    }

    /// Position in the ring of the outbox of this size: sizes fall with age, so halve the interval of ages.
    function _find(Client storage client, Progress memory progress, uint64 size) private view returns (uint256) {
        uint256 low = 0;
        uint256 high = progress.held;
        while (low < high) {
            uint256 age = (low + high) / 2;
            uint256 position = (progress.newest + HISTORY - age) % HISTORY;
            uint64 found = client.sizes[position];
            if (found == size) return position;
            if (found > size) low = age + 1;
            else high = age;
        }
        revert Refused(Code.UnknownOutbox);
    }
}
