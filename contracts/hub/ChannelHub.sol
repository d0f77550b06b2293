// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IChannelHub} from "../interfaces/IChannelHub.sol";
import {IDisputeManager} from "../interfaces/IDisputeManager.sol";
import {IIssuerRegistry} from "../interfaces/IIssuerRegistry.sol";
import {INodeRegistry} from "../interfaces/INodeRegistry.sol";
import {IParameters} from "../interfaces/IParameters.sol";
import {IRentVault} from "../interfaces/IRentVault.sol";
import {IServiceToken} from "../interfaces/IServiceToken.sol";
import {Challenges} from "./Challenges.sol";
import {Channels} from "./Channels.sol";
import {Extended} from "./Extended.sol";
import {HubClaims} from "./HubClaims.sol";
import {HubExtension} from "./HubExtension.sol";
import {HubState} from "./HubState.sol";
import {Payouts} from "./Payouts.sol";
import {Settlement} from "./Settlement.sol";

/// @title Channel hub
/// @notice See {IChannelHub}. Its Service Tokens are, to the unit, the balances of all channels, the
/// credit of all accounts, and what of each pot is not distributed yet. It has no owner, and no code
/// of it can be changed; what one contract cannot hold is in {HubExtension}, made with it, and in
/// {HubClaims}, made before.
contract ChannelHub is Channels, Settlement, Payouts, Challenges, Extended {
    constructor(
        IServiceToken serviceToken_,
        IParameters parameters_,
        INodeRegistry nodes_,
        IIssuerRegistry issuers_,
        IDisputeManager disputes_,
        IRentVault rent_,
        HubClaims claims_
    )
        HubState(serviceToken_, parameters_, nodes_, issuers_, disputes_, rent_)
        Extended(
            address(new HubExtension(serviceToken_, parameters_, nodes_, issuers_, disputes_, rent_)), claims_
        )
    {}

    /// @inheritdoc IChannelHub
    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }
}
