// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {IChannelHubTypes} from "../../contracts/interfaces/IChannelHub.sol";
import {INodeRegistry} from "../../contracts/interfaces/INodeRegistry.sol";
import {ISmartLayerMessages} from "../../contracts/interfaces/ISmartLayerMessages.sol";
import {Fixture} from "./support/Fixture.sol";

contract SettlementTest is Fixture {
    function setUp() public {
        deploy();
        populate();
        openChannel(SESSION_SECRET, anchor, 100e18);
    }

    function test_a_signed_statement_debits_its_channel_into_the_pot() public {
        toSettle(0);
        settle(statement(SESSION_SECRET, anchor, 0, 30e18));

        vm.assertEq(hub.channelOf(session).balance, 70e18, "balance");
        vm.assertEq(hub.potOf(anchor, 0).sum, 30e18, "pot");
        vm.assertTrue(hub.isSettled(session, 0), "settled");
    }

    function test_the_event_carries_the_rows_that_the_commitment_hashes() public {
        toSettle(0);
        IChannelHubTypes.StatementRow memory row = statement(SESSION_SECRET, anchor, 0, 30e18);
        IChannelHubTypes.AcceptedRow[] memory accepted = new IChannelHubTypes.AcceptedRow[](1);
        accepted[0] = IChannelHubTypes.AcceptedRow(session, 30e18, row.vouchersRoot);
        bytes32 commitment = keccak256(abi.encode(accepted));

        vm.expectEmit();
        emit IChannelHubTypes.StatementsAccepted(anchor, 0, 0, commitment, accepted);
        settle(row);

        vm.assertEq(hub.chunkOf(anchor, 0, 0), commitment, "commitment");
    }

    function test_a_statement_settles_its_period_once() public {
        toSettle(0);
        settle(statement(SESSION_SECRET, anchor, 0, 30e18));
        expectSkip(session, IChannelHubTypes.SkipReason.AlreadySettled);
        settle(statement(SESSION_SECRET, anchor, 0, 40e18));
        vm.assertEq(hub.channelOf(session).balance, 70e18, "balance");
    }

    function test_a_row_of_no_amount_is_skipped() public {
        toSettle(0);
        expectSkip(session, IChannelHubTypes.SkipReason.ZeroAmount);
        settle(statement(SESSION_SECRET, anchor, 0, 0));
    }

    function test_a_row_with_a_broken_signature_is_skipped() public {
        toSettle(0);
        IChannelHubTypes.StatementRow memory row = statement(SESSION_SECRET, anchor, 0, 1e18);
        row.r = bytes32(0);
        expectSkip(address(0), IChannelHubTypes.SkipReason.SignatureInvalid);
        settle(row);
    }

    function test_a_high_value_of_s_is_skipped_though_it_recovers_a_key() public {
        toSettle(0);
        IChannelHubTypes.StatementRow memory row = statement(SESSION_SECRET, anchor, 0, 1e18);
        // the smallest high value still fits the compact form, and with any point's x makes somebody
        row.r = bytes32(0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798);
        row.vs = bytes32(0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A1);
        bytes32 digest = lens.hashStatement(
            address(hub), ISmartLayerMessages.Statement(anchor, 0, row.amount, row.vouchersRoot)
        );
        vm.assertTrue(ecrecover(digest, 27, row.r, row.vs) != address(0), "somebody");
        expectSkip(address(0), IChannelHubTypes.SkipReason.SignatureInvalid);
        settle(row);
    }

    function test_an_amount_wider_than_128_bits_is_skipped() public {
        IChannelHubTypes.StatementRow memory row = statement(SESSION_SECRET, anchor, 0, 1e18);
        bytes memory call = abi.encodeCall(hub.settleChunk, (0, rowsOf(row)));
        call[4 + 3 * 32] = 0x01; // the first byte of the first row
        toSettle(0);
        vm.prank(anchor);
        (bool succeeded,) = address(hub).call(call);
        vm.assertTrue(succeeded, "skipped, not reverted");
        vm.assertEq(hub.potOf(anchor, 0).sum, 0, "nothing accepted");
    }

    function test_a_statement_signed_by_a_stranger_is_skipped() public {
        toSettle(0);
        expectSkip(vm.addr(0xDEAD), IChannelHubTypes.SkipReason.UnknownChannel);
        settle(statement(0xDEAD, anchor, 0, 1e18));
    }

    function test_a_channel_of_another_anchor_is_skipped() public {
        address signer = openChannel(0xC2, otherAnchor, 1e18);
        toSettle(0);
        expectSkip(signer, IChannelHubTypes.SkipReason.WrongAnchor);
        settle(statement(0xC2, anchor, 0, 1e18));
    }

    function test_a_statement_for_another_anchor_debits_nobody() public {
        toSettle(0);
        settle(statement(SESSION_SECRET, otherAnchor, 0, 1e18));
        vm.assertEq(hub.channelOf(session).balance, 100e18, "balance");
    }

    function test_a_statement_of_another_period_debits_nobody() public {
        toSettle(1);
        settleIn(1, statement(SESSION_SECRET, anchor, 0, 1e18));
        vm.assertEq(hub.channelOf(session).balance, 100e18, "balance");
    }

    function test_a_statement_on_another_chain_debits_nobody() public {
        toSettle(0);
        IChannelHubTypes.StatementRow memory row = statement(SESSION_SECRET, anchor, 0, 1e18);
        vm.chainId(99);
        settle(row);
        vm.assertEq(hub.channelOf(session).balance, 100e18, "balance");
    }

    function test_a_statement_above_the_balance_is_skipped() public {
        toSettle(0);
        expectSkip(session, IChannelHubTypes.SkipReason.InsufficientBalance);
        settle(statement(SESSION_SECRET, anchor, 0, 100e18 + 1));
    }

    function test_a_bad_row_does_not_block_the_others() public {
        openChannel(0xC2, anchor, 5e18);
        IChannelHubTypes.StatementRow[] memory rows = new IChannelHubTypes.StatementRow[](4);
        rows[0] = statement(0xDEAD, anchor, 0, 1e18);
        rows[1] = statement(SESSION_SECRET, anchor, 0, 30e18);
        rows[2] = statement(0xC2, anchor, 0, 6e18);
        rows[3] = statement(0xC2, anchor, 0, 4e18);
        toSettle(0);
        vm.prank(anchor);
        hub.settleChunk(0, rows);
        vm.assertEq(hub.potOf(anchor, 0).sum, 34e18, "pot");
        vm.assertEq(hub.potOf(anchor, 0).chunks, 1, "chunks");
    }

    function test_a_chunk_without_a_good_row_leaves_no_trace() public {
        toSettle(0);
        settle(statement(0xDEAD, anchor, 0, 1e18));
        vm.assertEq(hub.potOf(anchor, 0).chunks, 0, "chunks");
    }

    function test_chunks_and_order_do_not_change_the_result(uint256 seed) public {
        uint256 count = 6;
        IChannelHubTypes.StatementRow[] memory rows = new IChannelHubTypes.StatementRow[](count);
        for (uint256 i; i < count; ++i) {
            openChannel(0xD0 + i, anchor, 10e18);
            // every third row asks for more than there is
            rows[i] = statement(0xD0 + i, anchor, 0, uint128((i % 3 == 2 ? 11 : i + 1) * 1e18));
        }
        toSettle(0);
        uint256 state = vm.snapshotState();
        vm.prank(anchor);
        hub.settleChunk(0, rows);
        uint128 together = hub.potOf(anchor, 0).sum;
        vm.revertToState(state);

        for (uint256 i = count; i > 0; --i) {
            uint256 pick = uint256(keccak256(abi.encode(seed, i))) % i;
            settle(rows[pick]);
            rows[pick] = rows[i - 1];
        }
        vm.assertEq(hub.potOf(anchor, 0).sum, together, "the same pot");
        vm.assertEq(together, 12e18, "1 + 2 + 4 + 5");
    }

    function test_each_period_is_settled_by_itself() public {
        toSettle(0);
        settle(statement(SESSION_SECRET, anchor, 0, 1e18));
        toSettle(2);
        settleIn(2, statement(SESSION_SECRET, anchor, 2, 1e18));
        vm.assertTrue(hub.isSettled(session, 0), "0");
        vm.assertFalse(hub.isSettled(session, 1), "1");
        vm.assertTrue(hub.isSettled(session, 2), "2");
    }

    function test_nothing_settles_before_the_grace_ends() public {
        uint64 from = parameters.windowsOf(0).settleFrom;
        uint64 until = parameters.windowsOf(0).settleUntil;
        IChannelHubTypes.StatementRow memory row = statement(SESSION_SECRET, anchor, 0, 1e18);
        vm.warp(from - 1);
        vm.expectRevert(
            abi.encodeWithSelector(IChannelHubTypes.ChannelHub_OutsideWindow.selector, from - 1, from, until)
        );
        settle(row);
    }

    function test_nothing_settles_after_the_deadline() public {
        uint64 from = parameters.windowsOf(0).settleFrom;
        uint64 until = parameters.windowsOf(0).settleUntil;
        IChannelHubTypes.StatementRow memory row = statement(SESSION_SECRET, anchor, 0, 1e18);
        vm.warp(until);
        vm.expectRevert(
            abi.encodeWithSelector(IChannelHubTypes.ChannelHub_OutsideWindow.selector, until, from, until)
        );
        settle(row);
    }

    function test_only_a_registered_node_settles() public {
        IChannelHubTypes.StatementRow memory row = statement(SESSION_SECRET, STRANGER, 0, 1e18);
        toSettle(0);
        vm.expectRevert(abi.encodeWithSelector(IChannelHubTypes.ChannelHub_UnknownNode.selector, STRANGER));
        vm.prank(STRANGER);
        hub.settleChunk(0, rowsOf(row));
    }

    function test_a_committed_pot_takes_no_statement() public {
        address signer = openChannel(0xC2, anchor, 1e18);
        IChannelHubTypes.StatementRow memory row = statement(0xC2, anchor, 0, 1e18);
        toSettle(0);
        settle(statement(SESSION_SECRET, anchor, 0, 30e18));
        commit(30e18);
        vm.expectRevert(
            abi.encodeWithSelector(
                IChannelHubTypes.ChannelHub_PotStatus.selector,
                anchor,
                0,
                IChannelHubTypes.PotStatus.Committed
            )
        );
        settle(row);
        vm.assertFalse(hub.isSettled(signer, 0), "not settled");
    }

    function test_commit_locks_the_bond_and_names_the_final_moment() public {
        toSettle(0);
        settle(statement(SESSION_SECRET, anchor, 0, 30e18 + 1));
        commit(30e18 + 1);

        IChannelHubTypes.Pot memory pot = hub.potOf(anchor, 0);
        vm.assertEq(uint256(pot.status), uint256(IChannelHubTypes.PotStatus.Committed), "status");
        vm.assertEq(pot.finalAt, block.timestamp + 72 hours, "final");
        vm.assertEq(pot.bond, 3e18 + 1, "a tenth, rounded up");
        vm.assertEq(registry.nodeOf(anchor).locked, pot.bond, "locked");
    }

    function test_commit_requires_the_pots_sum() public {
        toSettle(0);
        settle(statement(SESSION_SECRET, anchor, 0, 30e18));
        vm.expectRevert(
            abi.encodeWithSelector(IChannelHubTypes.ChannelHub_SumMismatch.selector, 29e18, 30e18)
        );
        commit(29e18);
        vm.expectRevert(
            abi.encodeWithSelector(IChannelHubTypes.ChannelHub_SumMismatch.selector, 31e18, 30e18)
        );
        commit(31e18);
    }

    function test_commit_requires_a_pot_that_is_not_empty() public {
        toSettle(0);
        vm.expectRevert(abi.encodeWithSelector(IChannelHubTypes.ChannelHub_SumMismatch.selector, 0, 0));
        commit(0);
    }

    function test_commit_requires_payouts() public {
        toSettle(0);
        settle(statement(SESSION_SECRET, anchor, 0, 30e18));
        vm.expectRevert(IChannelHubTypes.ChannelHub_NoPayouts.selector);
        vm.prank(anchor);
        hub.commitPeriod(0, bytes32("root"), 30e18, 0);
    }

    function test_commit_happens_once() public {
        toSettle(0);
        settle(statement(SESSION_SECRET, anchor, 0, 30e18));
        commit(30e18);
        vm.expectRevert(
            abi.encodeWithSelector(
                IChannelHubTypes.ChannelHub_PotStatus.selector,
                anchor,
                0,
                IChannelHubTypes.PotStatus.Committed
            )
        );
        commit(30e18);
    }

    function test_commit_happens_before_the_deadline() public {
        toSettle(0);
        settle(statement(SESSION_SECRET, anchor, 0, 30e18));
        toDirect(0);
        vm.expectPartialRevert(IChannelHubTypes.ChannelHub_OutsideWindow.selector);
        commit(30e18);
    }

    function test_commit_requires_a_pot_which_only_a_registered_node_fills() public {
        toSettle(0);
        vm.expectRevert(abi.encodeWithSelector(IChannelHubTypes.ChannelHub_SumMismatch.selector, 1, 0));
        vm.prank(STRANGER);
        hub.commitPeriod(0, bytes32("root"), 1, 1);
    }

    function test_commit_requires_stake_for_the_bond() public {
        // a tenth of 200,000 is more than the anchor's 10,000
        address signer = openChannel(0xC2, anchor, 200_000e18);
        IChannelHubTypes.StatementRow memory row = statement(0xC2, anchor, 0, 200_000e18);
        toSettle(0);
        settle(row);
        vm.assertTrue(hub.isSettled(signer, 0), "settled");
        vm.expectRevert(
            abi.encodeWithSelector(
                INodeRegistry.NodeRegistry_BondNotCovered.selector, anchor, 20_000e18, ANCHOR_STAKE
            )
        );
        commit(200_000e18);
    }

    function test_a_bond_is_released_when_the_root_is_final_once() public {
        toSettle(0);
        settle(statement(SESSION_SECRET, anchor, 0, 30e18));
        commit(30e18);
        uint64 finalAt = hub.potOf(anchor, 0).finalAt;
        vm.expectRevert(
            abi.encodeWithSelector(IChannelHubTypes.ChannelHub_NotFinal.selector, anchor, 0, finalAt)
        );
        hub.releaseBond(anchor, 0);
        vm.warp(finalAt);
        hub.releaseBond(anchor, 0);
        vm.assertEq(registry.nodeOf(anchor).locked, 0, "free");
        vm.expectRevert(abi.encodeWithSelector(IChannelHubTypes.ChannelHub_AmountInvalid.selector, 0, 0));
        hub.releaseBond(anchor, 0);
    }

    function test_a_bond_is_not_released_from_an_open_pot() public {
        vm.expectRevert(
            abi.encodeWithSelector(
                IChannelHubTypes.ChannelHub_PotStatus.selector, anchor, 0, IChannelHubTypes.PotStatus.Open
            )
        );
        hub.releaseBond(anchor, 0);
    }

    function test_what_was_never_committed_is_restored_exactly_once() public {
        toSettle(0);
        IChannelHubTypes.StatementRow memory row = statement(SESSION_SECRET, anchor, 0, 30e18);
        settle(row);
        IChannelHubTypes.AcceptedRow[] memory rows = new IChannelHubTypes.AcceptedRow[](1);
        rows[0] = IChannelHubTypes.AcceptedRow(session, 30e18, row.vouchersRoot);

        vm.expectPartialRevert(IChannelHubTypes.ChannelHub_OutsideWindow.selector);
        hub.restoreChunk(anchor, 0, 0, rows);

        toDirect(0);
        hub.restoreChunk(anchor, 0, 0, rows);
        vm.assertEq(hub.channelOf(session).balance, 100e18, "balance");
        vm.assertEq(hub.potOf(anchor, 0).sum, 0, "pot");
        vm.assertFalse(hub.isSettled(session, 0), "no longer settled");

        vm.expectRevert(
            abi.encodeWithSelector(IChannelHubTypes.ChannelHub_ChunkMismatch.selector, anchor, 0, 0)
        );
        hub.restoreChunk(anchor, 0, 0, rows);
    }

    function test_only_the_accepted_rows_are_restored() public {
        toSettle(0);
        IChannelHubTypes.StatementRow memory row = statement(SESSION_SECRET, anchor, 0, 30e18);
        settle(row);
        IChannelHubTypes.AcceptedRow[] memory rows = new IChannelHubTypes.AcceptedRow[](1);
        rows[0] = IChannelHubTypes.AcceptedRow(session, 31e18, row.vouchersRoot);
        toDirect(0);
        vm.expectRevert(
            abi.encodeWithSelector(IChannelHubTypes.ChannelHub_ChunkMismatch.selector, anchor, 0, 0)
        );
        hub.restoreChunk(anchor, 0, 0, rows);
    }

    function test_a_committed_pot_is_not_restored() public {
        toSettle(0);
        IChannelHubTypes.StatementRow memory row = statement(SESSION_SECRET, anchor, 0, 30e18);
        settle(row);
        commit(30e18);
        IChannelHubTypes.AcceptedRow[] memory rows = new IChannelHubTypes.AcceptedRow[](1);
        rows[0] = IChannelHubTypes.AcceptedRow(session, 30e18, row.vouchersRoot);
        toDirect(0);
        vm.expectRevert(
            abi.encodeWithSelector(
                IChannelHubTypes.ChannelHub_PotStatus.selector,
                anchor,
                0,
                IChannelHubTypes.PotStatus.Committed
            )
        );
        hub.restoreChunk(anchor, 0, 0, rows);
    }

    function settle(IChannelHubTypes.StatementRow memory row) private {
        settleIn(0, row);
    }

    function settleIn(uint32 period, IChannelHubTypes.StatementRow memory row) private {
        vm.prank(anchor);
        hub.settleChunk(period, rowsOf(row));
    }

    function commit(uint128 sum) private {
        vm.prank(anchor);
        hub.commitPeriod(0, bytes32("root"), sum, 1);
    }

    function expectSkip(address signer, IChannelHubTypes.SkipReason reason) private {
        vm.expectEmit();
        emit IChannelHubTypes.RowSkipped(anchor, 0, 0, signer, reason);
    }
}
