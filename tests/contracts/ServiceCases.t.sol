// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {IDisputeManager} from "../../contracts/interfaces/IDisputeManager.sol";
import {ISmartLayerMessages} from "../../contracts/interfaces/ISmartLayerMessages.sol";
import {DisputeFixture} from "./support/DisputeFixture.sol";

/// @dev Cases about service levels: three anchors, all of which must sign but the accused.
contract ServiceCasesTest is DisputeFixture {
    uint256 private constant THIRD_ANCHOR_SECRET = 0xA3;
    uint256 private constant FOURTH_ANCHOR_SECRET = 0xA4;
    address private constant NOBODY = address(0xdEaD);
    string private constant URI = "ipfs://evidence";

    uint256[] private signers;

    function setUp() public {
        stage();
        registerNode(THIRD_ANCHOR_SECRET, 2, ANCHOR_STAKE);
        registerNode(FOURTH_ANCHOR_SECRET, 2, ANCHOR_STAKE);
        signers = [ANCHOR_SECRET, OTHER_ANCHOR_SECRET, THIRD_ANCHOR_SECRET];
    }

    function test_a_case_that_nobody_vetoes_costs_a_hundredth_and_all_of_it_is_burnt() public {
        ISmartLayerMessages.ServiceFinding memory found = finding();
        bytes32 caseId = disputes.caseIdOf(node, 0, IDisputeManager.ServiceFault.WrongAnswers);
        uint64 executableAt = uint64(block.timestamp) + 14 days;
        vm.expectEmit();
        emit IDisputeManager.CaseOpened(
            caseId, node, 0, IDisputeManager.ServiceFault.WrongAnswers, found.evidence, URI, executableAt
        );
        this.open(found);
        vm.warp(executableAt);
        vm.expectEmit();
        emit IDisputeManager.Punished(
            node,
            IDisputeManager.Offence.ServiceLevel,
            caseId,
            address(0),
            address(0),
            SERVICE_STAKE / 100,
            0,
            0
        );
        vm.prank(STRANGER);
        disputes.executeCase(caseId);
        vm.assertEq(registry.slashable(node), SERVICE_STAKE - SERVICE_STAKE / 100, "slashed");
        vm.assertEq(stake.balanceOf(NOBODY), SERVICE_STAKE / 100, "burnt");
        vm.assertEq(stake.balanceOf(STRANGER), 0, "nobody gains");
        vm.assertTrue(disputes.isPunished(caseId), "once");
        vm.expectRevert(inStatus(caseId, IDisputeManager.CaseStatus.Executed));
        disputes.executeCase(caseId);
    }

    function test_a_case_waits() public {
        bytes32 caseId = this.open(finding());
        uint64 executableAt = disputes.caseOf(caseId).executableAt;
        vm.warp(executableAt - 1);
        vm.expectRevert(
            abi.encodeWithSelector(IDisputeManager.DisputeManager_TooEarly.selector, caseId, executableAt)
        );
        disputes.executeCase(caseId);
    }

    function test_governance_vetoes_a_case_for_good() public {
        bytes32 caseId = this.open(finding());
        vm.expectRevert();
        disputes.vetoCase(caseId);
        vm.expectEmit();
        emit IDisputeManager.CaseVetoed(caseId, node);
        vm.prank(OWNER);
        disputes.vetoCase(caseId);
        vm.warp(block.timestamp + 15 days);
        bytes memory vetoed = inStatus(caseId, IDisputeManager.CaseStatus.Vetoed);
        vm.expectRevert(vetoed);
        disputes.executeCase(caseId);
        vm.expectRevert(vetoed);
        vm.prank(OWNER);
        disputes.vetoCase(caseId);
        vm.expectRevert(vetoed);
        this.open(finding());
    }

    function test_a_case_that_was_never_opened_is_neither_vetoed_nor_executed() public {
        bytes memory none = inStatus(bytes32("none"), IDisputeManager.CaseStatus.None);
        vm.expectRevert(none);
        disputes.executeCase("none");
        vm.expectRevert(none);
        vm.prank(OWNER);
        disputes.vetoCase("none");
    }

    function test_stake_that_thaws_from_the_opening_on_does_not_escape() public {
        bytes32 caseId = this.open(finding());
        vm.prank(OPERATOR);
        registry.leave(node);
        vm.warp(disputes.caseOf(caseId).executableAt);
        vm.expectPartialRevert(bytes4(keccak256("NodeRegistry_StillThawing(uint64)")));
        vm.prank(OPERATOR);
        registry.withdrawThawed(node);
        disputes.executeCase(caseId);
        vm.assertEq(registry.slashable(node), SERVICE_STAKE - SERVICE_STAKE / 100, "slashed");
    }

    function test_more_than_two_thirds_of_the_anchors_must_find_it() public {
        signers = [ANCHOR_SECRET, OTHER_ANCHOR_SECRET];
        vm.expectRevert(abi.encodeWithSelector(IDisputeManager.DisputeManager_TooFewAnchors.selector, 2, 3));
        this.open(finding());
    }

    function test_a_signature_without_its_second_half_does_not_count() public {
        ISmartLayerMessages.ServiceFinding memory found = finding();
        (bytes32[] memory r, bytes32[] memory vs) = signatures(found);
        bytes32[] memory shorter = new bytes32[](1);
        vm.expectRevert(abi.encodeWithSelector(IDisputeManager.DisputeManager_TooFewAnchors.selector, 1, 3));
        disputes.openCase(found, URI, r, shorter);
        vm.expectRevert(abi.encodeWithSelector(IDisputeManager.DisputeManager_TooFewAnchors.selector, 1, 3));
        disputes.openCase(found, URI, shorter, vs);
    }

    function test_only_active_anchors_of_the_period_count() public {
        signers = [ANCHOR_SECRET, OTHER_ANCHOR_SECRET, NODE_SECRET + 1];
        vm.expectPartialRevert(IDisputeManager.DisputeManager_AnchorInvalid.selector);
        this.open(finding());
    }

    function test_an_anchor_counts_once() public {
        ISmartLayerMessages.ServiceFinding memory found = finding();
        (bytes32[] memory r, bytes32[] memory vs) = signatures(found);
        (r[1], vs[1]) = (r[0], vs[0]);
        vm.expectPartialRevert(IDisputeManager.DisputeManager_AnchorInvalid.selector);
        disputes.openCase(found, URI, r, vs);
    }

    function test_anchors_sign_one_and_the_same_finding() public {
        ISmartLayerMessages.ServiceFinding memory found = finding();
        (bytes32[] memory r, bytes32[] memory vs) = signatures(found);
        found.evidence = bytes32("another bundle");
        vm.expectPartialRevert(IDisputeManager.DisputeManager_AnchorInvalid.selector);
        disputes.openCase(found, URI, r, vs);
    }

    function test_the_accused_does_not_judge_itself() public {
        ISmartLayerMessages.ServiceFinding memory found = finding();
        found.node = anchor;
        (bytes32[] memory r, bytes32[] memory vs) = signatures(found);
        vm.expectPartialRevert(IDisputeManager.DisputeManager_AnchorInvalid.selector);
        disputes.openCase(found, URI, r, vs);
        signers = [FOURTH_ANCHOR_SECRET, OTHER_ANCHOR_SECRET, THIRD_ANCHOR_SECRET];
        this.open(found);
    }

    function test_a_finding_is_about_the_running_period_or_the_one_before() public {
        ISmartLayerMessages.ServiceFinding memory found = finding();
        found.period = 1;
        vm.expectRevert(outOfReach(1, 0));
        this.open(found);
        toPeriod(1);
        found.period = 0;
        this.open(found);
        toPeriod(2);
        found.fault = 0;
        vm.expectRevert(outOfReach(0, 2));
        this.open(found);
    }

    function test_a_finding_names_a_known_fault_and_evidence_that_can_be_found() public {
        ISmartLayerMessages.ServiceFinding memory found = finding();
        bytes32[] memory none;
        found.fault = 4;
        expectInvalid(found, URI);
        found = finding();
        found.evidence = 0;
        expectInvalid(found, URI);
        expectInvalid(finding(), "");
        expectInvalid(finding(), string(new bytes(513)));
        found = finding();
        vm.expectPartialRevert(IDisputeManager.DisputeManager_TooFewAnchors.selector);
        disputes.openCase(found, string(new bytes(512)), none, none);
    }

    function test_a_stranger_is_not_accused() public {
        ISmartLayerMessages.ServiceFinding memory found = finding();
        found.node = STRANGER;
        vm.expectRevert(abi.encodeWithSelector(IDisputeManager.DisputeManager_UnknownNode.selector, STRANGER));
        this.open(found);
    }

    function test_who_registered_after_the_period_neither_judges_it_nor_is_judged() public {
        toPeriod(1);
        ISmartLayerMessages.ServiceFinding memory found = finding();
        found.node = registerNode(0xB8, 1, SERVICE_STAKE);
        vm.expectRevert(
            abi.encodeWithSelector(IDisputeManager.DisputeManager_UnknownNode.selector, found.node)
        );
        this.open(found);
        registerNode(0xA5, 2, ANCHOR_STAKE);
        signers = [ANCHOR_SECRET, OTHER_ANCHOR_SECRET, 0xA5];
        vm.expectPartialRevert(IDisputeManager.DisputeManager_AnchorInvalid.selector);
        this.open(finding());
    }

    function test_a_fault_of_a_period_is_one_case_also_after_a_change_of_key() public {
        bytes32 caseId = this.open(finding());
        ISmartLayerMessages.ServiceFinding memory found = finding();
        found.evidence = bytes32("more");
        vm.expectRevert(inStatus(caseId, IDisputeManager.CaseStatus.Open));
        this.open(found);
        uint256 newSecret = 0xB7;
        bytes memory proof = keyProof(newSecret, OPERATOR);
        vm.prank(OPERATOR);
        registry.rotateKey(node, vm.addr(newSecret), proof);
        found.node = vm.addr(newSecret);
        vm.expectRevert(inStatus(caseId, IDisputeManager.CaseStatus.Open));
        this.open(found);
        found.node = node;
        found.fault = uint8(IDisputeManager.ServiceFault.Slow);
        this.open(found);
    }

    function test_a_case_costs_what_it_did_when_it_was_opened() public {
        bytes32 caseId = this.open(finding());
        IDisputeManager.Penalties memory changed = disputes.penalties();
        changed.serviceLevel = 1_000;
        vm.prank(OWNER);
        disputes.schedulePenalties(changed);
        toPeriod(2);
        disputes.executeCase(caseId);
        vm.assertEq(registry.slashable(node), SERVICE_STAKE - SERVICE_STAKE / 100, "as it was");
    }

    /// @dev Whatever two of four anchors, payers and nodes sign, nobody is accused.
    function testFuzz_fewer_than_the_quorum_accuse_nobody(uint256 seed, bytes32 evidence, uint8 fault)
        public
    {
        uint256 honest = seed % 4;
        uint256[4] memory anchors =
            [ANCHOR_SECRET, OTHER_ANCHOR_SECRET, THIRD_ANCHOR_SECRET, FOURTH_ANCHOR_SECRET];
        signers = [
            anchors[(honest + 1) % 4],
            anchors[(honest + 2) % 4],
            seed % 3 == 0 ? NODE_SECRET : seed % 3 == 1 ? SESSION_SECRET : anchors[(honest + 1) % 4]
        ];
        ISmartLayerMessages.ServiceFinding memory found =
            ISmartLayerMessages.ServiceFinding(vm.addr(anchors[honest]), 0, fault % 4, evidence);
        vm.expectRevert();
        this.open(found);
    }

    function finding() private view returns (ISmartLayerMessages.ServiceFinding memory) {
        return ISmartLayerMessages.ServiceFinding(
            node, 0, uint8(IDisputeManager.ServiceFault.WrongAnswers), bytes32("bundle")
        );
    }

    /// @dev A call of its own, so that a revert is expected of all of it.
    function open(ISmartLayerMessages.ServiceFinding memory found) public returns (bytes32) {
        (bytes32[] memory r, bytes32[] memory vs) = signatures(found);
        return disputes.openCase(found, URI, r, vs);
    }

    /// @dev By all signers, in ascending order of their keys.
    function signatures(ISmartLayerMessages.ServiceFinding memory found)
        private
        view
        returns (bytes32[] memory r, bytes32[] memory vs)
    {
        uint256[] memory secrets = signers;
        for (uint256 i = 1; i < secrets.length; ++i) {
            for (uint256 j = i; j > 0 && vm.addr(secrets[j]) < vm.addr(secrets[j - 1]); --j) {
                (secrets[j], secrets[j - 1]) = (secrets[j - 1], secrets[j]);
            }
        }
        bytes32 digest = lens.hashServiceFinding(address(hub), found);
        (r, vs) = (new bytes32[](secrets.length), new bytes32[](secrets.length));
        for (uint256 i; i < secrets.length; ++i) {
            (r[i], vs[i]) = vm.signCompact(secrets[i], digest);
        }
    }

    function expectInvalid(ISmartLayerMessages.ServiceFinding memory found, string memory uri) private {
        bytes32[] memory none;
        vm.expectRevert(
            abi.encodeWithSelector(
                IDisputeManager.DisputeManager_FindingInvalid.selector,
                found.fault,
                found.evidence,
                bytes(uri).length
            )
        );
        disputes.openCase(found, uri, none, none);
    }

    function inStatus(bytes32 caseId, IDisputeManager.CaseStatus status) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IDisputeManager.DisputeManager_CaseStatus.selector, caseId, status);
    }

    function outOfReach(uint32 period, uint32 current) private pure returns (bytes memory) {
        return
            abi.encodeWithSelector(IDisputeManager.DisputeManager_PeriodOutOfReach.selector, period, current);
    }
}
