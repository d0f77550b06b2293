// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IDisputeManager} from "../interfaces/IDisputeManager.sol";
import {IIssuerRegistry} from "../interfaces/IIssuerRegistry.sol";
import {INodeRegistry} from "../interfaces/INodeRegistry.sol";
import {IParameters} from "../interfaces/IParameters.sol";
import {IRentVault} from "../interfaces/IRentVault.sol";
import {IServiceToken} from "../interfaces/IServiceToken.sol";
import {DirectClaims} from "./DirectClaims.sol";
import {HubState} from "./HubState.sol";
import {SinglePayouts} from "./SinglePayouts.sol";

/// @title What single payees claim
/// @notice The hub's second extension, made before the hub as a chain takes no creation that holds
/// three contracts (EIP-3860). Like {HubExtension} it runs in the hub's storage, holds nothing and is
/// never called directly.
contract HubClaims is DirectClaims, SinglePayouts {
    constructor(
        IServiceToken serviceToken_,
        IParameters parameters_,
        INodeRegistry nodes_,
        IIssuerRegistry issuers_,
        IDisputeManager disputes_,
        IRentVault rent_
    ) HubState(serviceToken_, parameters_, nodes_, issuers_, disputes_, rent_) {}
}
