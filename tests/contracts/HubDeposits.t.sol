// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {IChannelHubTypes} from "../../contracts/interfaces/IChannelHub.sol";
import {Fixture} from "./support/Fixture.sol";

/// @dev A smart account whose owner is one key (ERC-1271).
contract SmartAccount {
    address private immutable _key;

    constructor(address key) {
        _key = key;
    }

    function isValidSignature(bytes32 digest, bytes calldata signed) external view returns (bytes4) {
        (bytes32 r, bytes32 s, uint8 v) =
            (bytes32(signed[:32]), bytes32(signed[32:64]), uint8(bytes1(signed[64:65])));
        return ecrecover(digest, v, r, s) == _key ? this.isValidSignature.selector : bytes4(0xffffffff);
    }
}

contract HubDepositsTest is Fixture {
    uint256 private constant HOLDER_SECRET = 0xD1;
    bytes32 private constant PERMIT =
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
    bytes32 private constant RECEIVE = keccak256(
        "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
    );
    address private holder;

    function setUp() public {
        deploy();
        populate();
        holder = vm.addr(HOLDER_SECRET);
        vm.prank(OWNER);
        service.transfer(holder, 100e18);
    }

    function test_a_channel_is_opened_by_permit_without_an_approval() public {
        (uint8 v, bytes32 r, bytes32 s) = permit(5e18);
        vm.prank(holder);
        hub.openWithPermit(session, holder, anchor, 5e18, block.timestamp, v, r, s);
        vm.assertEq(hub.channelOf(session).balance, 5e18, "balance");
        vm.assertEq(hub.channelOf(session).owner, holder, "owner");
    }

    function test_a_permit_that_somebody_sent_ahead_does_no_harm() public {
        (uint8 v, bytes32 r, bytes32 s) = permit(5e18);
        service.permit(holder, address(hub), 5e18, block.timestamp, v, r, s);
        vm.prank(holder);
        hub.openWithPermit(session, holder, anchor, 5e18, block.timestamp, v, r, s);
        vm.assertEq(hub.channelOf(session).balance, 5e18, "balance");
    }

    function test_a_channel_is_topped_up_by_permit() public {
        openChannel(SESSION_SECRET, anchor, 1e18);
        (uint8 v, bytes32 r, bytes32 s) = permit(5e18);
        vm.prank(holder);
        hub.topUpWithPermit(session, 5e18, block.timestamp, v, r, s);
        vm.assertEq(hub.channelOf(session).balance, 6e18, "balance");
    }

    function test_a_permit_of_another_amount_is_refused() public {
        (uint8 v, bytes32 r, bytes32 s) = permit(5e18);
        vm.expectRevert();
        vm.prank(holder);
        hub.openWithPermit(session, holder, anchor, 6e18, block.timestamp, v, r, s);
    }

    function test_anyone_sends_the_owners_authorization() public {
        IChannelHubTypes.Authorization memory authorization = authorize(holder, 5e18, session, anchor);
        vm.prank(STRANGER);
        hub.openWithAuthorization(session, holder, anchor, 5e18, authorization);
        vm.assertEq(hub.channelOf(session).balance, 5e18, "balance");
    }

    function test_an_authorization_opens_no_other_channel() public {
        IChannelHubTypes.Authorization memory authorization = authorize(holder, 5e18, session, anchor);
        vm.expectRevert();
        hub.openWithAuthorization(vm.addr(0x666), holder, anchor, 5e18, authorization);
        vm.expectRevert();
        hub.openWithAuthorization(session, holder, otherAnchor, 5e18, authorization);
    }

    function test_a_channel_is_topped_up_by_authorization_and_no_other() public {
        openChannel(SESSION_SECRET, anchor, 1e18);
        openChannel(0x666, anchor, 1e18);
        IChannelHubTypes.Authorization memory authorization = authorize(holder, 5e18, session, address(0));
        vm.expectRevert();
        hub.topUpWithAuthorization(vm.addr(0x666), holder, 5e18, authorization);
        hub.topUpWithAuthorization(session, holder, 5e18, authorization);
        vm.assertEq(hub.channelOf(session).balance, 6e18, "balance");
    }

    function test_an_authorization_is_used_once() public {
        openChannel(SESSION_SECRET, anchor, 1e18);
        IChannelHubTypes.Authorization memory authorization = authorize(holder, 5e18, session, address(0));
        hub.topUpWithAuthorization(session, holder, 5e18, authorization);
        vm.expectRevert();
        hub.topUpWithAuthorization(session, holder, 5e18, authorization);
    }

    function test_a_smart_account_pays_by_authorization() public {
        address account = address(new SmartAccount(holder));
        vm.prank(OWNER);
        service.transfer(account, 50e18);
        IChannelHubTypes.Authorization memory authorization = authorize(account, 5e18, session, anchor);
        hub.openWithAuthorization(session, account, anchor, 5e18, authorization);
        vm.assertEq(hub.channelOf(session).owner, account, "owner");
    }

    function test_the_extension_takes_no_money_itself() public {
        (bool taken, bytes memory answer) = hub.extension()
            .call(
                abi.encodeCall(
                    hub.openWithPermit, (session, holder, anchor, 1, 0, 27, bytes32(0), bytes32(0))
                )
            );
        vm.assertFalse(taken, "refused");
        vm.assertEq(bytes32(answer), bytes32(IChannelHubTypes.ChannelHub_NotDelegated.selector), "why");
    }

    function permit(uint256 amount) private view returns (uint8 v, bytes32 r, bytes32 s) {
        bytes32 structHash = keccak256(
            abi.encode(PERMIT, holder, address(hub), amount, service.nonces(holder), block.timestamp)
        );
        return vm.sign(HOLDER_SECRET, tokenDigest(structHash));
    }

    function authorize(address payer, uint256 amount, address signer, address anchor_)
        private
        view
        returns (IChannelHubTypes.Authorization memory authorization)
    {
        authorization.validBefore = block.timestamp + 1;
        authorization.salt = bytes32("salt");
        bytes32 nonce = keccak256(abi.encode(signer, anchor_, authorization.salt));
        bytes32 structHash =
            keccak256(abi.encode(RECEIVE, payer, address(hub), amount, 0, authorization.validBefore, nonce));
        authorization.signature = signature(HOLDER_SECRET, tokenDigest(structHash));
    }

    function tokenDigest(bytes32 structHash) private view returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", service.DOMAIN_SEPARATOR(), structHash));
    }
}
