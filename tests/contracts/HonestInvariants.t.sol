// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {HonestHandler} from "./support/HonestHandler.sol";
import {Test} from "./support/Vm.sol";

/// @dev Invariants 11 and 12 of the design: who is honest loses nothing, whatever all others do.
contract HonestInvariants is Test {
    HonestHandler private handler;

    function setUp() public {
        handler = new HonestHandler();
        targetContract(address(handler));
    }

    function invariant_11_an_honest_anchor_is_never_slashed() public view {
        handler.checkNobodyWasFramed();
    }

    function invariant_12_an_honest_node_is_made_whole() public view {
        handler.checkWhole();
    }

    /// @dev A year and a half in which everything happens that the handler is there for.
    function test_honest_parties_meet_everything_and_lose_nothing() public {
        uint256 roll = 11;
        for (uint256 i; i < 600; ++i) {
            roll = uint256(keccak256(abi.encode(roll)));
            uint256 action = (roll >> 200) % 10;
            if (action < 4) handler.serve(roll, uint128(roll));
            else if (action == 4) handler.post(roll);
            else if (action == 5) handler.attack(roll);
            else if (action == 6) handler.topUp(roll);
            else if (action == 7) handler.withdraw(roll);
            else if (action == 8 && roll % 5 == 0) handler.askForWithdrawal(roll, uint128(roll));
            else handler.advance(roll);
            handler.checkWhole();
        }
        handler.checkNobodyWasFramed();
        string[11] memory things = [
            "serve",
            "post",
            "attack",
            "withdraw",
            "honest month",
            "bad month",
            "disproof",
            "unshown",
            "restore",
            "direct claim",
            "distribute"
        ];
        for (uint256 i; i < things.length; ++i) {
            vm.assertGe(handler.done(things[i]), 1, things[i]);
        }
        vm.assertGe(handler.due(), 1, "the node earned something");
    }
}
