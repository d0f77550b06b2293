// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {IServiceToken} from "../interfaces/IServiceToken.sol";
import {Ownable, Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

/// @title Service Token
/// @notice Pays for everything in the network. Permit (ERC-2612) and transfers with authorization
/// (ERC-3009) let an account pay without gas; the latter is what x402's `exact` scheme sends.
/// @dev Built on OpenZeppelin's `ERC3009`, whose nonces are random as in the ERC, and not on its
/// `ERC20TransferAuthorization`, whose nonces count up per key: x402 clients draw random nonces,
/// which the latter refuses. Its signatures in one `bytes`, which let smart accounts pay through
/// ERC-1271, are added here.
contract ServiceToken is IServiceToken, ERC20, ERC20Permit, ERC3009, Ownable2Step {
    uint16 private constant BASIS_POINTS = 10_000;
    uint16 private constant MAXIMUM_YEARLY_RATE = 500;
    uint256 private constant MAXIMUM_SUPPLY = type(uint96).max;
    uint256 private constant YEAR = 365 days;

    /// @inheritdoc IServiceToken
    uint16 public immutable yearlyRate;
    uint256 private immutable _deployedAt;

    /// @inheritdoc IServiceToken
    address public minter;
    /// @dev The allowance of a year is fixed at its first mint; years count from deployment.
    mapping(uint256 year => uint256 allowance) private _allowanceOf;
    mapping(uint256 year => uint256 minted) private _mintedIn;

    /// @notice Mint the first supply to `holder`; `owner_` names the minter later.
    /// @param yearlyRate_ The part of the supply that may be minted a year, at most 500 (5 %).
    constructor(address owner_, address holder, uint256 supply, uint16 yearlyRate_)
        ERC20("Smart Layer Service", "SVC")
        ERC20Permit("Smart Layer Service")
        Ownable(owner_)
    {
        if (yearlyRate_ > MAXIMUM_YEARLY_RATE) {
            revert ServiceToken_RateTooHigh(yearlyRate_, MAXIMUM_YEARLY_RATE);
        }
        yearlyRate = yearlyRate_;
        _deployedAt = block.timestamp;
        _mint(holder, supply);
    }

    /// @inheritdoc IServiceToken
    function mint(address to, uint256 amount) external {
        if (msg.sender != minter) revert ServiceToken_NotMinter(msg.sender);
        uint256 available = mintable();
        if (amount > available) revert ServiceToken_RateExceeded(amount, available);

        uint256 year = _currentYear();
        uint256 minted = _mintedIn[year] + amount;
        if (_allowanceOf[year] == 0) _allowanceOf[year] = available;
        _mintedIn[year] = minted;

        emit Minted(to, amount, year, minted);
        _mint(to, amount);
    }

    /// @inheritdoc IServiceToken
    function setMinter(address minter_) external onlyOwner {
        minter = minter_;
        emit MinterChanged(minter_);
    }

    /// @inheritdoc IServiceToken
    function burn(uint256 amount) external {
        _burn(msg.sender, amount);
    }

    /// @notice {transferWithAuthorization} by a signature in one piece: an account's, r | s | v, or a
    /// contract's (ERC-1271).
    function transferWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external {
        _checkSignature(
            TRANSFER_WITH_AUTHORIZATION_TYPEHASH, from, to, value, validAfter, validBefore, nonce, signature
        );
        _transferWithAuthorization(from, to, value, validAfter, validBefore, nonce);
    }

    /// @notice {receiveWithAuthorization} by a signature in one piece. Only `to` may send it.
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external {
        if (to != msg.sender) revert ERC20InvalidReceiver(to);
        _checkSignature(
            RECEIVE_WITH_AUTHORIZATION_TYPEHASH, from, to, value, validAfter, validBefore, nonce, signature
        );
        _transferWithAuthorization(from, to, value, validAfter, validBefore, nonce);
    }

    /// @inheritdoc IServiceToken
    function mintable() public view returns (uint256) {
        uint256 year = _currentYear();
        uint256 allowance_ = _allowanceOf[year];
        if (allowance_ == 0) allowance_ = totalSupply() * yearlyRate / BASIS_POINTS;
        return allowance_ - _mintedIn[year];
    }

    /// @dev Every way to new tokens leads through here.
    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (from == address(0) && totalSupply() > MAXIMUM_SUPPLY) {
            revert ServiceToken_SupplyTooLarge(totalSupply(), MAXIMUM_SUPPLY);
        }
    }

    function _currentYear() private view returns (uint256) {
        return (block.timestamp - _deployedAt) / YEAR;
    }

    function _checkSignature(
        bytes32 typeHash,
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) private view {
        bytes32 digest = _hashTypedDataV4(
            keccak256(abi.encode(typeHash, from, to, value, validAfter, validBefore, nonce))
        );
        if (!SignatureChecker.isValidSignatureNowCalldata(from, digest, signature)) {
            revert ERC3009InvalidSignature();
        }
    }
}
