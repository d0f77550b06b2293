// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IDisputeManager} from "../interfaces/IDisputeManager.sol";
import {INodeRegistry} from "../interfaces/INodeRegistry.sol";
import {IParameters} from "../interfaces/IParameters.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";

/// @title What offences cost, and how it is taken
/// @dev The registry may have less to take than is asked for; as the reporter comes first and victims
/// second, what is missing is missing from the burnt part.
abstract contract PenaltyBook is IDisputeManager, Ownable2Step {
    uint256 internal constant WHOLE = 10_000;
    uint32 private constant NOTICE_PERIODS = 2;
    uint256 private constant LEAST = 100;
    uint256 private constant MOST_REWARD = 2_000;
    uint256 private constant MOST = 5_000;
    uint256 private constant LEAST_SERVICE = 10;
    uint256 private constant MOST_SERVICE = 1_000;
    /// @dev Burning is sending where nobody has a key.
    address private constant NOBODY = address(0xdEaD);

    struct PenaltyChange {
        uint32 fromPeriod;
        Penalties penalties;
    }

    INodeRegistry public immutable nodes;
    IParameters public immutable parameters;

    PenaltyChange[] private _changes;
    /// @inheritdoc IDisputeManager
    mapping(bytes32 caseId => bool punished) public isPunished;

    constructor(INodeRegistry nodes_, IParameters parameters_) {
        nodes = nodes_;
        parameters = parameters_;
        Penalties memory first = Penalties({
            reward: 1_000, restitution: 4_000, equivocation: 1_000, overLeasing: 2_000, serviceLevel: 100
        });
        _changes.push(PenaltyChange(0, first));
        emit PenaltiesScheduled(0, first);
    }

    /// @inheritdoc IDisputeManager
    function schedulePenalties(Penalties calldata penalties_) external onlyOwner returns (uint32 fromPeriod) {
        _bound("reward", penalties_.reward, LEAST, MOST_REWARD);
        _bound("restitution", penalties_.restitution, 0, MOST);
        _bound("equivocation", penalties_.equivocation, LEAST, MOST);
        _bound("overLeasing", penalties_.overLeasing, LEAST, MOST);
        _bound("serviceLevel", penalties_.serviceLevel, LEAST_SERVICE, MOST_SERVICE);
        fromPeriod = parameters.currentPeriod() + NOTICE_PERIODS;

        PenaltyChange storage last = _changes[_changes.length - 1];
        if (last.fromPeriod == fromPeriod) last.penalties = penalties_;
        else _changes.push(PenaltyChange(fromPeriod, penalties_));

        emit PenaltiesScheduled(fromPeriod, penalties_);
    }

    /// @inheritdoc IDisputeManager
    function penalties() external view returns (Penalties memory) {
        return _penaltiesNow();
    }

    /// @inheritdoc IDisputeManager
    function penaltiesAt(uint32 period) public view returns (Penalties memory) {
        uint256 i = _changes.length - 1;
        while (_changes[i].fromPeriod > period) --i;
        return _changes[i].penalties;
    }

    /// @dev Slash `amount`, of which a victim and a reporter get their shares; zero for none.
    function _punish(
        Offence offence,
        bytes32 caseId,
        address culprit,
        uint128 amount,
        address reporter,
        address victim
    ) internal {
        _close(caseId);
        Penalties memory held = _penaltiesNow();
        uint128 reward = reporter == address(0) ? 0 : _part(amount, held.reward);
        uint128 restitution = victim == address(0) ? 0 : _part(amount, held.restitution);
        uint128 burnt = amount - reward - restitution;

        reward = _slash(culprit, reward, reporter);
        restitution = _slash(culprit, restitution, victim);
        burnt = _slash(culprit, burnt, NOBODY);

        emit Punished(
            culprit, offence, caseId, reporter, victim, reward + restitution + burnt, reward, restitution
        );
    }

    /// @dev As {_punish}, with the restitution shared among those that were leased to.
    function _punishLeases(
        bytes32 caseId,
        address culprit,
        uint32 period,
        Lease[] calldata leases,
        uint256 leased,
        uint256 held
    ) internal {
        _close(caseId);
        Penalties memory now_ = _penaltiesNow();
        uint128 amount = _part(nodes.slashable(culprit), now_.overLeasing);
        uint128 restitution = _part(amount, now_.restitution);
        if (restitution > leased - held) restitution = uint128(leased - held);

        uint128 reward = _slash(culprit, _part(amount, now_.reward), msg.sender);
        uint128 paid = _compensate(caseId, culprit, period, leases, restitution, leased);
        uint128 burnt = _slash(culprit, amount - reward - paid, NOBODY);

        emit Punished(
            culprit, Offence.OverLeasing, caseId, msg.sender, address(0), reward + paid + burnt, reward, paid
        );
    }

    function _penaltiesNow() internal view returns (Penalties memory) {
        return penaltiesAt(parameters.currentPeriod());
    }

    function _checkNode(address key) internal view {
        if (key == address(0) || nodes.numberOf(key) == 0) revert DisputeManager_UnknownNode(key);
    }

    function _part(uint256 amount, uint256 share) internal pure returns (uint128) {
        return uint128(amount * share / WHOLE);
    }

    function _close(bytes32 caseId) private {
        if (isPunished[caseId]) revert DisputeManager_AlreadyPunished(caseId);
        isPunished[caseId] = true;
    }

    /// @dev Leases of one node follow each other, so each is paid once. What the culprit leased to
    /// itself, or to a key that nobody registered, is burnt.
    function _compensate(
        bytes32 caseId,
        address culprit,
        uint32 period,
        Lease[] calldata leases,
        uint256 restitution,
        uint256 leased
    ) private returns (uint128 paid) {
        uint256 lent;
        for (uint256 i; i < leases.length; ++i) {
            lent += leases[i].leaseCap;
            if (i + 1 < leases.length && leases[i + 1].node == leases[i].node) continue;
            address payout = nodes.payoutAt(leases[i].node, period);
            uint128 part =
                payout == address(0) || leases[i].node == culprit ? 0 : uint128(restitution * lent / leased);
            part = _slash(culprit, part, payout);
            if (part != 0) emit NodeCompensated(caseId, leases[i].node, payout, part);
            paid += part;
            lent = 0;
        }
    }

    function _slash(address culprit, uint128 amount, address to) private returns (uint128) {
        return amount == 0 ? 0 : nodes.slash(culprit, amount, to);
    }

    function _bound(bytes32 penalty, uint256 value, uint256 minimum, uint256 maximum) private pure {
        if (value < minimum || value > maximum) {
            revert DisputeManager_OutOfBounds(penalty, value, minimum, maximum);
        }
    }
}
