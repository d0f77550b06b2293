// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {IChannelHubTypes} from "../../contracts/interfaces/IChannelHub.sol";
import {Fixture} from "./support/Fixture.sol";
import {PayoutTree} from "./support/PayoutTree.sol";

contract PayoutsTest is Fixture {
    function setUp() public {
        deploy();
        populate();
        openChannel(SESSION_SECRET, anchor, 1_000e18);
    }

    function test_a_final_root_pays_its_leaves_to_credit() public {
        IChannelHubTypes.Payout[] memory payouts = committed(5);
        distribute(payouts, 0, 5);
        for (uint256 i; i < 5; ++i) {
            vm.assertEq(hub.creditOf(payouts[i].account), payouts[i].amount, "credit");
            vm.assertTrue(hub.isPaid(anchor, 0, uint32(i)), "paid");
        }
        vm.assertEq(hub.potOf(anchor, 0).distributed, hub.potOf(anchor, 0).sum, "all of it");
    }

    function test_the_event_names_the_payouts() public {
        IChannelHubTypes.Payout[] memory payouts = committed(3);
        IChannelHubTypes.Payout[] memory part = PayoutTree.slice(payouts, 1, 2);
        vm.expectEmit();
        emit IChannelHubTypes.PayoutsDistributed(anchor, 0, 1, part);
        distribute(payouts, 1, 2);
    }

    function test_every_range_of_every_tree_is_proved(uint256 size, uint256 first, uint256 count) public {
        size = bound(size, 1, 40);
        first = bound(first, 0, size - 1);
        count = bound(count, 1, size - first);
        IChannelHubTypes.Payout[] memory payouts = committed(size);
        distribute(payouts, first, count);
        for (uint256 i; i < size; ++i) {
            bool inside = i >= first && i < first + count;
            vm.assertEq(hub.creditOf(payouts[i].account), inside ? payouts[i].amount : 0, "credit");
        }
    }

    function test_ranges_that_overlap_pay_each_leaf_once(uint256 seed) public {
        IChannelHubTypes.Payout[] memory payouts = committed(23);
        for (uint256 i; i < 6; ++i) {
            uint256 first = uint256(keccak256(abi.encode(seed, i))) % 23;
            uint256 count = 1 + uint256(keccak256(abi.encode(seed, i, "count"))) % (23 - first);
            distribute(payouts, first, count);
        }
        distribute(payouts, 0, 23);
        for (uint256 i; i < 23; ++i) {
            vm.assertEq(hub.creditOf(payouts[i].account), payouts[i].amount, "credit");
        }
    }

    function test_a_range_crosses_words_of_the_bitmap() public {
        IChannelHubTypes.Payout[] memory payouts = committed(600);
        distribute(payouts, 200, 400);
        distribute(payouts, 0, 300);
        for (uint256 i; i < 600; ++i) {
            vm.assertTrue(hub.isPaid(anchor, 0, uint32(i)), "paid");
        }
        vm.assertEq(hub.potOf(anchor, 0).distributed, hub.potOf(anchor, 0).sum, "all of it");
    }

    function test_a_claimed_leaf_is_passed_over_by_distribute() public {
        IChannelHubTypes.Payout[] memory payouts = committed(5);
        hub.claim(anchor, 0, 3, payouts[3], PayoutTree.proof(payouts, 3, 1));
        distribute(payouts, 0, 5);
        vm.assertEq(hub.creditOf(payouts[3].account), payouts[3].amount, "once");
    }

    function test_a_leaf_is_claimed_once() public {
        IChannelHubTypes.Payout[] memory payouts = committed(5);
        IChannelHubTypes.ProofNode[] memory siblings = PayoutTree.proof(payouts, 4, 1);
        hub.claim(anchor, 0, 4, payouts[4], siblings);
        vm.expectRevert(
            abi.encodeWithSelector(IChannelHubTypes.ChannelHub_AlreadyPaid.selector, anchor, 0, 4)
        );
        hub.claim(anchor, 0, 4, payouts[4], siblings);
    }

    function test_a_root_pays_nothing_before_it_is_final() public {
        IChannelHubTypes.Payout[] memory payouts = committed(5);
        uint64 finalAt = hub.potOf(anchor, 0).finalAt;
        vm.warp(finalAt - 1);
        IChannelHubTypes.ProofNode[] memory siblings = PayoutTree.proof(payouts, 0, 5);
        vm.expectRevert(
            abi.encodeWithSelector(IChannelHubTypes.ChannelHub_NotFinal.selector, anchor, 0, finalAt)
        );
        hub.distribute(anchor, 0, 0, payouts, siblings);
        siblings = PayoutTree.proof(payouts, 0, 1);
        vm.expectRevert(
            abi.encodeWithSelector(IChannelHubTypes.ChannelHub_NotFinal.selector, anchor, 0, finalAt)
        );
        hub.claim(anchor, 0, 0, payouts[0], siblings);
    }

    function test_an_uncommitted_pot_pays_nothing() public {
        IChannelHubTypes.Payout[] memory payouts = some(2);
        IChannelHubTypes.ProofNode[] memory siblings = PayoutTree.proof(payouts, 0, 2);
        vm.expectRevert(
            abi.encodeWithSelector(
                IChannelHubTypes.ChannelHub_PotStatus.selector, anchor, 0, IChannelHubTypes.PotStatus.Open
            )
        );
        hub.distribute(anchor, 0, 0, payouts, siblings);
    }

    function test_a_larger_amount_is_refused() public {
        IChannelHubTypes.Payout[] memory payouts = committed(5);
        IChannelHubTypes.ProofNode[] memory siblings = PayoutTree.proof(payouts, 0, 5);
        payouts[2].amount += 1;
        expectProofInvalid();
        hub.distribute(anchor, 0, 0, payouts, siblings);
    }

    function test_another_account_is_refused() public {
        IChannelHubTypes.Payout[] memory payouts = committed(5);
        IChannelHubTypes.ProofNode[] memory siblings = PayoutTree.proof(payouts, 2, 1);
        payouts[2].account = STRANGER;
        expectProofInvalid();
        hub.claim(anchor, 0, 2, payouts[2], siblings);
    }

    function test_another_index_is_refused() public {
        IChannelHubTypes.Payout[] memory payouts = committed(8);
        IChannelHubTypes.ProofNode[] memory siblings = PayoutTree.proof(payouts, 2, 1);
        expectProofInvalid();
        hub.claim(anchor, 0, 3, payouts[2], siblings);
    }

    function test_an_index_beyond_the_tree_is_refused() public {
        IChannelHubTypes.Payout[] memory payouts = committed(4);
        IChannelHubTypes.ProofNode[] memory siblings = PayoutTree.proof(payouts, 0, 4);
        expectProofInvalid();
        hub.distribute(anchor, 0, 4, payouts, siblings);
    }

    function test_no_payouts_are_refused() public {
        committed(4);
        expectProofInvalid();
        hub.distribute(anchor, 0, 0, new IChannelHubTypes.Payout[](0), new IChannelHubTypes.ProofNode[](0));
    }

    function test_a_missing_sibling_is_refused() public {
        IChannelHubTypes.Payout[] memory payouts = committed(4);
        expectProofInvalid();
        hub.claim(anchor, 0, 0, payouts[0], new IChannelHubTypes.ProofNode[](0));
        expectProofInvalid();
        hub.claim(anchor, 0, 1, payouts[1], new IChannelHubTypes.ProofNode[](0));
    }

    function test_a_sibling_too_many_is_refused() public {
        IChannelHubTypes.Payout[] memory payouts = committed(4);
        expectProofInvalid();
        hub.distribute(anchor, 0, 0, payouts, new IChannelHubTypes.ProofNode[](1));
    }

    function test_a_range_without_its_left_or_right_neighbours_is_refused() public {
        IChannelHubTypes.Payout[] memory payouts = committed(8);
        IChannelHubTypes.Payout[] memory part = PayoutTree.slice(payouts, 3, 2);
        IChannelHubTypes.ProofNode[] memory siblings = PayoutTree.proof(payouts, 3, 2);
        for (uint256 kept; kept < siblings.length; ++kept) {
            IChannelHubTypes.ProofNode[] memory fewer = new IChannelHubTypes.ProofNode[](kept);
            for (uint256 i; i < kept; ++i) {
                fewer[i] = siblings[i];
            }
            expectProofInvalid();
            hub.distribute(anchor, 0, 3, part, fewer);
        }
        distribute(payouts, 3, 2);
    }

    function test_a_claim_beyond_the_tree_is_refused() public {
        IChannelHubTypes.Payout[] memory payouts = committed(4);
        expectProofInvalid();
        hub.claim(anchor, 0, 4, payouts[3], new IChannelHubTypes.ProofNode[](0));
    }

    /// @dev What no client that encodes by the ABI can send.
    function test_a_siblings_sum_that_does_not_fit_its_type_is_refused() public {
        IChannelHubTypes.Payout[] memory payouts = committed(2);
        IChannelHubTypes.ProofNode[] memory siblings = PayoutTree.proof(payouts, 0, 1);
        bytes memory call = abi.encodeCall(hub.claim, (anchor, 0, 0, payouts[0], siblings));
        call[call.length - 32] = 0x01;
        (bool succeeded, bytes memory answer) = address(hub).call(call);
        vm.assertFalse(succeeded, "refused");
        vm.assertEq(
            bytes4(answer), IChannelHubTypes.ChannelHub_ProofInvalid.selector, "as any other wrong proof"
        );
    }

    function test_sums_that_overflow_are_refused() public {
        IChannelHubTypes.Payout[] memory payouts = committed(4);
        IChannelHubTypes.ProofNode[] memory siblings = PayoutTree.proof(payouts, 0, 1);
        siblings[0].sum = type(uint128).max;
        expectProofInvalid();
        hub.claim(anchor, 0, 0, payouts[0], siblings);
        siblings = PayoutTree.proof(payouts, 1, 1);
        siblings[0].sum = type(uint128).max;
        expectProofInvalid();
        hub.claim(anchor, 0, 1, payouts[1], siblings);
        siblings = PayoutTree.proof(payouts, 0, 2);
        payouts[0].amount = type(uint128).max;
        IChannelHubTypes.Payout[] memory part = PayoutTree.slice(payouts, 0, 2);
        expectProofInvalid();
        hub.distribute(anchor, 0, 0, part, siblings);
    }

    function test_a_tree_whose_leaves_exceed_its_sum_pays_none_of_them() public {
        // the anchor commits the right sum over a tree of larger leaves
        IChannelHubTypes.Payout[] memory payouts = some(2);
        settle(10e18);
        payouts[0].amount = 9e18;
        payouts[1].amount = 9e18;
        bytes32 root = PayoutTree.root(payouts).hash;
        vm.prank(anchor);
        hub.commitPeriod(0, root, 10e18, 2);
        vm.warp(hub.potOf(anchor, 0).finalAt);
        IChannelHubTypes.ProofNode[] memory siblings = PayoutTree.proof(payouts, 0, 1);
        expectProofInvalid();
        hub.claim(anchor, 0, 0, payouts[0], siblings);
    }

    function test_only_a_committed_pot_pays() public {
        vm.expectRevert(
            abi.encodeWithSelector(
                IChannelHubTypes.ChannelHub_PotStatus.selector, STRANGER, 0, IChannelHubTypes.PotStatus.Open
            )
        );
        hub.distribute(STRANGER, 0, 0, new IChannelHubTypes.Payout[](0), new IChannelHubTypes.ProofNode[](0));
    }

    function test_credit_is_withdrawn_to_any_account() public {
        IChannelHubTypes.Payout[] memory payouts = committed(2);
        distribute(payouts, 0, 2);
        vm.expectEmit();
        emit IChannelHubTypes.CreditWithdrawn(payouts[0].account, STRANGER, payouts[0].amount);
        vm.prank(payouts[0].account);
        hub.withdrawCredit(STRANGER, payouts[0].amount);
        vm.assertEq(service.balanceOf(STRANGER), payouts[0].amount, "received");
        vm.assertEq(hub.creditOf(payouts[0].account), 0, "none left");
    }

    function test_credit_is_withdrawn_up_to_what_there_is() public {
        IChannelHubTypes.Payout[] memory payouts = committed(2);
        distribute(payouts, 0, 2);
        vm.startPrank(payouts[0].account);
        vm.expectRevert(
            abi.encodeWithSelector(
                IChannelHubTypes.ChannelHub_AmountInvalid.selector, payouts[0].amount + 1, payouts[0].amount
            )
        );
        hub.withdrawCredit(STRANGER, payouts[0].amount + 1);
        vm.expectRevert(
            abi.encodeWithSelector(IChannelHubTypes.ChannelHub_AmountInvalid.selector, 0, payouts[0].amount)
        );
        hub.withdrawCredit(STRANGER, 0);
    }

    function test_credit_is_not_sent_to_the_zero_account() public {
        vm.expectRevert(IChannelHubTypes.ChannelHub_ZeroAccount.selector);
        hub.withdrawCredit(address(0), 1);
    }

    function test_the_zero_accounts_credit_is_burnt() public {
        IChannelHubTypes.Payout[] memory payouts = some(2);
        payouts[1].account = address(0);
        commit(payouts);
        distribute(payouts, 0, 2);
        uint256 supply = service.totalSupply();
        vm.expectEmit();
        emit IChannelHubTypes.CreditBurnt(payouts[1].amount);
        hub.burnCredit();
        vm.assertEq(service.totalSupply(), supply - payouts[1].amount, "supply");
        vm.expectRevert(abi.encodeWithSelector(IChannelHubTypes.ChannelHub_AmountInvalid.selector, 0, 0));
        hub.burnCredit();
    }

    function some(uint256 count) private pure returns (IChannelHubTypes.Payout[] memory payouts) {
        payouts = new IChannelHubTypes.Payout[](count);
        for (uint256 i; i < count; ++i) {
            payouts[i] = IChannelHubTypes.Payout(
                address(uint160(uint256(keccak256(abi.encode(i))))), uint128(1e15 * (i + 1))
            );
        }
    }

    function settle(uint128 amount) private {
        toSettle(0);
        IChannelHubTypes.StatementRow[] memory rows = rowsOf(statement(SESSION_SECRET, anchor, 0, amount));
        vm.prank(anchor);
        hub.settleChunk(0, rows);
    }

    function commit(IChannelHubTypes.Payout[] memory payouts) private {
        IChannelHubTypes.ProofNode memory root = PayoutTree.root(payouts);
        settle(root.sum);
        vm.prank(anchor);
        hub.commitPeriod(0, root.hash, root.sum, uint32(payouts.length));
        vm.warp(hub.potOf(anchor, 0).finalAt);
    }

    function committed(uint256 count) private returns (IChannelHubTypes.Payout[] memory payouts) {
        payouts = some(count);
        commit(payouts);
    }

    function distribute(IChannelHubTypes.Payout[] memory payouts, uint256 first, uint256 count) private {
        hub.distribute(
            anchor,
            0,
            uint32(first),
            PayoutTree.slice(payouts, first, count),
            PayoutTree.proof(payouts, first, count)
        );
    }

    function expectProofInvalid() private {
        vm.expectRevert(abi.encodeWithSelector(IChannelHubTypes.ChannelHub_ProofInvalid.selector, anchor, 0));
    }
}
