// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {Finalised, IFinalityVerifier, Limits, TrustState} from "./interfaces/IFinalityVerifier.sol";
import {Outbox} from "./Outbox.sol";
import {Progress, progressOf, Settings, settingsOf} from "./types/ClientSlots.sol";
import {Code, Refused} from "./types/Code.sol";

/// What this chain believes about others: one client per source domain, each with a verifier (docs/protocol.md section
/// 8). The verifier judges proofs; state, replay, freshness and freezing are done here, for every scheme alike.
///
/// - `create`, `freeze`, `recover`: governance. A freeze is lifted by `recover` alone, with a new trusted state of a
///   later epoch and a new generation; nothing that an earlier one believed or signed counts in the next.
/// - `update`, `submitMisbehaviour`: anyone.
/// - `finalisedRoot`: the inbox and anyone.
///
/// Finalised outboxes are remembered until the source's log is `HISTORY` packets longer. One slot holds one of them: the
/// root of size n lies at position n mod `HISTORY`, masked with a hash of its generation and size. Read for another
/// size, a slot gives a root that no proof fits, so the slot binds size and root together at the price of one.
contract LightClient is AccessManaged {
    /// Packets by which the source's log may have grown since an outbox that is still accepted.
    uint256 public constant HISTORY = 256;

    /// Bytes of a genesis or a proof.
    uint256 public constant MAX_BYTES = 65_536;

    /// Content of a slot of the ring that this generation has not used yet. `create` and `recover` write it everywhere:
    /// no update pays for a fresh slot, and nothing of an earlier generation is left.
    bytes32 private constant UNUSED = bytes32(uint256(1));

    struct Client {
        Settings settings;
        Progress progress;
        /// Commitments to whoever may convince this client, by (generation, epoch); kept, so that evidence against a
        /// committee that has handed over still freezes.
        mapping(uint256 generationAndEpoch => bytes32) authorities;
        bytes32[HISTORY] maskedRoots;
    }

    /// This chain's domain.
    bytes32 public immutable domain;

    mapping(bytes32 source => Client) private _clients;

    event ClientCreated(
        bytes32 indexed source, address verifier, bytes4 scheme, uint16 generation, uint64 epoch, bytes32 authority
    );
    event ClientUpdated(bytes32 indexed source, uint64 height, uint64 outboxSize, bytes32 outboxRoot);
    /// `signers` stand behind both halves of the evidence; empty when governance froze the client.
    event ClientFrozen(bytes32 indexed source, uint64 epoch, address[] signers);
    event ClientRecovered(
        bytes32 indexed source, address verifier, bytes4 scheme, uint16 generation, uint64 epoch, bytes32 authority
    );
    /// An update was taken although these schemes, which run in shadow, did not agree (`Finalised.dissent`).
    event SchemesDissented(bytes32 indexed source, uint64 height, uint32 dissent);

    constructor(address authority, Outbox outbox) AccessManaged(authority) {
        require(authority != address(0) && address(outbox) != address(0), Refused(Code.ZeroValue));
        domain = outbox.domain();
    }

    /// Starts to follow a source. Costs about 6 million gas once: it writes the whole ring.
    function create(bytes32 source, IFinalityVerifier verifier, bytes calldata genesis, uint32 maxAge, uint16 maxDrift)
        external
        restricted
    {
        require(source != 0 && maxAge != 0, Refused(Code.ZeroValue));
        require(source != domain, Refused(Code.WrongDomain));
        _requireVerifier(verifier);
        Client storage client = _clients[source];
        require(address(client.settings.verifier()) == address(0), Refused(Code.AlreadyInitialised));
        TrustState memory state = _begin(client, verifier, 0, maxAge, maxDrift, genesis);
        emit ClientCreated(source, address(verifier), verifier.scheme(), 0, state.epoch, state.authority);
    }

    /// Takes a finality proof. The one that was accepted last is a no-op: racing relayers lose nothing but gas.
    function update(bytes32 source, bytes calldata proof) external {
        Client storage client = _clients[source];
        Settings settings = _active(client);
        require(proof.length <= MAX_BYTES, Refused(Code.Oversize));
        TrustState memory state = _trusted(client, settings);
        (TrustState memory next, Finalised memory finalised) = settings.verifier()
            .verify(source, state, proof, Limits({time: block.timestamp, maxDrift: settings.maxDrift()}));
        if (next.height == state.height) return;
        if (next.epoch != state.epoch) client.authorities[_term(settings, next.epoch)] = next.authority;
        if (next.outboxSize != state.outboxSize) _remember(client, settings, next);
        client.progress = progressOf(next);
        emit ClientUpdated(source, next.height, next.outboxSize, next.outboxRoot);
        if (finalised.dissent != 0) emit SchemesDissented(source, next.height, finalised.dissent);
    }

    /// Freezes a client whose source contradicts itself: two proofs of one epoch, the present or an earlier one of this
    /// generation, that cannot both be true.
    function submitMisbehaviour(bytes32 source, bytes calldata first, bytes calldata second) external {
        Client storage client = _clients[source];
        Settings settings = _active(client);
        require(first.length <= MAX_BYTES && second.length <= MAX_BYTES, Refused(Code.Oversize));
        TrustState memory state = _trusted(client, settings);
        state.epoch = settings.verifier().epochOf(first);
        state.authority = client.authorities[_term(settings, state.epoch)];
        require(state.authority != 0, Refused(Code.WrongEpoch));
        address[] memory signers = settings.verifier().checkMisbehaviour(source, state, first, second);
        client.settings = settings.freeze();
        emit ClientFrozen(source, state.epoch, signers);
    }

    function freeze(bytes32 source) external restricted {
        Client storage client = _clients[source];
        client.settings = _active(client).freeze();
        emit ClientFrozen(source, client.progress.epoch(), new address[](0));
    }

    /// A new trusted state in a new generation, under the same scheme or another, which lifts a freeze. Nonces live in
    /// the inbox and go on: no packet is ever delivered twice. Costs up to 1.4 million gas: it writes the whole ring.
    function recover(bytes32 source, IFinalityVerifier verifier, bytes calldata genesis) external restricted {
        Client storage client = _clients[source];
        Settings old = _known(client);
        _requireVerifier(verifier);
        uint64 last = client.progress.epoch();
        uint16 generation = old.generation() + 1;
        TrustState memory state = _begin(client, verifier, generation, old.maxAge(), old.maxDrift(), genesis);
        // Statements of the earlier generation name an earlier epoch, so they cannot be replayed.
        require(state.epoch > last, Refused(Code.WrongEpoch));
        emit ClientRecovered(source, address(verifier), verifier.scheme(), generation, state.epoch, state.authority);
    }

    /// Root of the source's outbox when it had this size; refuses when the client is frozen or stale, or has forgotten.
    function finalisedRoot(bytes32 source, uint64 size) external view returns (bytes32) {
        Client storage client = _clients[source];
        Settings settings = _active(client);
        Progress progress = client.progress;
        uint64 newest = progress.outboxSize();
        require(size <= newest && newest - size < HISTORY, Refused(Code.UnknownOutbox));
        bytes32 masked = client.maskedRoots[size % HISTORY];
        require(masked != UNUSED, Refused(Code.UnknownOutbox));
        require(block.timestamp <= uint256(progress.timestamp()) + settings.maxAge(), Refused(Code.StaleClient));
        return masked ^ _mask(settings, size);
    }

    /// Returns when there is a client for this source and it is not frozen.
    function requireActive(bytes32 source) external view {
        _active(_clients[source]);
    }

    /// Number of the source's trusted states so far, from 0; what was believed in an earlier one counts no more.
    function generationOf(bytes32 source) external view returns (uint16) {
        return _known(_clients[source]).generation();
    }

    /// What is believed about a source, the number of its generation, and whether it is frozen.
    function clientState(bytes32 source)
        external
        view
        returns (TrustState memory state, uint16 generation, bool frozen)
    {
        Client storage client = _clients[source];
        Settings settings = _known(client);
        return (_trusted(client, settings), settings.generation(), settings.isFrozen());
    }

    function clientConfig(bytes32 source)
        external
        view
        returns (IFinalityVerifier verifier, uint32 maxAge, uint16 maxDrift)
    {
        Settings settings = _known(_clients[source]);
        return (settings.verifier(), settings.maxAge(), settings.maxDrift());
    }

    function _begin(
        Client storage client,
        IFinalityVerifier verifier,
        uint16 generation,
        uint32 maxAge,
        uint16 maxDrift,
        bytes calldata genesis
    ) private returns (TrustState memory state) {
        require(genesis.length <= MAX_BYTES, Refused(Code.Oversize));
        state = verifier.initialise(genesis);
        // The masks are known to all, so a root that an earlier generation made up could fit under a later one's mask.
        for (uint256 i = 0; i < HISTORY; ++i) {
            client.maskedRoots[i] = UNUSED;
        }
        Settings settings = settingsOf(verifier, generation, maxAge, maxDrift, state.smallCommittee);
        client.settings = settings;
        client.progress = progressOf(state);
        client.authorities[_term(settings, state.epoch)] = state.authority;
        _remember(client, settings, state);
    }

    function _requireVerifier(IFinalityVerifier verifier) private view {
        require(address(verifier).code.length != 0, Refused(Code.UnknownScheme));
    }

    function _remember(Client storage client, Settings settings, TrustState memory state) private {
        uint64 size = state.outboxSize;
        client.maskedRoots[size % HISTORY] = state.outboxRoot ^ _mask(settings, size);
    }

    function _known(Client storage client) private view returns (Settings settings) {
        settings = client.settings;
        require(address(settings.verifier()) != address(0), Refused(Code.Uninitialised));
    }

    function _active(Client storage client) private view returns (Settings settings) {
        settings = _known(client);
        require(!settings.isFrozen(), Refused(Code.Frozen));
    }

    function _trusted(Client storage client, Settings settings) private view returns (TrustState memory state) {
        client.progress.fill(state);
        uint64 size = state.outboxSize;
        state.outboxRoot = client.maskedRoots[size % HISTORY] ^ _mask(settings, size);
        state.authority = client.authorities[_term(settings, state.epoch)];
        state.smallCommittee = settings.isSmall();
    }

    function _term(Settings settings, uint64 epoch) private pure returns (uint256) {
        return (uint256(settings.generation()) << 64) | epoch;
    }

    /// `keccak256(abi.encode(generation, size))`.
    function _mask(Settings settings, uint64 size) private pure returns (bytes32 mask) {
        uint16 generation = settings.generation();
        assembly ("memory-safe") {
            mstore(0x00, generation)
            mstore(0x20, size)
            mask := keccak256(0x00, 0x40)
        }
    }
}
