// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title Rent that keeps TokenScripts and instances available
/// @notice Rent is paid by token class, for a number of instances and of periods; its price is fixed
/// at purchase, so the expiry is a known date. A period that has begun counts whole.
/// @dev Accounting is a difference array: buying k periods at r each adds r at the first period and
/// takes it off after the last, so rolling a period costs the same however many classes pay rent.
interface IRentVault {
    /// @notice Where a class stands: nodes serve Active and Grace, and may evict Suspended.
    enum State {
        None,
        Active,
        Grace,
        Suspended
    }

    /// @notice A class's rent as it stands now; it is paid up to, not including, `paidUntil`.
    struct Rent {
        uint64 instances;
        uint32 startedIn;
        uint32 paidUntil;
        State state;
        uint64 expiry;
        uint64 suspendedAt;
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
    /// - the class is registered;
    /// - its rent never began, or is suspended;
    /// - `instances` is from 1 to 2^40, `periods` from 1 to 1,200;
    /// - the caller has approved the quoted amount of Service Tokens.
    function start(bytes32 tokenClass, uint64 instances, uint32 periods) external returns (uint128 amount);

    /// @notice Extend a class's rent by `periods` at today's price; anyone may.
    /// @dev Emits: {RentToppedUp}. In grace the periods that passed unpaid are paid first.
    ///
    /// Requirements:
    /// - rent began and is not suspended;
    /// - `periods` is from 1 to 1,200, and in grace reaches past the current period;
    /// - the caller has approved the quoted amount of Service Tokens.
    function topUp(bytes32 tokenClass, uint32 periods) external returns (uint128 amount);

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
}
