// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title Token classes, their issuers, scripts and revenue shares
/// @notice A token class is a token contract on this chain; its id is
/// keccak256(abi.encode(chainId, contract)). Who may act for a class is its token contract's
/// `owner()`, or whoever has the role DEFAULT_ADMIN_ROLE in it (AccessControl), so that rights follow
/// the contract when it changes hands. For a contract that names nobody, the account that deployed it
/// speaks: its signature names the class's first controller, and its nonce at the time proves that it
/// deployed. A class can be handed to a controller, who may act for it beside the contract's owner.
/// A script's hash is keccak256 of the TSML file's bytes.
/// @dev Safety needs: `owner()` and `hasRole()` of the token contract tell the truth about who may
/// speak for it.
interface IIssuerRegistry {
    /// @notice A token class as it stands now.
    struct TokenClass {
        address tokenContract;
        address payout;
        string scriptUri;
        bytes32 scriptHash;
        uint32 registeredIn;
        address controller;
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

    /// @notice Revenue of period `fromPeriod` and later goes to `payout`.
    event IssuerPayoutChanged(bytes32 indexed tokenClass, address payout, uint32 fromPeriod);
    /// @notice The class was offered to another account, or the offer was taken back (zero).
    event ClassOffered(bytes32 indexed tokenClass, address indexed controller);
    /// @notice The class has a new controller.
    event ClassTransferred(bytes32 indexed tokenClass, address indexed previous, address indexed controller);
    /// @notice Hub and rent vault were named, once and for good.
    event VenuesSet(address indexed hub, address indexed rent);

    /// @notice The token contract names its owner itself, so its deployer has no say.
    error IssuerRegistry_OwnerKnown(address tokenContract);
    /// @notice The signer did not deploy the token contract with this nonce.
    error IssuerRegistry_NotDeployer(address tokenContract, address signer, uint64 nonce);
    /// @notice Nobody offered the class to the caller.
    error IssuerRegistry_NotOffered(bytes32 tokenClass, address caller);
    /// @notice Only the founder names hub and rent vault, and once only.
    error IssuerRegistry_NotFounder(address caller);
    /// @notice The class is registered already.
    error IssuerRegistry_ClassTaken(bytes32 tokenClass);
    /// @notice No such class is registered.
    error IssuerRegistry_UnknownClass(bytes32 tokenClass);
    /// @notice The caller is neither owner nor administrator of the token contract, nor the class's
    /// controller.
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
    /// - the caller is `owner()` or administrator of `tokenContract`;
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

    /// @notice Register the class of a token contract that names no owner, for its deployer. The
    /// caller becomes the class's controller.
    /// @dev Emits: {ClassRegistered}, {ScriptPublished}, {ClassTransferred}.
    ///
    /// Requirements:
    /// - as in {registerClass}, but for the owner;
    /// - `tokenContract` answers neither `owner()`, unless with zero, nor AccessControl's `hasRole`;
    /// - `consent` is the EIP-712 signature (r | s | v) of ClassClaim(tokenContract, caller) by an
    ///   account that created `tokenContract` with its transaction number `nonce`.
    function registerClassByDeployer(
        address tokenContract,
        address payout,
        uint16 issuerShare,
        string calldata scriptUri,
        bytes32 scriptHash,
        uint64 nonce,
        bytes calldata consent
    ) external returns (bytes32 tokenClass);

    /// @notice Offer a class to another account, who would act for it beside the contract's owner;
    /// zero takes the offer back.
    /// @dev Emits: {ClassOffered}. Requirements: the caller may act for the class.
    function offerClass(bytes32 tokenClass, address controller) external;

    /// @notice Become the controller of a class that was offered to the caller.
    /// @dev Emits: {ClassTransferred}. Requirements: it was offered to the caller.
    function acceptClass(bytes32 tokenClass) external;

    /// @notice Pay the issuer's revenue to another account, from the next period on.
    /// @dev Emits: {IssuerPayoutChanged}.
    ///
    /// Requirements:
    /// - the caller may act for the class;
    /// - `payout` is not the zero account.
    function setIssuerPayout(bytes32 tokenClass, address payout) external;

    /// @notice Name the hub, whose domain consents are signed for, and the rent vault, which
    /// garnishes revenue.
    /// @dev Emits: {VenuesSet}. Requirements: the caller is the founder; none is named yet.
    function setVenues(address hub_, address rent_) external;

    /// @notice Replace the class's TokenScript.
    /// @dev Emits: {ScriptPublished}.
    ///
    /// Requirements:
    /// - the class is registered;
    /// - the caller may act for it: owner or administrator of its token contract, or controller;
    /// - `scriptUri` has 1 to 512 bytes, `scriptHash` is not zero.
    function publishScript(bytes32 tokenClass, string calldata scriptUri, bytes32 scriptHash) external;

    /// @notice Change the issuer's share from the period after the next one on.
    /// @dev Emits: {ShareScheduled}. A change scheduled earlier for the same period is replaced.
    ///
    /// Requirements:
    /// - the class is registered;
    /// - the caller may act for it: owner or administrator of its token contract, or controller;
    /// - `issuerShare` is at most the maximum of its first period.
    function scheduleShare(bytes32 tokenClass, uint16 issuerShare) external returns (uint32 fromPeriod);

    /// @notice The id of a token contract's class on this chain.
    function classIdOf(address tokenContract) external view returns (bytes32);

    /// @notice The class as it stands now. Requirements: it is registered.
    function classOf(bytes32 tokenClass) external view returns (TokenClass memory);

    /// @notice Whether the class is registered.
    function isRegistered(bytes32 tokenClass) external view returns (bool);

    /// @notice Where the class's scripts are, as ERC-5169 gives it for a contract: the registered
    /// one, then those that the token contract names itself.
    function scriptURI(bytes32 tokenClass) external view returns (string[] memory);

    /// @notice What the issuer earns in `period`: its payout account and share; zeros where the
    /// class is not registered or was not yet. While rent is in arrears the account is the class's
    /// rent purse.
    function revenueAt(bytes32 tokenClass, uint32 period)
        external
        view
        returns (address payout, uint16 issuerShare);
}
