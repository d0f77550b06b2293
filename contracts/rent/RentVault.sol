// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IAnchorElection} from "../interfaces/IAnchorElection.sol";
import {IChannelHub} from "../interfaces/IChannelHub.sol";
import {IIssuerRegistry} from "../interfaces/IIssuerRegistry.sol";
import {INodeRegistry} from "../interfaces/INodeRegistry.sol";
import {IParameters} from "../interfaces/IParameters.sol";
import {IRentVault} from "../interfaces/IRentVault.sol";
import {ISmartLayerMessages} from "../interfaces/ISmartLayerMessages.sol";
import {MessageHashes} from "../libraries/MessageHashes.sol";
import {RentPurse} from "./RentPurse.sol";
import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";

/// @title Rent vault
/// @notice See {IRentVault}. Holds Service Tokens: all rent that was bought.
contract RentVault is IRentVault {
    using Checkpoints for Checkpoints.Trace224;
    using SafeCast for uint256;
    using SafeERC20 for IERC20;

    uint64 private constant MOST_INSTANCES = 1 << 40;
    uint32 private constant MOST_PERIODS = 1_200;
    uint256 private constant REPLICAS = 3;
    uint256 private constant BASIS_POINTS = 10_000;

    struct Account {
        uint64 instances;
        uint32 startedIn;
        uint32 paidUntil;
        uint128 balance;
    }

    IERC20 public immutable serviceToken;
    IParameters public immutable parameters;
    IIssuerRegistry public immutable issuers;
    INodeRegistry public immutable nodes;
    IAnchorElection public immutable election;
    address private immutable _purse;

    mapping(bytes32 tokenClass => Account account) private _accounts;
    /// @dev The change of the rent due from one period to the next, over all classes.
    mapping(uint32 period => int256 change) private _changes;
    /// @inheritdoc IRentVault
    mapping(uint32 period => uint128 amount) public rentDue;
    /// @inheritdoc IRentVault
    uint32 public nextPeriodToRoll;
    /// @dev The rent due in the last rolled period.
    uint128 private _lastDue;
    /// @dev A class's rent per period, and its instances, by the first period that they hold in.
    mapping(bytes32 tokenClass => Checkpoints.Trace224 rates) private _rates;
    mapping(bytes32 tokenClass => Checkpoints.Trace224 instances) private _instances;
    /// @dev 1 from the first period that is garnished, 0 from the first that is not.
    mapping(bytes32 tokenClass => Checkpoints.Trace224 flags) private _garnished;
    /// @dev What was earned or returned of a class's rent.
    mapping(bytes32 tokenClass => mapping(uint32 period => uint128 amount)) private _spent;
    mapping(bytes32 tokenClass => mapping(uint32 period => mapping(address node => bool yes))) private
        _earnedIn;
    /// @inheritdoc IRentVault
    mapping(address account => uint128 amount) public earnedBy;

    constructor(
        IERC20 serviceToken_,
        IParameters parameters_,
        IIssuerRegistry issuers_,
        INodeRegistry nodes_,
        IAnchorElection election_
    ) {
        nodes = nodes_;
        election = election_;
        _purse = address(new RentPurse());
        serviceToken = serviceToken_;
        parameters = parameters_;
        issuers = issuers_;
        nextPeriodToRoll = parameters_.currentPeriod();
    }

    modifier unlessPaused() {
        if (nodes.brake().isPaused()) revert RentVault_Paused(nodes.brake().pausedUntil());
        _;
    }

    /// @inheritdoc IRentVault
    function start(bytes32 tokenClass, uint64 instances, uint32 periods)
        external
        unlessPaused
        returns (uint128 amount)
    {
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
        _instances[tokenClass].push(current, instances);
        _rate(tokenClass, current, paidUntil, price);

        _updateGarnish(tokenClass, account);
        emit RentStarted(tokenClass, msg.sender, instances, current, paidUntil, _startOf(paidUntil), amount);
        serviceToken.safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @inheritdoc IRentVault
    function topUp(bytes32 tokenClass, uint32 periods) external unlessPaused returns (uint128 amount) {
        amount = _extend(tokenClass, _accounts[tokenClass], periods);
        serviceToken.safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @inheritdoc IRentVault
    function extend(bytes32 tokenClass, uint32 periods) external returns (uint128 amount) {
        Account storage account = _accounts[tokenClass];
        amount = _extend(tokenClass, account, periods);
        if (amount > account.balance) revert RentVault_AmountInvalid(amount, account.balance);
        account.balance -= amount;
    }

    /// @inheritdoc IRentVault
    function updateGarnish(bytes32 tokenClass) external {
        _updateGarnish(tokenClass, _accounts[tokenClass]);
    }

    /// @inheritdoc IRentVault
    function garnish(bytes32 tokenClass) external returns (uint128 amount) {
        address payout = issuers.classOf(tokenClass).payout;
        address purse = _purseOf(tokenClass);
        if (purse.code.length == 0) Clones.cloneDeterministic(_purse, tokenClass);
        amount = RentPurse(purse).empty(IChannelHub(nodes.hub()));
        if (amount == 0) revert RentVault_AmountInvalid(0, 0);
        Account storage account = _accounts[tokenClass];
        (uint32 periods, uint128 owed) = _owed(account);
        uint128 missing = owed > account.balance ? owed - account.balance : 0;
        uint128 toRent = amount < missing ? amount : missing;

        account.balance += toRent;
        emit RevenueGarnished(tokenClass, toRent, amount - toRent);
        if (owed != 0 && account.balance >= owed) {
            account.balance -= _extend(tokenClass, account, periods);
        }
        if (amount > toRent) serviceToken.safeTransfer(payout, amount - toRent);
    }

    /// @inheritdoc IRentVault
    function earn(address node, uint32 period, UptimeRow[] calldata rows) external returns (uint128 amount) {
        IParameters.Windows memory windows = parameters.windowsOf(period);
        _checkWindow(windows.closesAt, windows.directUntil);
        if (nodes.numberAt(node, period) == 0) revert RentVault_UnknownNode(node);
        address payout = nodes.payoutAt(node, period);
        address[] memory anchors = election.activeAnchors(period);
        bytes32 separator = MessageHashes.domainSeparator(nodes.hub());

        for (uint256 i; i < rows.length; ++i) {
            (uint128 part, RentSkip reason) = _earn(node, period, rows[i], anchors, separator);
            amount += part;
            if (reason != RentSkip.None) emit RentSkipped(rows[i].tokenClass, node, period, reason);
            else emit RentEarned(rows[i].tokenClass, node, period, payout, part);
        }
        earnedBy[payout] += amount;
    }

    /// @inheritdoc IRentVault
    function returnUnearned(bytes32 tokenClass, uint32 period) external returns (uint128 amount) {
        _checkWindow(parameters.windowsOf(period).directUntil, type(uint64).max);
        (uint128 rent, uint128 spent) = rentAt(tokenClass, period);
        amount = rent - spent;
        if (amount == 0) revert RentVault_AmountInvalid(0, 0);
        Account storage account = _accounts[tokenClass];

        _spent[tokenClass][period] = rent;
        account.balance += amount;

        emit RentReturned(tokenClass, period, amount, account.balance);
    }

    /// @inheritdoc IRentVault
    function withdrawRent(address to, uint128 amount) external {
        uint128 available = earnedBy[msg.sender];
        if (amount == 0 || amount > available) revert RentVault_AmountInvalid(amount, available);

        earnedBy[msg.sender] = available - amount;

        emit RentWithdrawn(msg.sender, to, amount);
        serviceToken.safeTransfer(to, amount);
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
            suspendedAt: _suspendedAt(account),
            balance: account.balance
        });
    }

    /// @inheritdoc IRentVault
    function purseAt(bytes32 tokenClass, uint32 period) external view returns (address) {
        bool garnished = _garnished[tokenClass].upperLookupRecent(period) == 1;
        return garnished ? _purseOf(tokenClass) : address(0);
    }

    /// @inheritdoc IRentVault
    function hasEarned(bytes32 tokenClass, uint32 period, address node) external view returns (bool) {
        return _earnedIn[tokenClass][period][node];
    }

    /// @inheritdoc IRentVault
    function instancesAt(bytes32 tokenClass, uint32 period) external view returns (uint64) {
        return uint64(_instances[tokenClass].upperLookupRecent(period));
    }

    /// @inheritdoc IRentVault
    function rentAt(bytes32 tokenClass, uint32 period) public view returns (uint128 rent, uint128 spent) {
        rent = uint128(_rates[tokenClass].upperLookupRecent(period));
        spent = _spent[tokenClass][period];
    }

    function _extend(bytes32 tokenClass, Account storage account, uint32 periods)
        private
        returns (uint128 amount)
    {
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
        _rate(tokenClass, from, paidUntil, price);

        _updateGarnish(tokenClass, account);
        emit RentToppedUp(tokenClass, msg.sender, paidUntil, _startOf(paidUntil), amount);
    }

    /// @dev A garnish begins with the current period and ends with the next one, so that revenue of a
    /// closed period never changes its account.
    function _updateGarnish(bytes32 tokenClass, Account storage account) private {
        bool garnished = _garnished[tokenClass].latest() == 1;
        bool owes = _stateOf(account) == State.Grace;
        if (garnished == owes) return;
        uint32 fromPeriod = parameters.currentPeriod() + (owes ? 0 : 1);
        _garnished[tokenClass].push(fromPeriod, owes ? 1 : 0);
        if (owes) emit GarnishBegan(tokenClass, _purseOf(tokenClass), fromPeriod);
        else emit GarnishEnded(tokenClass, fromPeriod);
    }

    /// @dev `price` is the class's rent in each period of [from, until); what was paid ended at `from`
    /// or before.
    function _rate(bytes32 tokenClass, uint32 from, uint32 until, uint128 price) private {
        _rates[tokenClass].push(from, price);
        _rates[tokenClass].push(until, 0);
    }

    /// @dev Rent that is paid in arrears can still be earned, while the window is open: what earns
    /// nothing is not marked as earned.
    function _earn(
        address node,
        uint32 period,
        UptimeRow calldata row,
        address[] memory anchors,
        bytes32 separator
    ) private returns (uint128 amount, RentSkip reason) {
        bytes32 tokenClass = row.tokenClass;
        uint256 instances = _instances[tokenClass].upperLookupRecent(period);
        bool fits = row.instances != 0 && row.instances <= instances && row.availability != 0
            && row.availability <= BASIS_POINTS;
        if (!fits) return (0, RentSkip.UptimeInvalid);
        if (_earnedIn[tokenClass][period][node]) return (0, RentSkip.AlreadyEarned);
        reason = _signed(separator, anchors, node, period, row);
        if (reason != RentSkip.None) return (0, reason);
        (uint128 rent, uint128 spent) = rentAt(tokenClass, period);
        amount =
            uint128(uint256(rent) * row.instances * row.availability / (instances * REPLICAS * BASIS_POINTS));
        if (amount > rent - spent) amount = rent - spent;
        if (amount == 0) return (0, RentSkip.NothingDue);

        _earnedIn[tokenClass][period][node] = true;
        _spent[tokenClass][period] = spent + amount;
    }

    /// @dev A third of the anchors and one more have an honest one among them.
    function _signed(
        bytes32 separator,
        address[] memory anchors,
        address node,
        uint32 period,
        UptimeRow calldata row
    ) private pure returns (RentSkip) {
        uint256 needed = anchors.length / 3 + 1;
        if (row.r.length < needed || row.vs.length < needed) return RentSkip.TooFewAnchors;
        bytes32 digest = MessageHashes.digest(
            separator,
            MessageHashes.hash(
                ISmartLayerMessages.UptimeAcknowledgement(
                    node, period, row.tokenClass, row.instances, row.availability
                )
            )
        );
        address last;
        for (uint256 i; i < needed; ++i) {
            (address signer,,) = ECDSA.tryRecover(digest, row.r[i], row.vs[i]);
            bool counts = signer > last && signer != node && _among(anchors, signer);
            if (!counts) return RentSkip.AnchorInvalid;
            last = signer;
        }
        return RentSkip.None;
    }

    function _among(address[] memory anchors, address signer) private pure returns (bool) {
        for (uint256 i; i < anchors.length; ++i) {
            if (anchors[i] == signer) return true;
        }
        return false;
    }

    /// @dev What is owed in grace to reach past the current period, at today's price.
    function _owed(Account storage account) private view returns (uint32 periods, uint128 amount) {
        if (_stateOf(account) != State.Grace) return (0, 0);
        periods = parameters.currentPeriod() - account.paidUntil + 1;
        amount = _price(account.instances, periods) * periods;
    }

    function _purseOf(bytes32 tokenClass) private view returns (address) {
        return Clones.predictDeterministicAddress(_purse, tokenClass);
    }

    function _checkWindow(uint64 from, uint64 until) private view {
        if (block.timestamp < from || block.timestamp >= until) {
            revert RentVault_OutsideWindow(block.timestamp, from, until);
        }
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
