// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Finalised, IFinalityVerifier, Limits, TrustState} from "../../contracts/interfaces/IFinalityVerifier.sol";

/// Another scheme: what an inner one says, and two schemes in shadow that never agree.
contract ShadowedVerifier is IFinalityVerifier {
    uint32 public constant DISSENT = 5;

    IFinalityVerifier private immutable _inner;

    constructor(IFinalityVerifier inner) {
        _inner = inner;
    }

    function scheme() external pure returns (bytes4) {
        return "SHD1";
    }

    function initialise(bytes calldata genesis) external view returns (TrustState memory) {
        return _inner.initialise(genesis);
    }

    function verify(bytes32 sourceDomain, TrustState calldata state, bytes calldata proof, Limits calldata limits)
        external
        view
        returns (TrustState memory next, Finalised memory finalised)
    {
        (next, finalised) = _inner.verify(sourceDomain, state, proof, limits);
        finalised.dissent = DISSENT;
    }

    function epochOf(bytes calldata proof) external pure returns (uint64) {
        return uint64(bytes8(proof[:8]));
    }

    function checkMisbehaviour(
        bytes32 sourceDomain,
        TrustState calldata state,
        bytes calldata first,
        bytes calldata second
    ) external view returns (address[] memory) {
        return _inner.checkMisbehaviour(sourceDomain, state, first, second);
    }
}
