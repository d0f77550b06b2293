// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title Rent that keeps TokenScripts and instances available
/// @notice Rent is paid by token class, for a number of instances and of periods; its price is fixed
/// at purchase, so the expiry is a known date. A period that has begun counts whole.
///
/// Nodes earn it: after a period closed, a node shows what anchors acknowledged, how many instances
/// it kept and how well it answered, and is credited its part, at most a third of the class's rent
/// (three replicas). An acknowledgement counts when so many active anchors of the period signed it
/// that one of them is honest. What nobody earned returns to the class's balance, so nobody gains by
/// marking a node down; the balance pays further periods.
///
/// In grace the issuer's revenue is garnished first: it goes to the class's purse, an account that
/// only this contract empties, pays what is owed, and what is left goes on to the issuer.
/// @dev Accounting is a difference array: buying k periods at r each adds r at the first period and
/// takes it off after the last, so rolling a period costs the same however many classes pay rent.
/// Safety needs: fewer than a third of a period's active anchors lie together. Liveness needs: a
/// third of them acknowledge.
interface IRentVault {
    /// @notice Where a class stands: nodes serve Active and Grace, and may evict Suspended.
    enum State {
        None,
        Active,
        Grace,
        Suspended
    }

    /// @notice Why a row earned nothing: instances or availability do not fit the class's rent; too
    /// few signatures; one that is not an active anchor's of the period, is the node's own, or does
    /// not come after the one before it; earned already; no rent is paid, or none is left.
    enum RentSkip {
        None,
        UptimeInvalid,
        TooFewAnchors,
        AnchorInvalid,
        AlreadyEarned,
        NothingDue
    }

    /// @notice A class's rent as it stands now; it is paid up to, not including, `paidUntil`.
    struct Rent {
        uint64 instances;
        uint32 startedIn;
        uint32 paidUntil;
        State state;
        uint64 expiry;
        uint64 suspendedAt;
        uint128 balance;
    }

    /// @notice What anchors acknowledged of one class: their compact signatures (EIP-2098) of
    /// UptimeAcknowledgement, in ascending order of their keys.
    struct UptimeRow {
        bytes32 tokenClass;
        uint64 instances;
        uint16 availability;
        bytes32[] r;
        bytes32[] vs;
    }

    /// @notice Rent began: `instances` for periods [fromPeriod, paidUntil), until `expiry`.
    event RentStarted(
        bytes32 indexed tokenClass,
        address indexed payer,
        uint64 instances,
        uint32 fromPeriod,
        uint32 paidUntil,
        uint64 expiry,
        uint128 amount
    );
    /// @notice Rent was extended to, not including, period `paidUntil`.
    event RentToppedUp(
        bytes32 indexed tokenClass, address indexed payer, uint32 paidUntil, uint64 expiry, uint128 amount
    );
    /// @notice `period` is over: `amount` of rent was due in it, over all classes.
    event PeriodRolled(uint32 indexed period, uint128 amount);

    /// @notice From period `fromPeriod` on the issuer's revenue goes to the class's purse.
    event GarnishBegan(bytes32 indexed tokenClass, address indexed purse, uint32 fromPeriod);
    /// @notice From period `fromPeriod` on the issuer's revenue goes to the issuer again.
    event GarnishEnded(bytes32 indexed tokenClass, uint32 fromPeriod);
    /// @notice The purse was emptied: a part for rent, the rest for the issuer.
    event RevenueGarnished(bytes32 indexed tokenClass, uint128 toRent, uint128 toIssuer);
    /// @notice A node earned `amount` of a class's rent of `period`; `payout` was credited.
    event RentEarned(
        bytes32 indexed tokenClass,
        address indexed node,
        uint32 indexed period,
        address payout,
        uint128 amount
    );
    /// @notice A row earned nothing, for this reason; the others of its call are not touched.
    event RentSkipped(
        bytes32 indexed tokenClass, address indexed node, uint32 indexed period, RentSkip reason
    );
    /// @notice `amount` of the rent of `period` was not earned; the class's balance is `balance`.
    event RentReturned(bytes32 indexed tokenClass, uint32 indexed period, uint128 amount, uint128 balance);
    /// @notice An account's earned rent left the vault.
    event RentWithdrawn(address indexed account, address indexed to, uint128 amount);

    /// @notice New rent is stopped by the emergency brake until `pausedUntil`.
    error RentVault_Paused(uint64 pausedUntil);
    /// @notice The chain's time lies outside the window in which this can be done.
    error RentVault_OutsideWindow(uint256 now_, uint64 from, uint64 until);
    /// @notice There is nothing to return, garnish or withdraw, or the balance is too small.
    error RentVault_AmountInvalid(uint256 amount, uint256 available);
    /// @notice No node had the key in that period.
    error RentVault_UnknownNode(address node);
    /// @notice The class is not registered by its issuer.
    error RentVault_UnknownClass(bytes32 tokenClass);
    /// @notice Rent never began for this class.
    error RentVault_NotStarted(bytes32 tokenClass);
    /// @notice Rent runs already, until `expiry`; top it up instead.
    error RentVault_AlreadyStarted(bytes32 tokenClass, uint64 expiry);
    /// @notice Instances and periods must be positive, at most 2^40 and 1,200.
    error RentVault_QuantityInvalid(uint64 instances, uint32 periods);
    /// @notice So few periods would not even cover those that passed in grace.
    error RentVault_TooFewPeriods(uint32 periods, uint32 minimum);
    /// @notice The rent is suspended; start it again.
    error RentVault_Suspended(bytes32 tokenClass, uint64 suspendedAt);

