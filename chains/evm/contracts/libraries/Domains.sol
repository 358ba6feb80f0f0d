// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Code, Refused} from "../types/Code.sol";

/// Who is who across chains: domains and endpoints (docs/protocol.md section 2), ids of federations and tasks
/// (docs/federation.md). Twin: `poft/protocol/domain.py`.
library Domains {
    bytes32 private constant DOMAIN_TAG = keccak256("poft/domain/v1");
    bytes32 private constant FEDERATION_TAG = keccak256("poft/federation/v1");
    bytes32 private constant TASK_TAG = keccak256("poft/task/v1");
    uint8 private constant KIND_EVM = 1;

    /// Domain of the EVM chain with this genesis hash and chain id.
    function evm(bytes32 genesisHash, uint256 chainId) internal pure returns (bytes32) {
        require(genesisHash != 0 && chainId != 0, Refused(Code.ZeroValue));
        return keccak256(abi.encode(DOMAIN_TAG, KIND_EVM, genesisHash, chainId));
    }

    /// A contract as sender or receiver of packets. No endpoint with dirty padding is ever equal to one of these.
    function endpoint(address account) internal pure returns (bytes32) {
        return bytes32(uint256(uint160(account)));
    }

    function federation(bytes32 domain, string memory name) internal pure returns (bytes32) {
        require(bytes(name).length != 0, Refused(Code.ZeroValue));
        return keccak256(abi.encode(FEDERATION_TAG, domain, keccak256(bytes(name))));
    }

    function task(bytes32 federationId, bytes32 configDigest) internal pure returns (bytes32) {
        return keccak256(abi.encode(TASK_TAG, federationId, configDigest));
    }
}
