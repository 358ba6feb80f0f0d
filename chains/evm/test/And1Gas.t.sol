// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Authority} from "../contracts/Authority.sol";
import {IFinalityVerifier} from "../contracts/interfaces/IFinalityVerifier.sol";
import {LightClient} from "../contracts/LightClient.sol";
import {Outbox} from "../contracts/Outbox.sol";
import {Agreements, Span} from "../contracts/schemes/and1/AgreementProof.sol";
import {AgreementVerifier} from "../contracts/schemes/and1/AgreementVerifier.sol";
import {CommitteeVerifier} from "../contracts/schemes/cmt1/CommitteeVerifier.sol";
import {StateProofVerifier} from "../contracts/schemes/esp1/StateProofVerifier.sol";
import {Vectors} from "./support/Vectors.sol";

/// What an agreement costs beside its parts: the same first update of one source by CMT1, by ESP1, by both, and by CMT1
/// with ESP1 in shadow. Whole transactions, cold; three of four signatures, no consistency nodes, a small state trie.
contract And1GasTest is Vectors {
    string private _json;
    uint256 private _count;
    bytes32 private _source;
    Authority private _authority;
    Outbox private _outbox;

    function setUp() public {
        _json = load("composed");
        _count = countCases(_json);
        _source = word(_json, string.concat(_find("cmt1_and_esp1_first"), ".input"), ".domain");
        // The clock of the vectors.
        vm.warp(2000);
        _authority = new Authority(address(this));
        _outbox = new Outbox(address(_authority), keccak256("genesis of this chain"));
    }

    /// Each in a light client of its own: a client follows a source once.
    function test_agreement_costsItsPartsAndLittleMore() public {
        bytes memory genesis = _bytes("initialise_cmt1_and_esp1", ".genesis");
        bytes memory proof = _bytes("cmt1_and_esp1_first", ".proof");
        IFinalityVerifier[] memory schemes = new IFinalityVerifier[](2);
        schemes[0] = new CommitteeVerifier();
        schemes[1] = new StateProofVerifier(schemes[0]);
        AgreementVerifier agreement = new AgreementVerifier(schemes);
        uint256 one = _update("update_first_cmt1", schemes[0], this.genesisOf(genesis, 0), this.proofOf(proof, 0));
        uint256 other = _update("update_first_esp1", schemes[1], this.genesisOf(genesis, 1), this.proofOf(proof, 1));
        uint256 both = _update("update_first_and1_cmt1_esp1", agreement, genesis, proof);
        genesis = _bytes("initialise_cmt1_and_esp1_in_shadow", ".genesis");
        proof = _bytes("cmt1_and_esp1_first_in_shadow", ".proof");
        uint256 heard = _update("update_first_and1_cmt1_shadow_esp1", agreement, genesis, proof);
        // A transaction's own 21,000 and what the host does are paid once instead of twice.
        vm.assertLt(both, one + other, "both");
        vm.assertLt(heard, one + other, "heard");
    }

    function genesisOf(bytes calldata encoded, uint256 place) external pure returns (bytes memory) {
        (,, Span[] memory spans) = Agreements.decodeGenesis(encoded);
        return encoded[spans[place].start:spans[place].end];
    }

    function proofOf(bytes calldata encoded, uint256 place) external pure returns (bytes memory) {
        (,, Span[] memory spans) = Agreements.decode(encoded);
        return encoded[spans[place].start:spans[place].end];
    }

    function _update(string memory key, IFinalityVerifier by, bytes memory genesis, bytes memory proof)
        private
        returns (uint256 gas)
    {
        LightClient client = new LightClient(address(_authority), _outbox);
        client.create(_source, by, genesis, 3600, 30);
        client.update(_source, proof);
        gas = vm.lastCallGas().gasTotalUsed;
        vm.snapshotValue("agreement", key, gas);
        emit log_named_uint(key, gas);
        emit log_named_uint("proof bytes", proof.length);
    }

    function _bytes(string memory name, string memory key) private view returns (bytes memory) {
        return vm.parseJsonBytes(_json, string.concat(_find(name), ".input", key));
    }

    /// From the end, where these cases stand.
    function _find(string memory name) private view returns (string memory path) {
        for (uint256 i = _count; i != 0; --i) {
            path = caseAt(i - 1);
            string memory found = vm.parseJsonString(_json, string.concat(path, ".name"));
            if (keccak256(bytes(found)) == keccak256(bytes(name))) return path;
        }
        revert(string.concat("no such case: ", name));
    }
}
