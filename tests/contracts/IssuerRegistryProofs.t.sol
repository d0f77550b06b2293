// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {SmartTicket} from "../../contracts/examples/SmartTicket.sol";
import {IIssuerRegistry} from "../../contracts/interfaces/IIssuerRegistry.sol";
import {ISmartLayerMessages} from "../../contracts/interfaces/ISmartLayerMessages.sol";
import {IssuerRegistry} from "../../contracts/registry/IssuerRegistry.sol";
import {Fixture} from "./support/Fixture.sol";
import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";

/// @dev A token contract that has administrators instead of an owner.
contract Administered is AccessControl {
    constructor(address administrator) {
        _grantRole(DEFAULT_ADMIN_ROLE, administrator);
    }
}

/// @dev A token contract that names nobody; its scripts are not in the ERC's form.
contract Nameless {
    function scriptURI() external pure returns (uint256) {
        return 7;
    }
}

/// @dev A token contract whose owner gave it up.
contract Renounced {
    address public constant owner = address(0);
}

contract IssuerRegistryProofsTest is Fixture {
    uint256 private constant DEPLOYER_SECRET = 0xDE;
    bytes32 private constant HASH = bytes32("script");

    address private deployer = vm.addr(DEPLOYER_SECRET);

    function setUp() public {
        deploy();
        populate();
    }

    function test_an_administrator_registers_and_acts() public {
        address token = address(new Administered(AIRLINE));
        expectNotOwner(token, STRANGER);
        vm.prank(STRANGER);
        issuers.registerClass(token, ISSUER_PAYOUT, 0, "ipfs://a", HASH);
        vm.startPrank(AIRLINE);
        bytes32 class = issuers.registerClass(token, ISSUER_PAYOUT, 0, "ipfs://a", HASH);
        issuers.scheduleShare(class, 100);
    }

    function test_the_deployer_of_a_contract_that_names_nobody_speaks_for_it() public {
        for (uint64 nonce; nonce < 3; ++nonce) {
            vm.prank(deployer);
            byDeployer(address(new Nameless()), nonce);
        }
        skipTo(0x80);
        vm.prank(deployer);
        byDeployer(address(new Nameless()), 0x80);
        skipTo(0x1234);
        vm.prank(deployer);
        byDeployer(address(new Renounced()), 0x1234);
    }

    function test_only_the_deployer_with_the_right_number_proves_anything() public {
        vm.prank(deployer);
        address token = address(new Nameless());
        bytes memory proof = consent(DEPLOYER_SECRET, token);
        expectNotDeployer(token, deployer, 1);
        attempt(token, 1, proof);
        bytes memory other = consent(NODE_SECRET, token);
        expectNotDeployer(token, node, 0);
        attempt(token, 0, other);
        expectNotDeployer(token, address(0), 0);
        attempt(token, 0, hex"1234");
        vm.expectPartialRevert(IIssuerRegistry.IssuerRegistry_NotDeployer.selector);
        vm.prank(STRANGER);
        issuers.registerClassByDeployer(token, ISSUER_PAYOUT, 0, "ipfs://a", HASH, 0, proof);
    }

    function test_the_deployer_has_no_say_where_the_contract_names_an_owner() public {
        vm.prank(deployer);
        address owned = address(new SmartTicket(PAYER));
        bytes memory proof = consent(DEPLOYER_SECRET, owned);
        vm.expectRevert(abi.encodeWithSelector(IIssuerRegistry.IssuerRegistry_OwnerKnown.selector, owned));
        attempt(owned, 0, proof);
        vm.prank(deployer);
        address ruled = address(new Administered(PAYER));
        proof = consent(DEPLOYER_SECRET, ruled);
        vm.expectRevert(abi.encodeWithSelector(IIssuerRegistry.IssuerRegistry_OwnerKnown.selector, ruled));
        attempt(ruled, 1, proof);
    }

    function test_a_class_is_registered_once_by_whatever_proof() public {
        vm.prank(deployer);
        address token = address(new Nameless());
        bytes memory proof = byDeployer(token, 0);
        vm.expectPartialRevert(IIssuerRegistry.IssuerRegistry_ClassTaken.selector);
        attempt(token, 0, proof);
    }

    function test_a_class_changes_hands_in_two_steps() public {
        vm.expectPartialRevert(IIssuerRegistry.IssuerRegistry_NotTokenOwner.selector);
        vm.prank(STRANGER);
        issuers.offerClass(ticketClass, STRANGER);
        expectNotOffered();
        vm.prank(AIRLINE);
        issuers.offerClass(ticketClass, STRANGER);
        vm.expectEmit();
        emit IIssuerRegistry.ClassTransferred(ticketClass, address(0), STRANGER);
        vm.prank(STRANGER);
        issuers.acceptClass(ticketClass);
        vm.assertEq(issuers.classOf(ticketClass).controller, STRANGER, "controller");
        vm.prank(STRANGER);
        issuers.publishScript(ticketClass, "ipfs://b", HASH);
        vm.prank(AIRLINE);
        issuers.publishScript(ticketClass, "ipfs://c", HASH);
        expectNotOffered();
    }

    function test_revenue_goes_elsewhere_from_the_next_period_on() public {
        vm.expectEmit();
        emit IIssuerRegistry.IssuerPayoutChanged(ticketClass, TREASURY, 1);
        vm.prank(AIRLINE);
        issuers.setIssuerPayout(ticketClass, TREASURY);
        (address payout,) = issuers.revenueAt(ticketClass, 0);
        vm.assertEq(payout, ISSUER_PAYOUT, "this period");
        (payout,) = issuers.revenueAt(ticketClass, 1);
        vm.assertEq(payout, TREASURY, "the next");
        toPeriod(1);
        vm.assertEq(issuers.classOf(ticketClass).payout, TREASURY, "now");
        vm.expectRevert(IIssuerRegistry.IssuerRegistry_ZeroPayout.selector);
        vm.prank(AIRLINE);
        issuers.setIssuerPayout(ticketClass, address(0));
        vm.expectPartialRevert(IIssuerRegistry.IssuerRegistry_NotTokenOwner.selector);
        vm.prank(STRANGER);
        issuers.setIssuerPayout(ticketClass, STRANGER);
    }

    function test_scripts_are_told_as_erc_5169_tells_them() public {
        string[] memory uris = new string[](2);
        (uris[0], uris[1]) = ("ipfs://own", "https://own");
        vm.prank(AIRLINE);
        ticket.setScriptURI(uris);
        string[] memory found = issuers.scriptURI(ticketClass);
        vm.assertEq(found.length, 3, "all");
        vm.assertEq(keccak256(bytes(found[0])), keccak256("ipfs://ticket"), "the registered one first");
        vm.assertEq(keccak256(bytes(found[2])), keccak256("https://own"), "the contract's own");
        vm.prank(deployer);
        address token = address(new Nameless());
        byDeployer(token, 0);
        vm.assertEq(issuers.scriptURI(issuers.classIdOf(token)).length, 1, "no form, no scripts");
    }

    function test_the_founder_names_hub_and_vault_once() public {
        vm.expectRevert(abi.encodeWithSelector(IIssuerRegistry.IssuerRegistry_NotFounder.selector, OWNER));
        vm.prank(OWNER);
        issuers.setVenues(STRANGER, STRANGER);
        issuers = new IssuerRegistry(OWNER, parameters);
        vm.expectPartialRevert(IIssuerRegistry.IssuerRegistry_NotFounder.selector);
        vm.prank(STRANGER);
        issuers.setVenues(STRANGER, STRANGER);
    }

    function byDeployer(address token, uint64 nonce) private returns (bytes memory proof) {
        proof = consent(DEPLOYER_SECRET, token);
        attempt(token, nonce, proof);
        vm.assertEq(issuers.classOf(issuers.classIdOf(token)).controller, AIRLINE, "controller");
    }

    function attempt(address token, uint64 nonce, bytes memory proof) private {
        vm.prank(AIRLINE);
        issuers.registerClassByDeployer(token, ISSUER_PAYOUT, 0, "ipfs://a", HASH, nonce, proof);
    }

    function consent(uint256 secret, address token) private view returns (bytes memory) {
        bytes32 digest = lens.hashClassClaim(address(hub), ISmartLayerMessages.ClassClaim(token, AIRLINE));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(secret, digest);
        return abi.encodePacked(r, s, v);
    }

    function skipTo(uint64 nonce) private {
        vm.setNonce(deployer, nonce);
    }

    function expectNotOwner(address token, address caller) private {
        vm.expectRevert(
            abi.encodeWithSelector(IIssuerRegistry.IssuerRegistry_NotTokenOwner.selector, token, caller)
        );
    }

    function expectNotDeployer(address token, address signer, uint64 nonce) private {
        vm.expectRevert(
            abi.encodeWithSelector(IIssuerRegistry.IssuerRegistry_NotDeployer.selector, token, signer, nonce)
        );
    }

    function expectNotOffered() private {
        vm.expectRevert(
            abi.encodeWithSelector(IIssuerRegistry.IssuerRegistry_NotOffered.selector, ticketClass, STRANGER)
        );
        vm.prank(STRANGER);
        issuers.acceptClass(ticketClass);
    }
}
