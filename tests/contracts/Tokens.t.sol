// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {IServiceToken} from "../../contracts/interfaces/IServiceToken.sol";
import {ServiceToken} from "../../contracts/tokens/ServiceToken.sol";
import {StakeToken} from "../../contracts/tokens/StakeToken.sol";
import {Test} from "./support/Vm.sol";
import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";

/// @dev A smart account that accepts what its owner key signed (ERC-1271).
contract SmartAccount is Test {
    address private immutable _owner;

    constructor(address owner) {
        _owner = owner;
    }

    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        (bytes32 r, bytes32 s) = abi.decode(signature[:64], (bytes32, bytes32));
        bool signed = ecrecover(digest, uint8(signature[64]), r, s) == _owner;
        return signed ? this.isValidSignature.selector : bytes4(0);
    }
}

contract TokensTest is Test {
    uint256 private constant SECRET = 0xCAFE;
    address private constant OWNER = address(0xA11CE);
    address private constant MINTER = address(0x317);
    address private constant SHOP = address(0x5409);
    uint256 private constant SUPPLY = 1_000_000e18;

    StakeToken private stake;
    ServiceToken private service;
    address private holder;

    function setUp() public {
        vm.warp(1_700_000_000);
        holder = vm.addr(SECRET);
        stake = new StakeToken(holder, SUPPLY);
        service = new ServiceToken(OWNER, holder, SUPPLY, 300);
        vm.prank(OWNER);
        service.setMinter(MINTER);
    }

    function test_the_whole_stake_supply_goes_to_its_holder() public view {
        vm.assertEq(stake.totalSupply(), SUPPLY, "supply");
        vm.assertEq(stake.balanceOf(holder), SUPPLY, "holder");
    }

    function test_votes_follow_stake() public {
        vm.prank(holder);
        stake.delegate(holder);
        vm.prank(holder);
        stake.transfer(SHOP, 1e18);
        vm.assertEq(stake.getVotes(holder), SUPPLY - 1e18, "votes");
    }

    function test_stake_moves_by_permit() public {
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256(
                    "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
                ),
                holder,
                SHOP,
                5,
                stake.nonces(holder),
                block.timestamp
            )
        );
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", stake.DOMAIN_SEPARATOR(), structHash));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(SECRET, digest);
        stake.permit(holder, SHOP, 5, block.timestamp, v, r, s);
        vm.assertEq(stake.allowance(holder, SHOP), 5, "allowance");
    }

    function test_the_minter_mints_within_the_yearly_rate() public {
        uint256 allowance = SUPPLY * 300 / 10_000;
        vm.startPrank(MINTER);
        service.mint(SHOP, allowance - 1);
        vm.assertEq(service.mintable(), 1, "left");
        vm.expectRevert(abi.encodeWithSelector(IServiceToken.ServiceToken_RateExceeded.selector, 2, 1));
        service.mint(SHOP, 2);
        service.mint(SHOP, 1);
        vm.expectRevert(abi.encodeWithSelector(IServiceToken.ServiceToken_RateExceeded.selector, 1, 0));
        service.mint(SHOP, 1);
    }

    function test_a_new_year_brings_a_new_allowance() public {
        uint256 allowance = service.mintable();
        vm.prank(MINTER);
        service.mint(SHOP, allowance);
        vm.warp(block.timestamp + 365 days);
        vm.assertEq(service.mintable(), (SUPPLY + allowance) * 300 / 10_000, "of the new supply");
    }

    function test_burning_does_not_widen_the_years_allowance() public {
        vm.prank(MINTER);
        service.mint(SHOP, 1);
        uint256 left = service.mintable();
        vm.prank(holder);
        service.burn(SUPPLY / 2);
        vm.assertEq(service.mintable(), left, "unchanged");
        vm.assertEq(service.totalSupply(), SUPPLY / 2 + 1, "supply");
    }

    function test_only_the_minter_mints() public {
        vm.expectRevert(abi.encodeWithSelector(IServiceToken.ServiceToken_NotMinter.selector, OWNER));
        vm.prank(OWNER);
        service.mint(OWNER, 1);
    }

    function test_only_the_owner_names_the_minter() public {
        vm.expectRevert();
        vm.prank(MINTER);
        service.setMinter(SHOP);
    }

    function test_the_yearly_rate_has_a_bound() public {
        vm.expectRevert(abi.encodeWithSelector(IServiceToken.ServiceToken_RateTooHigh.selector, 501, 500));
        new ServiceToken(OWNER, OWNER, 1, 501);
    }

    function test_the_supply_fits_the_hubs_balances() public {
        uint256 most = type(uint96).max;
        new ServiceToken(OWNER, OWNER, most, 0);
        vm.expectRevert(
            abi.encodeWithSelector(IServiceToken.ServiceToken_SupplyTooLarge.selector, most + 1, most)
        );
        new ServiceToken(OWNER, OWNER, most + 1, 0);
    }

    function test_an_authorization_with_a_random_nonce_moves_tokens_once() public {
        (uint8 v, bytes32 r, bytes32 s) = authorize(true, holder, 7, bytes32("random nonce"));
        service.transferWithAuthorization(
            holder, SHOP, 7, 0, block.timestamp + 60, bytes32("random nonce"), v, r, s
        );
        vm.assertEq(service.balanceOf(SHOP), 7, "paid");
        vm.expectRevert(
            abi.encodeWithSelector(ERC3009.ERC3009UsedAuthorization.selector, holder, bytes32("random nonce"))
        );
        service.transferWithAuthorization(
            holder, SHOP, 7, 0, block.timestamp + 60, bytes32("random nonce"), v, r, s
        );
    }

    function test_an_authorization_comes_in_one_piece_too() public {
        (uint8 v, bytes32 r, bytes32 s) = authorize(true, holder, 7, bytes32("n"));
        service.transferWithAuthorization(
            holder, SHOP, 7, 0, block.timestamp + 60, bytes32("n"), abi.encodePacked(r, s, v)
        );
        vm.assertEq(service.balanceOf(SHOP), 7, "paid");
    }

    function test_a_smart_account_authorizes() public {
        address account = address(new SmartAccount(holder));
        vm.prank(holder);
        service.transfer(account, 9);
        (uint8 v, bytes32 r, bytes32 s) = authorize(true, account, 9, bytes32("n"));
        service.transferWithAuthorization(
            account, SHOP, 9, 0, block.timestamp + 60, bytes32("n"), abi.encodePacked(r, s, v)
        );
        vm.assertEq(service.balanceOf(SHOP), 9, "paid");
    }

    function test_a_forged_authorization_is_refused() public {
        (uint8 v, bytes32 r, bytes32 s) = authorize(true, holder, 7, bytes32("n"));
        bytes memory signature = abi.encodePacked(r, s, v);
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        service.transferWithAuthorization(holder, SHOP, 8, 0, block.timestamp + 60, bytes32("n"), signature);
    }

    function test_only_the_receiver_sends_a_receive_authorization() public {
        (uint8 v, bytes32 r, bytes32 s) = authorize(false, holder, 7, bytes32("n"));
        bytes memory signature = abi.encodePacked(r, s, v);
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InvalidReceiver.selector, SHOP));
        service.receiveWithAuthorization(holder, SHOP, 7, 0, block.timestamp + 60, bytes32("n"), signature);
        vm.prank(SHOP);
        service.receiveWithAuthorization(holder, SHOP, 7, 0, block.timestamp + 60, bytes32("n"), signature);
        vm.assertEq(service.balanceOf(SHOP), 7, "paid");
    }

    function authorize(bool transfer, address from, uint256 value, bytes32 nonce)
        private
        view
        returns (uint8 v, bytes32 r, bytes32 s)
    {
        string memory name = transfer ? "TransferWithAuthorization" : "ReceiveWithAuthorization";
        bytes32 typeHash = keccak256(
            abi.encodePacked(
                name,
                "(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
            )
        );
        bytes32 structHash =
            keccak256(abi.encode(typeHash, from, SHOP, value, 0, block.timestamp + 60, nonce));
        return vm.sign(SECRET, keccak256(abi.encodePacked(hex"1901", service.DOMAIN_SEPARATOR(), structHash)));
    }
}
