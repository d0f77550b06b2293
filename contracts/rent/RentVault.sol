// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IIssuerRegistry} from "../interfaces/IIssuerRegistry.sol";
import {IParameters} from "../interfaces/IParameters.sol";
import {IRentVault} from "../interfaces/IRentVault.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

/// @title Rent vault
/// @notice See {IRentVault}. Holds Service Tokens: all rent that was bought.
contract RentVault is IRentVault {
    using SafeCast for uint256;
    using SafeERC20 for IERC20;

    uint64 private constant MOST_INSTANCES = 1 << 40;
    uint32 private constant MOST_PERIODS = 1_200;

    struct Account {
        uint64 instances;
        uint32 startedIn;
        uint32 paidUntil;
    }

    IERC20 public immutable serviceToken;
    IParameters public immutable parameters;
    IIssuerRegistry public immutable issuers;

    mapping(bytes32 tokenClass => Account account) private _accounts;
    /// @dev The change of the rent due from one period to the next, over all classes.
    mapping(uint32 period => int256 change) private _changes;
    /// @inheritdoc IRentVault
    mapping(uint32 period => uint128 amount) public rentDue;
    /// @inheritdoc IRentVault
    uint32 public nextPeriodToRoll;
    /// @dev The rent due in the last rolled period.
    uint128 private _lastDue;

    constructor(IERC20 serviceToken_, IParameters parameters_, IIssuerRegistry issuers_) {
        serviceToken = serviceToken_;
        parameters = parameters_;
        issuers = issuers_;
        nextPeriodToRoll = parameters_.currentPeriod();
    }

    /// @inheritdoc IRentVault
    function start(bytes32 tokenClass, uint64 instances, uint32 periods) external returns (uint128 amount) {
        if (!issuers.isRegistered(tokenClass)) revert RentVault_UnknownClass(tokenClass);
        Account storage account = _accounts[tokenClass];
        State state = _stateOf(account);
        if (state == State.Active || state == State.Grace) {
            revert RentVault_AlreadyStarted(tokenClass, _startOf(account.paidUntil));
        }
        uint128 price = _price(instances, periods);
        uint32 current = parameters.currentPeriod();
        uint32 paidUntil = current + periods;
        amount = price * periods;

        account.instances = instances;
        account.startedIn = current;
        account.paidUntil = paidUntil;
        _spread(current, paidUntil, price);

        emit RentStarted(tokenClass, msg.sender, instances, current, paidUntil, _startOf(paidUntil), amount);
        serviceToken.safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @inheritdoc IRentVault
    function topUp(bytes32 tokenClass, uint32 periods) external returns (uint128 amount) {
        Account storage account = _accounts[tokenClass];
        State state = _stateOf(account);
        if (state == State.None) revert RentVault_NotStarted(tokenClass);
        if (state == State.Suspended) {
            revert RentVault_Suspended(tokenClass, _suspendedAt(account));
        }
        uint128 price = _price(account.instances, periods);
        uint32 current = parameters.currentPeriod();
        uint32 from = account.paidUntil;
        uint32 paidUntil = from + periods;
        if (paidUntil <= current) revert RentVault_TooFewPeriods(periods, current - from + 1);
        amount = price * periods;

        account.paidUntil = paidUntil;
        if (from >= current) {
            _spread(from, paidUntil, price);
        } else {
            // Books of the periods that passed in grace may be closed: their rent is due now.
            _spread(current, current + 1, price * (current - from));
            _spread(current, paidUntil, price);
        }

        emit RentToppedUp(tokenClass, msg.sender, paidUntil, _startOf(paidUntil), amount);
        serviceToken.safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @inheritdoc IRentVault
    function roll(uint32 limit) external returns (uint32 rolled) {
        uint32 period = nextPeriodToRoll;
        uint32 current = parameters.currentPeriod();
        uint128 due = _lastDue;
        while (period < current && rolled < limit) {
            due = uint256(int256(uint256(due)) + _changes[period]).toUint128();
            rentDue[period] = due;
            emit PeriodRolled(period, due);
            ++period;
            ++rolled;
        }
        nextPeriodToRoll = period;
        _lastDue = due;
    }

    /// @inheritdoc IRentVault
    function quote(bytes32 tokenClass, uint64 instances, uint32 periods)
        external
        view
        returns (uint128 amount, uint64 expiry)
    {
        Account storage account = _accounts[tokenClass];
        State state = _stateOf(account);
        bool runs = state == State.Active || state == State.Grace;
        uint32 from = runs ? account.paidUntil : parameters.currentPeriod();
        amount = _price(instances, periods) * periods;
        expiry = _startOf(from + periods);
    }

    /// @inheritdoc IRentVault
    function expiryOf(bytes32 tokenClass) external view returns (uint64) {
        Account storage account = _accounts[tokenClass];
        return account.instances == 0 ? 0 : _startOf(account.paidUntil);
    }

    /// @inheritdoc IRentVault
    function stateOf(bytes32 tokenClass) external view returns (State) {
        return _stateOf(_accounts[tokenClass]);
    }

    /// @inheritdoc IRentVault
    function rentOf(bytes32 tokenClass) external view returns (Rent memory rent) {
        Account storage account = _accounts[tokenClass];
        if (account.instances == 0) return rent;
        return Rent({
            instances: account.instances,
            startedIn: account.startedIn,
            paidUntil: account.paidUntil,
            state: _stateOf(account),
            expiry: _startOf(account.paidUntil),
            suspendedAt: _suspendedAt(account)
        });
    }

    /// @dev `amount` is due in each period of [from, until).
    function _spread(uint32 from, uint32 until, uint128 amount) private {
        _changes[from] += int256(uint256(amount));
        _changes[until] -= int256(uint256(amount));
    }

    /// @dev What `instances` cost in one period, at today's price.
    function _price(uint64 instances, uint32 periods) private view returns (uint128) {
        if (instances == 0 || instances > MOST_INSTANCES || periods == 0 || periods > MOST_PERIODS) {
            revert RentVault_QuantityInvalid(instances, periods);
        }
        // At most 2^40 * 10^21 * 1,200: far below 2^128.
        return parameters.termsAt(parameters.currentPeriod()).rentPrice * instances;
    }

    function _stateOf(Account storage account) private view returns (State) {
        if (account.instances == 0) return State.None;
        if (block.timestamp < _startOf(account.paidUntil)) return State.Active;
        return block.timestamp < _suspendedAt(account) ? State.Grace : State.Suspended;
    }

    function _suspendedAt(Account storage account) private view returns (uint64) {
        return _startOf(account.paidUntil) + parameters.termsAt(account.paidUntil).rentGrace;
    }

    function _startOf(uint32 period) private view returns (uint64) {
        return parameters.windowsOf(period).opensAt;
    }
}
