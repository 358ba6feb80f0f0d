// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Authority} from "poft/Authority.sol";
import {LightClient} from "poft/LightClient.sol";
import {Outbox} from "poft/Outbox.sol";
import {IFinalityVerifier} from "poft/interfaces/IFinalityVerifier.sol";
import {CommitteeVerifier} from "poft/schemes/cmt1/CommitteeVerifier.sol";
import {BlsVerifier} from "../contracts/BlsVerifier.sol";
import {Lines} from "./Lines.sol";

/// What updates of a client cost under BLS1 and under CMT1, for committees of five sizes: whole transactions, cold slots
/// and the intrinsic gas (with the floor of EIP-7623) included. Every update brings 99 packets and nine nodes.
contract GasTest is Lines {
    uint32 private constant MAX_AGE = 3600;
    uint16 private constant MAX_DRIFT = 30;
    /// A transaction's most gas since Osaka (EIP-7825).
    uint256 private constant TRANSACTION_CAP = 1 << 24;

    IFinalityVerifier private immutable CMT1 = new CommitteeVerifier();
    IFinalityVerifier private immutable BLS1 = new BlsVerifier();

    function test_update_costsTheSameForEverySizeWhenEverybodySigns() public {
        start("gas.json");
        uint256 least = type(uint256).max;
        uint256 most = 0;
        for (string memory json = next("gas.json"); bytes(json).length != 0; json = next("gas.json")) {
            uint256 gas = _measure(json);
            if (!same(text(json, ".name"), "BLS1 everybody")) continue;
            if (gas < least) least = gas;
            if (gas > most) most = gas;
        }
        // Calldata has more or fewer zero bytes.
        vm.assertLe(most - least, 100, "not flat");
        vm.assertLe(most, 200_000, "most");
    }

    function _measure(string memory json) private returns (uint256 gas) {
        vm.warp(number(json, "", ".now"));
        Authority authority = new Authority(address(this));
        Outbox outbox = new Outbox(address(authority), keccak256("genesis"));
        LightClient lightClient = new LightClient(address(authority), outbox);
        string memory name = text(json, ".name");
        IFinalityVerifier verifier = same(name, "CMT1 quorum") ? CMT1 : BLS1;
        bytes32 source = word(json, "", ".domain");
        string memory key = string.concat(name, " ", vm.toString(number(json, "", ".members")));
        lightClient.create(source, verifier, data(json, ".genesis"), MAX_AGE, MAX_DRIFT);
        gas = vm.lastCallGas().gasTotalUsed;
        vm.snapshotValue("gas", string.concat("create ", key), gas);
        vm.assertLe(gas, TRANSACTION_CAP, "creation in one transaction");
        lightClient.update(source, data(json, ".first"));
        bytes memory proof = data(json, ".then");
        lightClient.update(source, proof);
        gas = vm.lastCallGas().gasTotalUsed;
        emit log_named_uint(key, gas);
        emit log_named_uint("  bytes of the proof", proof.length);
        vm.snapshotValue("gas", string.concat("update ", key), gas);
    }
}
