// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {Code, Refused} from "../types/Code.sol";

/// secp256k1 over EIP-712 digests (docs/protocol.md section 2): 65 bytes r || s || v, v in {27, 28}, low s, r and s not
/// zero. Twin: `poft/protocol/signatures.py`.
library Signatures {
    uint256 internal constant BYTES = 65;
    uint256 private constant ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
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
        bytes32 r;
        bytes32 s;
        uint8 v;
        assembly ("memory-safe") {
            r := calldataload(signature.offset)
            s := calldataload(add(signature.offset, 0x20))
            v := byte(0, calldataload(add(signature.offset, 0x40)))
        }
        // Ranges before ECDSA's own check of s, which calls every large s high.
        require(
            (v == 27 || v == 28) && r != 0 && uint256(r) < ORDER && s != 0 && uint256(s) < ORDER,
            Refused(Code.BadSignature)
        );
        (address recovered, ECDSA.RecoverError failure,) = ECDSA.tryRecover(digest, v, r, s);
        require(failure != ECDSA.RecoverError.InvalidSignatureS, Refused(Code.HighS));
        require(failure == ECDSA.RecoverError.NoError, Refused(Code.BadSignature));
        require(recovered == signer, Refused(Code.NotSigner));
    }
}
