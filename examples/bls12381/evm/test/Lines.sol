// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TrustState} from "poft/interfaces/IFinalityVerifier.sol";
import {Vectors} from "poft-test/support/Vectors.sol";

interface Files {
    function readLine(string calldata path) external view returns (string memory);
}

/// Reads `../vectors/*.json`, where a case is a line, a case at a time: forge parses a JSON text anew for every look at it.
abstract contract Lines is Vectors {
    string private constant FOLDER = "../vectors/";

    /// Passes the line that opens the list of cases.
    function start(string memory file) internal view {
        Files(address(vm)).readLine(string.concat(FOLDER, file));
    }

    /// The next case of a file; empty after the last.
    function next(string memory file) internal view returns (string memory) {
        bytes memory line = bytes(Files(address(vm)).readLine(string.concat(FOLDER, file)));
        if (line.length == 0 || line[0] != "{") return "";
        if (line[line.length - 1] == ",") {
            assembly ("memory-safe") {
                mstore(line, sub(mload(line), 1))
            }
        }
        return string(line);
    }

    function text(string memory json, string memory key) internal pure returns (string memory) {
        return vm.parseJsonString(json, key);
    }

    function data(string memory json, string memory key) internal pure returns (bytes memory) {
        return vm.parseJsonBytes(json, key);
    }

    function state(string memory json, string memory path) internal pure returns (TrustState memory) {
        return TrustState({
            epoch: number64(json, path, ".epoch"),
            height: number64(json, path, ".height"),
            timestamp: number64(json, path, ".timestamp"),
            outboxSize: number64(json, path, ".outboxSize"),
            outboxRoot: word(json, path, ".outboxRoot"),
            authority: word(json, path, ".authority"),
            smallCommittee: vm.parseJsonBool(json, string.concat(path, ".smallCommittee"))
        });
    }

    function same(string memory first, string memory second) internal pure returns (bool) {
        return keccak256(bytes(first)) == keccak256(bytes(second));
    }
}
