// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title Token classes, their issuers, scripts and revenue shares
/// @notice A token class is a token contract on this chain; its id is
/// keccak256(abi.encode(chainId, contract)). Whoever the contract's `owner()` is may act for it, so
/// that rights follow the contract when it changes hands. A script's hash is keccak256 of the TSML
/// file's bytes.
/// @dev Safety needs: `owner()` of the token contract tells the truth about who may speak for it.
interface IIssuerRegistry {
    /// @notice A token class as it stands now.
    struct TokenClass {
        address tokenContract;
        address payout;
        string scriptUri;
        bytes32 scriptHash;
        uint32 registeredIn;
    }

    /// @notice A class was registered; `issuerShare` holds from period `fromPeriod` on.
    event ClassRegistered(
        bytes32 indexed tokenClass,
        address indexed tokenContract,
        address indexed issuer,
        address payout,
        uint16 issuerShare,
        uint32 fromPeriod
    );
    /// @notice The class's TokenScript is now the one with this hash.
    event ScriptPublished(bytes32 indexed tokenClass, string scriptUri, bytes32 scriptHash);
    /// @notice The issuer's share is `issuerShare` from period `fromPeriod` on.
    event ShareScheduled(bytes32 indexed tokenClass, uint16 issuerShare, uint32 fromPeriod);

    /// @notice The class is registered already.
    error IssuerRegistry_ClassTaken(bytes32 tokenClass);
    /// @notice No such class is registered.
    error IssuerRegistry_UnknownClass(bytes32 tokenClass);
    /// @notice The caller is not the owner of the token contract.
    error IssuerRegistry_NotTokenOwner(address tokenContract, address caller);
    /// @notice The share is above the maximum of its first period.
    error IssuerRegistry_ShareTooHigh(uint16 share, uint16 maximum);
    /// @notice The zero account cannot be paid.
    error IssuerRegistry_ZeroPayout();
    /// @notice A script needs an address of 1 to 512 bytes and a hash that is not zero.
    error IssuerRegistry_ScriptInvalid(uint256 uriLength, bytes32 scriptHash);

    /// @notice Register a token contract's class, with its first script.
    /// @dev Emits: {ClassRegistered}, {ScriptPublished}.
    ///
    /// Requirements:
    /// - the class is not registered;
    /// - the caller is `owner()` of `tokenContract`;
    /// - `payout` is not the zero account;
    /// - `issuerShare` is at most the maximum of the current period;
    /// - `scriptUri` has 1 to 512 bytes, `scriptHash` is not zero.
    function registerClass(
        address tokenContract,
        address payout,
        uint16 issuerShare,
        string calldata scriptUri,
        bytes32 scriptHash
    ) external returns (bytes32 tokenClass);

    /// @notice Replace the class's TokenScript.
    /// @dev Emits: {ScriptPublished}.
    ///
    /// Requirements:
    /// - the class is registered;
    /// - the caller is `owner()` of its token contract;
    /// - `scriptUri` has 1 to 512 bytes, `scriptHash` is not zero.
    function publishScript(bytes32 tokenClass, string calldata scriptUri, bytes32 scriptHash) external;

    /// @notice Change the issuer's share from the period after the next one on.
    /// @dev Emits: {ShareScheduled}. A change scheduled earlier for the same period is replaced.
    ///
    /// Requirements:
    /// - the class is registered;
    /// - the caller is `owner()` of its token contract;
    /// - `issuerShare` is at most the maximum of its first period.
    function scheduleShare(bytes32 tokenClass, uint16 issuerShare) external returns (uint32 fromPeriod);

    /// @notice The id of a token contract's class on this chain.
    function classIdOf(address tokenContract) external view returns (bytes32);

    /// @notice The class as it stands now. Requirements: it is registered.
    function classOf(bytes32 tokenClass) external view returns (TokenClass memory);

    /// @notice Whether the class is registered.
    function isRegistered(bytes32 tokenClass) external view returns (bool);

    /// @notice What the issuer earns in `period`: its payout account and share; zeros where the
    /// class is not registered or was not yet.
    function revenueAt(bytes32 tokenClass, uint32 period)
        external
        view
        returns (address payout, uint16 issuerShare);
}
