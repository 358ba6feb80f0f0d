// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFinalityVerifier, TrustState} from "../interfaces/IFinalityVerifier.sol";

/// What updates change about a client: epoch, height, size of the outbox and timestamp, 64 bits each from the lowest.
///
/// The two slots of a light client are values and not structs, because every member of a storage struct is a storage
/// access of its own: an update does one of each.
type Progress is uint256;

/// What governance sets about a client, from the lowest bit: verifier (160), generation (16), maxAge (32), maxDrift
/// (16), smallCommittee (8), frozen (8).
type Settings is uint256;

using {epoch, outboxSize, timestamp, fill} for Progress global;
using {verifier, generation, maxAge, maxDrift, isSmall, isFrozen, freeze} for Settings global;

function progressOf(TrustState memory state) pure returns (Progress) {
    return Progress.wrap(
        uint256(state.epoch) | (uint256(state.height) << 64) | (uint256(state.outboxSize) << 128)
            | (uint256(state.timestamp) << 192)
    );
}

/// Writes the members that lie in this slot into a trusted state.
function fill(Progress progress, TrustState memory state) pure {
    uint256 word = Progress.unwrap(progress);
    // forge-lint: disable-start(unsafe-typecast)
    state.epoch = uint64(word);
    state.height = uint64(word >> 64);
    state.outboxSize = uint64(word >> 128);
    state.timestamp = uint64(word >> 192);
    // forge-lint: disable-end(unsafe-typecast)
}

function epoch(Progress progress) pure returns (uint64) {
    // forge-lint: disable-next-line(unsafe-typecast)
    return uint64(Progress.unwrap(progress));
}

function outboxSize(Progress progress) pure returns (uint64) {
    // forge-lint: disable-next-line(unsafe-typecast)
    return uint64(Progress.unwrap(progress) >> 128);
}

function timestamp(Progress progress) pure returns (uint64) {
    // forge-lint: disable-next-line(unsafe-typecast)
    return uint64(Progress.unwrap(progress) >> 192);
}

function settingsOf(
    IFinalityVerifier verifier_,
    uint16 generation_,
    uint32 maxAge_,
    uint16 maxDrift_,
    bool smallCommittee
) pure returns (Settings) {
    return Settings.wrap(
        uint256(uint160(address(verifier_))) | (uint256(generation_) << 160) | (uint256(maxAge_) << 176)
            | (uint256(maxDrift_) << 208) | (smallCommittee ? uint256(1) << 224 : 0)
    );
}

/// The zero address: there is no such client.
function verifier(Settings settings) pure returns (IFinalityVerifier) {
    return IFinalityVerifier(address(uint160(Settings.unwrap(settings))));
}

function generation(Settings settings) pure returns (uint16) {
    // forge-lint: disable-next-line(unsafe-typecast)
    return uint16(Settings.unwrap(settings) >> 160);
}

/// Seconds after which a client without news serves no deliveries.
function maxAge(Settings settings) pure returns (uint32) {
    // forge-lint: disable-next-line(unsafe-typecast)
    return uint32(Settings.unwrap(settings) >> 176);
}

/// Seconds that a source may be ahead of this chain.
function maxDrift(Settings settings) pure returns (uint16) {
    // forge-lint: disable-next-line(unsafe-typecast)
    return uint16(Settings.unwrap(settings) >> 208);
}

function isSmall(Settings settings) pure returns (bool) {
    return (Settings.unwrap(settings) >> 224) & 1 == 1;
}

function isFrozen(Settings settings) pure returns (bool) {
    return (Settings.unwrap(settings) >> 232) & 1 == 1;
}

function freeze(Settings settings) pure returns (Settings) {
    return Settings.wrap(Settings.unwrap(settings) | (uint256(1) << 232));
}
