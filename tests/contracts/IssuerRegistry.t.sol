// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {SmartTicket} from "../../contracts/examples/SmartTicket.sol";
import {IIssuerRegistry} from "../../contracts/interfaces/IIssuerRegistry.sol";
import {IParameters} from "../../contracts/interfaces/IParameters.sol";
import {Fixture} from "./support/Fixture.sol";

contract IssuerRegistryTest is Fixture {
    bytes32 private constant HASH = bytes32("script");

    function setUp() public {
        deploy();
        ticket = new SmartTicket(AIRLINE);
        ticketClass = keccak256(abi.encode(block.chainid, address(ticket)));
    }

    function test_the_owner_of_a_token_contract_registers_its_class() public {
        vm.expectEmit();
        emit IIssuerRegistry.ClassRegistered(ticketClass, address(ticket), AIRLINE, ISSUER_PAYOUT, 1_000, 0);
        vm.expectEmit();
        emit IIssuerRegistry.ScriptPublished(ticketClass, "ipfs://a", HASH);
        register(1_000, "ipfs://a", HASH);

        IIssuerRegistry.TokenClass memory found = issuers.classOf(ticketClass);
        vm.assertEq(found.tokenContract, address(ticket), "contract");
        vm.assertEq(found.scriptHash, HASH, "script");
        vm.assertTrue(issuers.isRegistered(ticketClass), "registered");
        vm.assertEq(issuers.classIdOf(address(ticket)), ticketClass, "id");
    }

    function test_a_class_is_registered_once() public {
        register(1_000, "ipfs://a", HASH);
        vm.expectRevert(
            abi.encodeWithSelector(IIssuerRegistry.IssuerRegistry_ClassTaken.selector, ticketClass)
        );
        register(1_000, "ipfs://a", HASH);
    }

    function test_only_the_owner_registers() public {
        expectNotOwner(address(ticket), STRANGER);
        vm.prank(STRANGER);
        issuers.registerClass(address(ticket), ISSUER_PAYOUT, 0, "ipfs://a", HASH);
    }

    function test_a_contract_without_an_owner_has_nobody_who_registers_it() public {
        expectNotOwner(address(stake), STRANGER);
        vm.prank(STRANGER);
        issuers.registerClass(address(stake), ISSUER_PAYOUT, 0, "ipfs://a", HASH);
        expectNotOwner(STRANGER, STRANGER);
        vm.prank(STRANGER);
        issuers.registerClass(STRANGER, ISSUER_PAYOUT, 0, "ipfs://a", HASH);
    }

    function test_an_issuer_needs_a_payout_account() public {
        vm.expectRevert(IIssuerRegistry.IssuerRegistry_ZeroPayout.selector);
        vm.prank(AIRLINE);
        issuers.registerClass(address(ticket), address(0), 0, "ipfs://a", HASH);
    }

    function test_a_share_has_a_maximum() public {
        vm.expectRevert(
            abi.encodeWithSelector(IIssuerRegistry.IssuerRegistry_ShareTooHigh.selector, 3_001, 3_000)
        );
        register(3_001, "ipfs://a", HASH);
    }

    function test_a_script_needs_an_address_and_a_hash() public {
        expectScriptInvalid(0, HASH);
        register(0, "", HASH);
        expectScriptInvalid(513, HASH);
        register(0, string(new bytes(513)), HASH);
        expectScriptInvalid(8, 0);
        register(0, "ipfs://a", 0);
    }

    function test_the_owner_publishes_a_new_script() public {
        register(0, "ipfs://a", HASH);
        vm.expectEmit();
        emit IIssuerRegistry.ScriptPublished(ticketClass, "ipfs://b", bytes32("b"));
        vm.prank(AIRLINE);
        issuers.publishScript(ticketClass, "ipfs://b", bytes32("b"));
        vm.assertEq(issuers.classOf(ticketClass).scriptHash, bytes32("b"), "script");

        expectScriptInvalid(8, 0);
        vm.prank(AIRLINE);
        issuers.publishScript(ticketClass, "ipfs://b", 0);
    }

    function test_rights_follow_the_token_contract() public {
        register(0, "ipfs://a", HASH);
        vm.prank(AIRLINE);
        ticket.transferOwnership(STRANGER);
        expectNotOwner(address(ticket), AIRLINE);
        vm.prank(AIRLINE);
        issuers.publishScript(ticketClass, "ipfs://b", HASH);
        vm.prank(STRANGER);
        issuers.publishScript(ticketClass, "ipfs://b", HASH);
    }

    function test_a_new_share_holds_two_periods_later() public {
        register(1_000, "ipfs://a", HASH);
        vm.expectEmit();
        emit IIssuerRegistry.ShareScheduled(ticketClass, 500, 2);
        vm.prank(AIRLINE);
        issuers.scheduleShare(ticketClass, 500);
        assertShare(0, 1_000);
        assertShare(1, 1_000);
        assertShare(2, 500);
        vm.prank(AIRLINE);
        issuers.scheduleShare(ticketClass, 600);
        assertShare(2, 600);
    }

    function test_only_the_owner_of_a_known_class_schedules_a_share() public {
        vm.expectRevert(
            abi.encodeWithSelector(IIssuerRegistry.IssuerRegistry_UnknownClass.selector, ticketClass)
        );
        issuers.scheduleShare(ticketClass, 500);
        register(1_000, "ipfs://a", HASH);
        expectNotOwner(address(ticket), STRANGER);
        vm.prank(STRANGER);
        issuers.scheduleShare(ticketClass, 500);
        vm.expectPartialRevert(IIssuerRegistry.IssuerRegistry_ShareTooHigh.selector);
        vm.prank(AIRLINE);
        issuers.scheduleShare(ticketClass, 3_001);
    }

    function test_a_lower_maximum_cuts_shares() public {
        register(3_000, "ipfs://a", HASH);
        IParameters.Terms memory changed = terms();
        changed.maximumIssuerShare = 2_000;
        vm.prank(OWNER);
        parameters.schedule(changed);
        assertShare(1, 3_000);
        assertShare(2, 2_000);
    }

    function test_an_issuer_earns_nothing_before_it_registered() public {
        toPeriod(3);
        register(1_000, "ipfs://a", HASH);
        (address payout, uint16 share) = issuers.revenueAt(ticketClass, 2);
        vm.assertEq(payout, address(0), "nobody");
        vm.assertEq(share, 0, "nothing");
        assertShare(3, 1_000);
    }

    function test_an_unknown_class_is_not_shown() public {
        vm.expectPartialRevert(IIssuerRegistry.IssuerRegistry_UnknownClass.selector);
        issuers.classOf(ticketClass);
    }

    function test_the_example_ticket_knows_flight_hotel_and_script() public {
        string[] memory uris = new string[](1);
        uris[0] = "ipfs://a";
        vm.startPrank(AIRLINE);
        uint256 id = ticket.mint(PAYER, "SL204", "HB-17");
        ticket.setScriptURI(uris);
        vm.stopPrank();
        vm.assertEq(ticket.ownerOf(id), PAYER, "holder");
        vm.assertEq(keccak256(bytes(ticket.flightOf(id))), keccak256("SL204"), "flight");
        vm.assertEq(keccak256(bytes(ticket.hotelBookingOf(id))), keccak256("HB-17"), "hotel");
        vm.assertEq(keccak256(bytes(ticket.scriptURI()[0])), keccak256("ipfs://a"), "script");
        bytes4 erc5169 = ticket.scriptURI.selector ^ ticket.setScriptURI.selector;
        vm.assertTrue(ticket.supportsInterface(erc5169), "ERC-5169");
        vm.expectRevert();
        vm.prank(STRANGER);
        ticket.mint(STRANGER, "", "");
    }

    function register(uint16 share, string memory uri, bytes32 hash) private {
        vm.prank(AIRLINE);
        issuers.registerClass(address(ticket), ISSUER_PAYOUT, share, uri, hash);
    }

    function assertShare(uint32 period, uint16 expected) private view {
        (address payout, uint16 share) = issuers.revenueAt(ticketClass, period);
        vm.assertEq(payout, ISSUER_PAYOUT, "payout");
        vm.assertEq(share, expected, "share");
    }

    function expectNotOwner(address tokenContract, address caller) private {
        vm.expectRevert(
            abi.encodeWithSelector(
                IIssuerRegistry.IssuerRegistry_NotTokenOwner.selector, tokenContract, caller
            )
        );
    }

    function expectScriptInvalid(uint256 length, bytes32 hash) private {
        vm.expectRevert(
            abi.encodeWithSelector(IIssuerRegistry.IssuerRegistry_ScriptInvalid.selector, length, hash)
        );
    }
}
