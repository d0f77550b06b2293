// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {NetworkGovernor} from "../../contracts/governance/NetworkGovernor.sol";
import {Timelock} from "../../contracts/governance/Timelock.sol";
import {IDisputeManager} from "../../contracts/interfaces/IDisputeManager.sol";
import {IParameters} from "../../contracts/interfaces/IParameters.sol";
import {IServiceToken} from "../../contracts/interfaces/IServiceToken.sol";
import {ISmartLayerMessages} from "../../contracts/interfaces/ISmartLayerMessages.sol";
import {Fixture} from "./support/Fixture.sol";
import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";

/// @dev A network that its founder handed over, and those who vote in it.
contract GovernanceTest is Fixture {
    uint48 private constant DELAY = 1 days;
    uint32 private constant VOTING = 7 days;
    uint256 private constant NOTICE = 2 days;
    uint256 private constant VOTER_SECRET = 0x70;

    Timelock private timelock;
    NetworkGovernor private governor;
    address[] private targets;
    uint256[] private values;
    bytes[] private calls;
    string private text = "Lower the protocol's share";
    bytes32 private hash;

    function setUp() public {
        deploy();
        timelock = new Timelock(OWNER);
        governor = new NetworkGovernor(votes, timelock, DELAY, VOTING, 1e23, 4);
        handOver();
        hash = keccak256(bytes(text));
    }

    function test_after_the_hand_over_the_founder_changes_nothing() public {
        vm.startPrank(OWNER);
        vm.expectRevert();
        parameters.schedule(terms());
        vm.expectRevert();
        service.setMinter(OWNER);
        vm.expectRevert();
        brake.setGuardian(OWNER);
        vm.expectRevert();
        timelock.schedule(address(parameters), 0, "", 0, 0, NOTICE);
        vm.expectRevert();
        timelock.grantRole(bytes32(0), OWNER);
        vm.assertEq(timelock.getMinDelay(), NOTICE, "delay");
    }

    function test_a_vote_changes_the_terms_after_the_notice() public {
        IParameters.Terms memory changed = terms();
        changed.protocolShare = 100;
        addCall(address(parameters), abi.encodeCall(parameters.schedule, (changed)));
        pass(propose(OWNER));
        vm.warp(block.timestamp + NOTICE);
        governor.execute(targets, values, calls, hash);
        uint32 from = parameters.currentPeriod() + 2;
        vm.assertEq(parameters.termsAt(from).protocolShare, 100, "changed");
        vm.assertEq(parameters.termsAt(from - 1).protocolShare, 250, "not before");
    }

    function test_nothing_is_executed_before_the_notice_ends() public {
        addCall(address(brake), abi.encodeCall(brake.setGuardian, (STRANGER)));
        pass(propose(OWNER));
        vm.warp(block.timestamp + NOTICE - 1);
        vm.expectRevert();
        governor.execute(targets, values, calls, hash);
        vm.warp(block.timestamp + 1);
        governor.execute(targets, values, calls, hash);
        vm.assertEq(brake.guardian(), STRANGER, "guardian");
    }

    function test_no_vote_passes_the_hard_bounds() public {
        IParameters.Terms memory changed = terms();
        changed.protocolShare = 501;
        addCall(address(parameters), abi.encodeCall(parameters.schedule, (changed)));
        pass(propose(OWNER));
        vm.warp(block.timestamp + NOTICE);
        vm.expectPartialRevert(IParameters.Parameters_OutOfBounds.selector);
        governor.execute(targets, values, calls, hash);
    }

    function test_a_vote_mints_within_the_yearly_rate_and_no_more() public {
        uint256 rate = service.mintable();
        addCall(address(service), abi.encodeCall(service.mint, (TREASURY, rate)));
        addCall(address(service), abi.encodeCall(service.mint, (TREASURY, 1)));
        pass(propose(OWNER));
        vm.warp(block.timestamp + NOTICE);
        vm.expectPartialRevert(IServiceToken.ServiceToken_RateExceeded.selector);
        governor.execute(targets, values, calls, hash);

        delete targets;
        delete values;
        delete calls;
        addCall(address(service), abi.encodeCall(service.mint, (TREASURY, rate)));
        pass(propose(OWNER));
        vm.warp(block.timestamp + NOTICE);
        governor.execute(targets, values, calls, hash);
        vm.assertEq(service.balanceOf(TREASURY), rate, "minted");
    }

    function test_a_vote_without_quorum_fails() public {
        addCall(address(brake), abi.encodeCall(brake.setGuardian, (STRANGER)));
        uint256 id = propose(OWNER);
        vm.warp(block.timestamp + DELAY + 1);
        vm.prank(PAYER); // a hundredth of all votes
        governor.castVote(id, 1);
        vm.warp(block.timestamp + VOTING);
        vm.assertEq(uint256(governor.state(id)), uint256(IGovernor.ProposalState.Defeated), "defeated");
    }

    function test_proposing_needs_the_threshold() public {
        addCall(address(brake), abi.encodeCall(brake.setGuardian, (STRANGER)));
        vm.expectPartialRevert(IGovernor.GovernorInsufficientProposerVotes.selector);
        propose(STRANGER);
    }

    function test_a_signed_vote_counts_and_costs_its_voter_nothing() public {
        address voter = vm.addr(VOTER_SECRET);
        vm.prank(OWNER);
        stake.transfer(voter, 1e25);
        vm.warp(block.timestamp + 1);
        addCall(address(brake), abi.encodeCall(brake.setGuardian, (STRANGER)));
        uint256 id = propose(OWNER);
        vm.warp(block.timestamp + DELAY + 1);
        governor.castVoteBySig(id, 1, voter, signedVote(id, voter));
        (, uint256 inFavour,) = governor.proposalVotes(id);
        vm.assertEq(inFavour, 1e25, "counted");
    }

    function test_staked_tokens_vote_with_the_nodes_operator() public {
        uint256 before = votes.getVotes(OPERATOR);
        registerNode(NODE_SECRET, 1, SERVICE_STAKE);
        vm.assertEq(votes.getVotes(OPERATOR), before, "staking takes no vote");
        delegateFrom(PAYER, SERVICE_STAKE);
        vm.assertEq(votes.getVotes(OPERATOR), before + SERVICE_STAKE, "delegated stake votes too");
        vm.prank(OPERATOR);
        registry.leave(node);
        vm.assertEq(votes.getVotes(OPERATOR), before, "thawing stake does not");
        vm.assertEq(votes.stakedBy(OPERATOR), SERVICE_STAKE, "what is delegated");
    }

    function test_votes_count_as_they_were_when_voting_began() public {
        addCall(address(brake), abi.encodeCall(brake.setGuardian, (STRANGER)));
        uint256 id = propose(OWNER);
        vm.warp(block.timestamp + DELAY + 1);
        vm.prank(OWNER);
        stake.transfer(STRANGER, 1e25);
        vm.prank(STRANGER);
        governor.castVote(id, 1);
        (, uint256 inFavour,) = governor.proposalVotes(id);
        vm.assertEq(inFavour, 0, "bought too late");
    }

    function test_votes_can_be_delegated_and_taken_back() public {
        registerNode(NODE_SECRET, 1, SERVICE_STAKE);
        vm.prank(OPERATOR);
        votes.delegate(STRANGER);
        vm.assertEq(votes.getVotes(STRANGER), SERVICE_STAKE, "staked votes");
        vm.prank(OPERATOR);
        votes.delegate(address(0));
        vm.assertEq(votes.getVotes(STRANGER), 0, "taken back");
        vm.assertEq(votes.delegates(OPERATOR), OPERATOR, "itself");
        vm.prank(OPERATOR);
        stake.delegate(STRANGER);
        vm.assertEq(votes.getVotes(STRANGER), stake.balanceOf(OPERATOR), "held votes");
    }

    function test_a_vote_vetoes_a_case_before_it_can_be_executed() public {
        vm.prank(address(timelock));
        registry.setDisputes(address(disputes));
        populate();
        ISmartLayerMessages.ServiceFinding memory finding =
            ISmartLayerMessages.ServiceFinding(node, 0, 0, bytes32("bundle"));
        bytes32 digest = lens.hashServiceFinding(address(hub), finding);
        (uint256 low, uint256 high) =
            anchor < otherAnchor ? (ANCHOR_SECRET, OTHER_ANCHOR_SECRET) : (OTHER_ANCHOR_SECRET, ANCHOR_SECRET);
        (bytes32[] memory r, bytes32[] memory vs) = (new bytes32[](2), new bytes32[](2));
        (r[0], vs[0]) = vm.signCompact(low, digest);
        (r[1], vs[1]) = vm.signCompact(high, digest);
        bytes32 caseId = disputes.openCase(finding, "ipfs://bundle", r, vs);
        addCall(address(disputes), abi.encodeCall(disputes.vetoCase, (caseId)));
        pass(propose(OWNER));
        vm.warp(block.timestamp + NOTICE);
        vm.assertLe(block.timestamp + 1, disputes.caseOf(caseId).executableAt, "a vote is quicker");
        governor.execute(targets, values, calls, hash);
        vm.warp(disputes.caseOf(caseId).executableAt);
        vm.expectPartialRevert(IDisputeManager.DisputeManager_CaseStatus.selector);
        disputes.executeCase(caseId);
    }

    function test_a_proposer_takes_its_proposal_back_before_voting_begins() public {
        addCall(address(brake), abi.encodeCall(brake.setGuardian, (STRANGER)));
        uint256 id = propose(OWNER);
        vm.assertTrue(governor.proposalNeedsQueuing(id), "all go through the timelock");
        vm.prank(OWNER);
        governor.cancel(targets, values, calls, hash);
        vm.assertEq(uint256(governor.state(id)), uint256(IGovernor.ProposalState.Canceled), "taken back");
    }

    function test_the_threshold_is_what_the_founding_said() public view {
        vm.assertEq(governor.proposalThreshold(), 1e23, "votes");
    }

    function test_votes_are_counted_by_time() public view {
        vm.assertEq(keccak256(bytes(votes.CLOCK_MODE())), keccak256("mode=timestamp"), "staked");
        vm.assertEq(keccak256(bytes(stake.CLOCK_MODE())), keccak256("mode=timestamp"), "held");
        vm.assertEq(uint256(votes.clock()), block.timestamp, "now");
    }

    function test_only_the_registry_moves_votes_and_is_named_once() public {
        vm.expectRevert();
        vm.prank(STRANGER);
        votes.move(address(0), STRANGER, 1);
        vm.expectRevert();
        vm.prank(OWNER);
        votes.setRegistry(STRANGER);
    }

    function handOver() private {
        vm.startPrank(OWNER);
        service.setMinter(address(timelock));
        address[6] memory owned = [
            address(parameters),
            address(brake),
            address(rewards),
            address(registry),
            address(service),
            address(disputes)
        ];
        for (uint256 i; i < owned.length; ++i) {
            (bool done,) =
                owned[i].call(abi.encodeWithSignature("transferOwnership(address)", address(timelock)));
            vm.assertTrue(done, "offered");
            addCall(owned[i], abi.encodeWithSignature("acceptOwnership()"));
        }
        addCall(address(timelock), abi.encodeCall(timelock.updateDelay, (NOTICE)));
        timelock.scheduleBatch(targets, values, calls, 0, 0, 0);
        timelock.executeBatch(targets, values, calls, 0, 0);
        timelock.grantRole(timelock.PROPOSER_ROLE(), address(governor));
        timelock.grantRole(timelock.CANCELLER_ROLE(), address(governor));
        timelock.grantRole(timelock.EXECUTOR_ROLE(), address(0));
        timelock.renounceRole(timelock.PROPOSER_ROLE(), OWNER);
        timelock.renounceRole(timelock.CANCELLER_ROLE(), OWNER);
        timelock.renounceRole(timelock.EXECUTOR_ROLE(), OWNER);
        timelock.renounceRole(timelock.DEFAULT_ADMIN_ROLE(), OWNER);
        vm.stopPrank();
        delete targets;
        delete values;
        delete calls;
        vm.warp(block.timestamp + 1);
    }

    function addCall(address target, bytes memory data) private {
        targets.push(target);
        values.push(0);
        calls.push(data);
    }

    function propose(address proposer) private returns (uint256) {
        vm.prank(proposer);
        return governor.propose(targets, values, calls, text);
    }

    function pass(uint256 id) private {
        vm.warp(block.timestamp + DELAY + 1);
        vm.prank(OWNER);
        governor.castVote(id, 1);
        vm.warp(block.timestamp + VOTING);
        governor.queue(targets, values, calls, hash);
    }

    function delegateFrom(address account, uint128 amount) private {
        vm.startPrank(account);
        stake.approve(address(registry), amount);
        registry.delegate(node, amount);
        vm.stopPrank();
    }

    function signedVote(uint256 id, address voter) private view returns (bytes memory) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256("Smart Layer Governor"),
                keccak256("1"),
                block.chainid,
                address(governor)
            )
        );
        bytes32 ballot =
            keccak256(abi.encode(governor.BALLOT_TYPEHASH(), id, uint8(1), voter, governor.nonces(voter)));
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(VOTER_SECRET, keccak256(abi.encodePacked(hex"1901", domain, ballot)));
        return abi.encodePacked(r, s, v);
    }
}
