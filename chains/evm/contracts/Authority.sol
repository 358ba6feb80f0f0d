// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";

/// Who may do what: OpenZeppelin's AccessManager with the two roles of this system. Whatever has no role is for the
/// administrator, which on a real network is a Governor or a multi-signature account.
///
/// | function | role | held by |
/// |---|---|---|
/// | `Outbox.send` | `SENDER` | CheckpointRegistry, Inbox |
/// | `CheckpointRegistry.declareTask`, `exportCheckpoint` | `EXPORTER` | Federation |
/// | every other `restricted` function | administrator | governance |
contract Authority is AccessManager {
    uint64 public constant SENDER = 1;
    uint64 public constant EXPORTER = 2;

    constructor(address administrator) AccessManager(administrator) {}
}
