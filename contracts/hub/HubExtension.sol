// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IDisputeManager} from "../interfaces/IDisputeManager.sol";
import {IIssuerRegistry} from "../interfaces/IIssuerRegistry.sol";
import {INodeRegistry} from "../interfaces/INodeRegistry.sol";
import {IParameters} from "../interfaces/IParameters.sol";
import {IRentVault} from "../interfaces/IRentVault.sol";
import {IServiceToken} from "../interfaces/IServiceToken.sol";
import {Deposits} from "./Deposits.sol";
import {HubState} from "./HubState.sol";
import {Limits} from "./Limits.sol";
import {Ownership} from "./Ownership.sol";
import {Posting} from "./Posting.sol";
import {Recovery} from "./Recovery.sol";

/// @title The hub's rarer functions
/// @notice The hub makes this contract when it is made itself, and runs this code in its own storage:
/// one contract could not hold all of it (EIP-170). It holds nothing and is never called directly.
contract HubExtension is Deposits, Limits, Ownership, Posting, Recovery {
    constructor(
        IServiceToken serviceToken_,
        IParameters parameters_,
        INodeRegistry nodes_,
        IIssuerRegistry issuers_,
        IDisputeManager disputes_,
        IRentVault rent_
    ) HubState(serviceToken_, parameters_, nodes_, issuers_, disputes_, rent_) {}
}
