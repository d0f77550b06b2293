// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {ServiceToken} from "../../contracts/tokens/ServiceToken.sol";
import {StakeToken} from "../../contracts/tokens/StakeToken.sol";
import {Test} from "./support/Vm.sol";
import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @dev What every ERC-20 owes its holders, after the list of properties that Crytic publishes for
/// such tokens (ERC20-BASE-001 to 018, BURN and MINT where a token has them). Three holders share the
/// whole supply; `seed`s are fuzzed.
abstract contract Erc20Properties is Test {
    uint256 internal constant SUPPLY = 3_000_000e18;
    uint256 internal constant EACH = SUPPLY / 3;
    address internal constant ALICE = address(0xA11CE);
    address internal constant BOB = address(0xB0B);
    address internal constant CAROL = address(0xCA401);

    IERC20 internal token;

    function make() internal virtual returns (IERC20);

    function setUp() public virtual {
        vm.warp(1_700_000_000);
        token = make(); // ALICE holds it all
        vm.startPrank(ALICE);
        token.transfer(BOB, EACH);
        token.transfer(CAROL, EACH);
        vm.stopPrank();
    }

    // Supply and balances

    function test_the_supply_changes_by_no_transfer_and_no_allowance(uint256 seed) public {
        uint256 value = bound(seed, 0, EACH);
        vm.prank(ALICE);
        token.transfer(BOB, value);
        vm.prank(BOB);
        token.approve(CAROL, value);
        vm.prank(CAROL);
        token.transferFrom(BOB, ALICE, value);
        vm.assertEq(token.totalSupply(), SUPPLY, "supply");
    }

    function test_no_holder_has_more_than_the_supply(uint256 seed) public {
        vm.prank(ALICE);
        token.transfer(BOB, bound(seed, 0, EACH));
        vm.assertLe(token.balanceOf(BOB), token.totalSupply(), "balance");
    }

    function test_balances_sum_up_to_the_supply(uint256 seed) public {
        vm.prank(ALICE);
        token.transfer(CAROL, bound(seed, 0, EACH));
        vm.assertEq(sum(), token.totalSupply(), "sum");
    }

    function test_the_zero_address_holds_nothing() public view {
        vm.assertEq(token.balanceOf(address(0)), 0, "zero address");
    }

    // What is refused

    function test_nothing_is_transferred_to_the_zero_address(uint256 seed) public {
        bytes memory refusal = abi.encodeWithSelector(IERC20Errors.ERC20InvalidReceiver.selector, address(0));
        vm.expectRevert(refusal);
        vm.prank(ALICE);
        token.transfer(address(0), bound(seed, 0, EACH));
    }

    function test_nothing_is_transferred_from_somebody_to_the_zero_address(uint256 seed) public {
        uint256 value = bound(seed, 0, EACH);
        vm.prank(ALICE);
        token.approve(BOB, value);
        vm.expectPartialRevert(IERC20Errors.ERC20InvalidReceiver.selector);
        vm.prank(BOB);
        token.transferFrom(ALICE, address(0), value);
    }

    function test_nobody_transfers_more_than_it_has(uint256 seed) public {
        uint256 value = bound(seed, EACH + 1, type(uint256).max);
        vm.expectRevert(
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, ALICE, EACH, value)
        );
        vm.prank(ALICE);
        token.transfer(BOB, value);
        vm.assertEq(token.balanceOf(ALICE), EACH, "kept");
    }

    function test_nobody_takes_more_than_the_owner_has(uint256 seed) public {
        uint256 value = bound(seed, EACH + 1, type(uint256).max);
        vm.prank(ALICE);
        token.approve(BOB, type(uint256).max);
        vm.expectPartialRevert(IERC20Errors.ERC20InsufficientBalance.selector);
        vm.prank(BOB);
        token.transferFrom(ALICE, BOB, value);
        vm.assertEq(token.balanceOf(ALICE), EACH, "kept");
    }

    function test_nobody_takes_more_than_it_may(uint256 allowed, uint256 seed) public {
        allowed = bound(allowed, 0, EACH - 1);
        uint256 value = bound(seed, allowed + 1, EACH);
        vm.prank(ALICE);
        token.approve(BOB, allowed);
        vm.expectRevert(
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, BOB, allowed, value)
        );
        vm.prank(BOB);
        token.transferFrom(ALICE, BOB, value);
        vm.assertEq(token.allowance(ALICE, BOB), allowed, "kept");
    }

    function test_the_zero_address_is_allowed_nothing() public {
        vm.expectPartialRevert(IERC20Errors.ERC20InvalidSpender.selector);
        vm.prank(ALICE);
        token.approve(address(0), 1);
    }

    // What keeps the books

    function test_a_transfer_to_oneself_changes_nothing(uint256 seed) public {
        uint256 value = bound(seed, 0, EACH);
        vm.prank(ALICE);
        vm.assertTrue(token.transfer(ALICE, value), "answer");
        vm.assertEq(token.balanceOf(ALICE), EACH, "balance");
        vm.assertEq(sum(), SUPPLY, "sum");
    }

    function test_a_transfer_from_somebody_to_itself_changes_the_allowance_only(uint256 seed) public {
        uint256 value = bound(seed, 0, EACH);
        vm.prank(ALICE);
        token.approve(BOB, value);
        vm.prank(BOB);
        vm.assertTrue(token.transferFrom(ALICE, ALICE, value), "answer");
        vm.assertEq(token.balanceOf(ALICE), EACH, "balance");
        vm.assertEq(token.allowance(ALICE, BOB), 0, "allowance");
    }

    function test_a_transfer_of_nothing_changes_nothing() public {
        vm.prank(ALICE);
        vm.assertTrue(token.transfer(BOB, 0), "answer");
        vm.prank(CAROL);
        vm.assertTrue(token.transferFrom(ALICE, BOB, 0), "answer without an allowance");
        vm.assertEq(token.balanceOf(ALICE), EACH, "sender");
        vm.assertEq(token.balanceOf(BOB), EACH, "receiver");
    }

    function test_a_transfer_moves_exactly_its_amount(uint256 seed) public {
        uint256 value = bound(seed, 1, EACH);
        vm.expectEmit();
        emit IERC20.Transfer(ALICE, BOB, value);
        vm.prank(ALICE);
        vm.assertTrue(token.transfer(BOB, value), "answer");
        vm.assertEq(token.balanceOf(ALICE), EACH - value, "sender");
        vm.assertEq(token.balanceOf(BOB), EACH + value, "receiver");
        vm.assertEq(token.balanceOf(CAROL), EACH, "nobody else");
    }

    function test_a_transfer_from_somebody_moves_and_uses_up_exactly_its_amount(uint256 allowed, uint256 seed)
        public
    {
        allowed = bound(allowed, 1, EACH);
        uint256 value = bound(seed, 1, allowed);
        vm.prank(ALICE);
        token.approve(BOB, allowed);
        vm.prank(BOB);
        vm.assertTrue(token.transferFrom(ALICE, CAROL, value), "answer");
        vm.assertEq(token.balanceOf(ALICE), EACH - value, "owner");
        vm.assertEq(token.balanceOf(CAROL), EACH + value, "receiver");
        vm.assertEq(token.balanceOf(BOB), EACH, "spender");
        vm.assertEq(token.allowance(ALICE, BOB), allowed - value, "allowance");
    }

    function test_an_allowance_is_what_was_set_last(uint256 first, uint256 second) public {
        vm.startPrank(ALICE);
        vm.expectEmit();
        emit IERC20.Approval(ALICE, BOB, first);
        vm.assertTrue(token.approve(BOB, first), "answer");
        vm.assertEq(token.allowance(ALICE, BOB), first, "set");
        token.approve(BOB, second);
        vm.stopPrank();
        vm.assertEq(token.allowance(ALICE, BOB), second, "replaced, not added");
        vm.assertEq(token.allowance(BOB, ALICE), 0, "one way");
        vm.assertEq(token.allowance(ALICE, CAROL), 0, "one spender");
    }

    function test_an_allowance_without_limit_is_not_used_up(uint256 seed) public {
        vm.prank(ALICE);
        token.approve(BOB, type(uint256).max);
        vm.prank(BOB);
        token.transferFrom(ALICE, BOB, bound(seed, 1, EACH));
        vm.assertEq(token.allowance(ALICE, BOB), type(uint256).max, "allowance");
    }

    function sum() internal view returns (uint256) {
        return token.balanceOf(ALICE) + token.balanceOf(BOB) + token.balanceOf(CAROL);
    }
}

