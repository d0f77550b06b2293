// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {HubHandler} from "./support/HubHandler.sol";
import {Test} from "./support/Vm.sol";

/// @dev The numbers are those of the design's list of invariants.
contract HubInvariants is Test {
    HubHandler private handler;

    function setUp() public {
        handler = new HubHandler();
        targetContract(address(handler));
    }

    function invariant_1_the_hub_holds_channels_credits_and_pots() public view {
        (uint256 channels, uint256 credits, uint256 pots) = handler.accountedFor();
        vm.assertEq(handler.hubBalance(), channels + credits + pots + handler.donated(), "hub balance");
    }

    function invariant_2_what_came_in_went_out_or_is_there() public view {
        uint256 out = handler.withdrawnByPayers() + handler.withdrawnByPayees() + handler.burnt();
        vm.assertEq(handler.deposited() + handler.donated(), out + handler.hubBalance(), "conservation");
    }

    function invariant_3_4_6_channels() public view {
        handler.checkChannels();
    }

    function invariant_4_5_9_pots() public view {
        handler.checkPots();
    }

    function invariant_10_bonds() public view {
        handler.checkBonds();
    }

    function invariant_10_11_only_bonds_of_disproved_roots_are_slashed() public view {
        handler.checkStake();
    }

    /// @dev The handler can do all that it is there for: otherwise the invariants would hold of
    /// nothing. The numbers are seeds; a multiple of 3 moves the clock.
    function test_the_handler_reaches_every_action() public {
        uint256 roll = 7;
        for (uint256 i; i < 1000; ++i) {
            roll = uint256(keccak256(abi.encode(roll)));
            uint256 action = (roll >> 128) % 17;
            if (action == 0) handler.topUp(roll, uint96(roll));
            else if (action == 1) handler.setAnchor(roll);
            else if (action == 2) handler.requestWithdrawal(roll, uint128(roll));
            else if (action == 3) handler.withdraw(roll);
            else if (action == 4) handler.settle(roll);
            else if (action == 5) handler.commit(roll);
            else if (action == 6) handler.distribute(roll);
            else if (action == 7) handler.claim(roll);
            else if (action == 8) handler.claimDirect(roll, uint128(roll));
            else if (action == 9) handler.restore(roll);
            else if (action == 10) handler.releaseBond(roll);
            else if (action == 11) handler.challengeOrder(roll);
            else if (action == 12) handler.forfeitBond(roll);
            else if (action == 13) handler.close(roll, uint128(roll));
            else if (action == 14) handler.post(roll, uint128(roll >> 3));
            else if (action == 15) handler.limit(roll, uint96(roll >> 5));
            else handler.withdrawCredit(roll, uint128(roll));
        }
        handler.burnCredit(1);
        string[16] memory actions = [
            "topUp",
            "setAnchor",
            "withdraw",
            "settle",
            "commit",
            "distribute",
            "claim",
            "claimDirect",
            "restore",
            "releaseBond",
            "challengeOrder",
            "forfeitBond",
            "close",
            "post",
            "limit",
            "withdrawCredit"
        ];
        for (uint256 i; i < actions.length; ++i) {
            vm.assertGe(handler.done(actions[i]), 1, actions[i]);
        }
        invariant_1_the_hub_holds_channels_credits_and_pots();
        invariant_2_what_came_in_went_out_or_is_there();
        handler.checkChannels();
        handler.checkPots();
        handler.checkBonds();
    }
}