    /// @notice Begin rent, for the first time or after a suspension, from the current period on.
    /// @dev Emits: {RentStarted}.
    ///
    /// Requirements:
    /// - the emergency brake is not pulled;
    /// - the class is registered;
    /// - its rent never began, or is suspended;
    /// - `instances` is from 1 to 2^40, `periods` from 1 to 1,200;
    /// - the caller has approved the quoted amount of Service Tokens.
    function start(bytes32 tokenClass, uint64 instances, uint32 periods) external returns (uint128 amount);

    /// @notice Extend a class's rent by `periods` at today's price; anyone may.
    /// @dev Emits: {RentToppedUp}. In grace the periods that passed unpaid are paid first.
    ///
    /// Requirements:
    /// - the emergency brake is not pulled;
    /// - rent began and is not suspended;
    /// - `periods` is from 1 to 1,200, and in grace reaches past the current period;
    /// - the caller has approved the quoted amount of Service Tokens.
    function topUp(bytes32 tokenClass, uint32 periods) external returns (uint128 amount);

    /// @notice Extend a class's rent out of its balance, at today's price; anyone may.
    /// @dev Emits: {RentToppedUp}.
    ///
    /// Requirements:
    /// - rent began and is not suspended;
    /// - `periods` is as in {topUp};
    /// - the balance covers the quoted amount.
    function extend(bytes32 tokenClass, uint32 periods) external returns (uint128 amount);

    /// @notice Begin or end the garnish, as the rent's state asks for; anyone may. It is ended by
    /// {start}, {topUp} and {extend} too.
    /// @dev Emits: {GarnishBegan} or {GarnishEnded}; nothing where nothing changes.
    function updateGarnish(bytes32 tokenClass) external;

    /// @notice Empty the class's purse: pay what is owed up to the current period, and send the
    /// issuer the rest; anyone may.
    /// @dev Emits: {RevenueGarnished}, {RentToppedUp} where it covers all that is owed.
    ///
    /// Requirements:
    /// - the class is registered;
    /// - the hub holds credit for the purse.
    function garnish(bytes32 tokenClass) external returns (uint128 amount);

    /// @notice Credit a node its part of the rent of several classes; anyone may. Rows that do not hold
    /// are skipped and logged, never a reason to revert.
    /// @dev Emits: {RentEarned} or {RentSkipped} for each. A row holds where it names 1 to all paid
    /// instances of its class and 1 to 10,000 basis points, is signed by active anchors of the period
    /// other than the node, a third of them rounded down and one more, in ascending order of their
    /// keys, and where the node has not earned this rent before and some of it is left.
    ///
    /// Requirements:
    /// - `node` was a node's key in `period`, and registered by then;
    /// - `period` is closed, and its direct claims are not over.
    function earn(address node, uint32 period, UptimeRow[] calldata rows) external returns (uint128 amount);

    /// @notice Give what nobody earned of a class's rent in `period` back to its balance; anyone may.
    /// @dev Emits: {RentReturned}.
    ///
    /// Requirements:
    /// - the direct claims of `period` are over;
    /// - something was not earned.
    function returnUnearned(bytes32 tokenClass, uint32 period) external returns (uint128 amount);

    /// @notice Send earned rent of the caller to `to`.
    /// @dev Emits: {RentWithdrawn}. Requirements: `amount` is not zero, and at most what was earned.
    function withdrawRent(address to, uint128 amount) external;

    /// @notice Close the books of at most `limit` past periods.
    /// @dev Emits: {PeriodRolled} for each.
    /// @return rolled How many were closed.
    function roll(uint32 limit) external returns (uint32 rolled);

    /// @notice The price of `periods` for `instances` now, and the time that they would be paid
    /// until: on top of what is paid where rent runs, from the current period on otherwise.
    function quote(bytes32 tokenClass, uint64 instances, uint32 periods)
        external
        view
        returns (uint128 amount, uint64 expiry);

    /// @notice When the rent runs out, unix seconds; 0 where it never began.
    function expiryOf(bytes32 tokenClass) external view returns (uint64);

    /// @notice Where the class stands now.
    function stateOf(bytes32 tokenClass) external view returns (State);

    /// @notice The class's rent as it stands now.
    function rentOf(bytes32 tokenClass) external view returns (Rent memory);

    /// @notice The rent that was due in a rolled period, over all classes.
    function rentDue(uint32 period) external view returns (uint128);

    /// @notice The first period whose books are still open.
    function nextPeriodToRoll() external view returns (uint32);

    /// @notice The account that the issuer's revenue of `period` goes to while it is garnished; zero
    /// where it is not. It never changes once the period is closed.
    function purseAt(bytes32 tokenClass, uint32 period) external view returns (address);

    /// @notice The rent of a class in a period, and how much of it was earned or returned.
    function rentAt(bytes32 tokenClass, uint32 period) external view returns (uint128 rent, uint128 spent);

    /// @notice Whether a node was credited its part of a class's rent of `period`.
    function hasEarned(bytes32 tokenClass, uint32 period, address node) external view returns (bool);

    /// @notice How many instances a class pays for in `period`.
    function instancesAt(bytes32 tokenClass, uint32 period) external view returns (uint64);

    /// @notice The rent that an account earned and did not withdraw.
    function earnedBy(address account) external view returns (uint128);
}