contract StakeTokenPropertiesTest is Erc20Properties {
    function make() internal override returns (IERC20) {
        return new StakeToken(ALICE, SUPPLY);
    }

    function test_votes_move_with_every_transfer(uint256 seed) public {
        StakeToken stake = StakeToken(address(token));
        uint256 value = bound(seed, 0, EACH);
        vm.prank(ALICE);
        token.transfer(BOB, value);
        vm.assertEq(stake.getVotes(ALICE), EACH - value, "sender");
        vm.assertEq(stake.getVotes(BOB), EACH + value, "receiver");
    }
}

contract ServiceTokenPropertiesTest is Erc20Properties {
    address private constant MINTER = address(0x317);

    function make() internal override returns (IERC20) {
        ServiceToken made = new ServiceToken(address(this), ALICE, SUPPLY, 300);
        made.setMinter(MINTER);
        return made;
    }

    function test_burning_lowers_balance_and_supply_by_the_same(uint256 seed) public {
        uint256 value = bound(seed, 0, EACH);
        vm.prank(ALICE);
        ServiceToken(address(token)).burn(value);
        vm.assertEq(token.balanceOf(ALICE), EACH - value, "balance");
        vm.assertEq(token.totalSupply(), SUPPLY - value, "supply");
        vm.assertEq(sum(), token.totalSupply(), "sum");
    }

    function test_nobody_burns_more_than_it_has(uint256 seed) public {
        vm.expectPartialRevert(IERC20Errors.ERC20InsufficientBalance.selector);
        vm.prank(ALICE);
        ServiceToken(address(token)).burn(bound(seed, EACH + 1, type(uint256).max));
    }

    function test_minting_raises_balance_and_supply_by_the_same(uint256 seed) public {
        uint256 value = bound(seed, 0, ServiceToken(address(token)).mintable());
        vm.prank(MINTER);
        ServiceToken(address(token)).mint(BOB, value);
        vm.assertEq(token.balanceOf(BOB), EACH + value, "balance");
        vm.assertEq(token.totalSupply(), SUPPLY + value, "supply");
        vm.assertEq(sum(), token.totalSupply(), "sum");
    }
}
