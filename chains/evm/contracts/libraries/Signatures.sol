// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Code, Refused} from "../types/Code.sol";

/// secp256k1 over EIP-712 digests (docs/protocol.md section 2): 65 bytes r || s || v, v in {27, 28}, low s, r and s not
/// zero. Twin: `poft/protocol/signatures.py`. All of these are checked here, in the order of the other languages:
/// OpenZeppelin's ECDSA looks at s alone, and first, so it would call a malformed signature high.
library Signatures {
    uint256 internal constant BYTES = 65;
    uint256 private constant ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
    uint256 private constant HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;
    bytes32 private constant DOMAIN_TYPEHASH = keccak256("EIP712Domain(string name,string version,bytes32 salt)");

    /// EIP-712 separator over (name, version, salt), all strings hashed; the salt is the domain of a chain.
    function separator(bytes32 nameHash, bytes32 versionHash, bytes32 salt) internal pure returns (bytes32) {
        return keccak256(abi.encode(DOMAIN_TYPEHASH, nameHash, versionHash, salt));
    }

    /// What is signed: keccak(0x19 0x01 || separator || hashStruct), built in memory that stays free. OpenZeppelin's
    /// MessageHashUtils needs the Cancun instruction set, which consortium chains may lack.
    function typedDigest(bytes32 domainSeparator, bytes32 structHash) internal pure returns (bytes32 digest) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, hex"1901")
            mstore(add(free, 0x02), domainSeparator)
            mstore(add(free, 0x22), structHash)
            digest := keccak256(free, 0x42)
        }
    }

    /// Returns when `signer` signed `digest`; refuses with BadSignature, HighS or NotSigner.
    function requireSigner(bytes32 digest, bytes calldata signature, address signer) internal pure {
        require(signature.length == BYTES, Refused(Code.BadSignature));
        (bytes32 r, bytes32 s, uint8 v) = _parts(signature, 0);
        _requireSame(ecrecover(digest, v, r, s), signer);
    }

    /// The same for the 65 bytes of `signatures` from `index` on, which the caller knows to be there. Committees come
    /// here many times in one call: without Solidity's own preparation of the precompile's input it takes 330 gas less.
    function requireSignerAt(bytes32 digest, bytes calldata signatures, uint256 index, address signer) internal view {
        (bytes32 r, bytes32 s, uint8 v) = _parts(signatures, index);
        address recovered;
        assembly ("memory-safe") {
            // The input takes the first four words of memory, whose last two are put back.
            let free := mload(0x40)
            mstore(0x00, digest)
            mstore(0x20, v)
            mstore(0x40, r)
            mstore(0x60, s)
            // Where there is no key the precompile returns nothing, and does not fail.
            let success := staticcall(gas(), 0x01, 0x00, 0x80, 0x00, 0x20)
            recovered := mul(mload(0x00), and(success, eq(returndatasize(), 0x20)))
            mstore(0x40, free)
            mstore(0x60, 0)
        }
        _requireSame(recovered, signer);
    }

    /// Ranges, then low s.
    function _parts(bytes calldata signatures, uint256 index) private pure returns (bytes32 r, bytes32 s, uint8 v) {
        bool inRange;
        assembly ("memory-safe") {
            let start := add(signatures.offset, index)
            r := calldataload(start)
            s := calldataload(add(start, 0x20))
            v := byte(0, calldataload(add(start, 0x40)))
            // Zero less one wraps to the largest number of all.
            inRange := and(lt(sub(r, 1), sub(ORDER, 1)), lt(sub(s, 1), sub(ORDER, 1)))
            inRange := and(inRange, or(eq(v, 27), eq(v, 28)))
        }
        if (!inRange) revert Refused(Code.BadSignature);
        if (uint256(s) > HALF_ORDER) revert Refused(Code.HighS);
    }

    function _requireSame(address recovered, address signer) private pure {
        // No key: r is not the abscissa of a point.
        if (recovered == address(0)) revert Refused(Code.BadSignature);
        if (recovered != signer) revert Refused(Code.NotSigner);
    }
}
