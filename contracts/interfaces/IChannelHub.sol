// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {ISmartLayerMessages} from "./ISmartLayerMessages.sol";

/// @title What the hub's parts share
/// @notice Structs, events and errors of {IChannelHub}.
interface IChannelHubTypes is ISmartLayerMessages {
    /// @notice A channel as it stands now. `anchor` is the one of the current period; from period
    /// `nextAnchorFrom` on it is `nextAnchor` (both zero where no change is due).
    struct Channel {
        address owner;
        address anchor;
        address nextAnchor;
        uint32 nextAnchorFrom;
        uint32 openedIn;
        uint96 balance;
        uint128 withdrawalAmount;
        uint64 withdrawableAt;
    }

    /// @notice A signed Statement, compact (EIP-2098); anchor and period are the call's.
    struct StatementRow {
        uint128 amount;
        bytes32 vouchersRoot;
        bytes32 r;
        bytes32 vs;
    }

    /// @notice A Statement that was accepted. The chunk's commitment is
    /// keccak256(abi.encode(AcceptedRow[])), and the event carries the same rows.
    struct AcceptedRow {
        address signer;
        uint128 amount;
        bytes32 vouchersRoot;
    }

    /// @notice What one account is paid for a period; the zero account's part is burnt.
    struct Payout {
        address account;
        uint128 amount;
    }

    /// @notice A node of the payout tree beside the proved range.
    struct ProofNode {
        bytes32 hash;
        uint128 sum;
    }

    /// @notice One payout, or two beside each other, from index `firstIndex` on, with the tree's nodes
    /// beside them in the order of {IChannelHub-distribute}.
    struct PayoutProof {
        uint32 firstIndex;
        Payout[] payouts;
        ProofNode[] siblings;
    }

    /// @notice One lane of a node that claims directly: the payer's Voucher and the anchor's
    /// Acknowledgement, with compact signatures (EIP-2098). Node and period are the call's.
    struct DirectClaimRow {
        address signer;
        bytes32 tokenClass;
        uint128 cumulative;
        uint128 acknowledged;
        uint128 leaseCap;
        bytes32 voucherR;
        bytes32 voucherVs;
        bytes32 acknowledgementR;
        bytes32 acknowledgementVs;
    }

    /// @notice What a lane ({IChannelHub-laneOf}) was paid directly so far.
    struct PaidLane {
        bytes32 lane;
        uint128 amount;
    }

    /// @notice One lane that an anchor owes: its Acknowledgement with a compact signature (EIP-2098),
    /// or, with `r` and `vs` zero, the voucher that was posted for it. Node and period are the call's.
    struct OwedLane {
        address signer;
        bytes32 tokenClass;
        uint128 acknowledged;
        uint128 leaseCap;
        bytes32 r;
        bytes32 vs;
    }

    /// @notice A payment by ERC-3009: the payer signs receiveWithAuthorization to the hub, with the
    /// nonce that {openWithAuthorization} and {topUpWithAuthorization} ask for.
    struct Authorization {
        uint256 validAfter;
        uint256 validBefore;
        bytes32 salt;
        bytes signature;
    }

    /// @notice Where a pot stands. Open takes Statements; Committed has a root; Void's root was
    /// disproved. A committed pot is final once `finalAt` has come.
    enum PotStatus {
        Open,
        Committed,
        Void
    }

    /// @notice What an anchor collected in one period. `sum` is what the accepted Statements
    /// debited and is not restored, `distributed` what was credited of it. A void pot has no root, no
    /// payouts and no date any more.
    struct Pot {
        PotStatus status;
        uint128 sum;
        uint128 distributed;
        uint32 chunks;
        uint32 leafCount;
        uint64 finalAt;
        bytes32 root;
        uint128 bond;
    }

    /// @notice Why a row was skipped.
    enum SkipReason {
        None,
        SignatureInvalid,
        UnknownChannel,
        WrongAnchor,
        AlreadySettled,
        InsufficientBalance,
        ZeroAmount,
        AcknowledgementInvalid,
        NothingToClaim,
        NotSettled,
        LimitExceeded
    }

    /// @notice A channel was opened for session key `signer`; `amount` is its first deposit.
    event ChannelOpened(
        address indexed signer, address indexed owner, address indexed anchor, uint32 period, uint96 amount
    );
    /// @notice `amount` was added; `balance` is the channel's new one.
    event ChannelToppedUp(address indexed signer, address indexed payer, uint96 amount, uint96 balance);
    /// @notice From period `fromPeriod` on the channel's anchor is `anchor`.
    event AnchorChanged(address indexed signer, address indexed anchor, uint32 fromPeriod);
    /// @notice The owner will withdraw up to `amount` at `withdrawableAt`; zero cancels.
    event WithdrawalRequested(address indexed signer, uint128 amount, uint64 withdrawableAt);
    /// @notice `amount` went back to the owner; `balance` is what stays.
    event Withdrawn(address indexed signer, address indexed owner, uint96 amount, uint96 balance);
    /// @notice Statements were accepted and their channels debited. `chunk` counts from 0 within
    /// the pot; `commitment` is keccak256(abi.encode(rows)).
    event StatementsAccepted(
        address indexed anchor, uint32 indexed period, uint32 chunk, bytes32 commitment, AcceptedRow[] rows
    );
    /// @notice Row `index` of a {settleChunk} call was skipped; `signer` is what was recovered.
    event RowSkipped(
        address indexed anchor, uint32 indexed period, uint256 index, address signer, SkipReason reason
    );
    /// @notice Debits of an uncommitted or void pot were given back to their channels.
    event StatementsRestored(address indexed anchor, uint32 indexed period, uint32 chunk, uint128 amount);
    /// @notice The period's payouts are committed, with `sum` the root's sum.
    event PeriodCommitted(
        address indexed anchor,
        uint32 indexed period,
        bytes32 root,
        uint128 sum,
        uint32 leafCount,
        uint64 finalAt,
        uint128 bond
    );
    /// @notice The bond of a final period went back to the anchor's stake.
    event BondReleased(address indexed anchor, uint32 indexed period, uint128 bond);
    /// @notice Payouts from index `firstIndex` on were proved; those paid before were not paid again.
    event PayoutsDistributed(
        address indexed anchor, uint32 indexed period, uint32 firstIndex, Payout[] payouts
    );
    /// @notice A lane was claimed directly for `amount` gross; `claimed` is the lane's new total.
    event DirectClaimed(
        address indexed signer,
        address indexed node,
        uint32 indexed period,
        bytes32 tokenClass,
        uint128 amount,
        uint128 claimed
    );
    /// @notice Row `index` of a {claimDirect} call was skipped.
    event DirectRowSkipped(
        address indexed node, uint32 indexed period, uint256 index, address signer, SkipReason reason
    );
    /// @notice The owner's next session key signs from period `fromPeriod` on; `channel` stays the
    /// channel's name, its first key.
    event SignerRotated(address indexed channel, address indexed signer, uint32 fromPeriod);
    /// @notice From period `fromPeriod` on the key may spend at most `cap` a period (0: all that there
    /// is); from period `until` on it signs nothing (0: no end).
    event SignerLimited(address indexed signer, uint96 cap, uint32 fromPeriod, uint32 until);
    /// @notice Both ends closed the channel: `amount` stays for what is owed, `refund` went back.
    event ChannelClosed(address indexed signer, uint32 indexed period, uint96 amount, uint96 refund);
    /// @notice A node posted a lane's voucher in time; `amount` counts as acknowledged.
    event VoucherPosted(
        address indexed signer,
        address indexed node,
        uint32 indexed period,
        bytes32 tokenClass,
        uint128 amount
    );
    /// @notice The root is void. `challenger` disproved it; `node` was to be paid at least `owed` and
    /// the root pays it `paid`. All three are zero where the tree is out of order (then `node` too), and
    /// `challenger` is zero where a demand was not answered, which costs no bond.
    event PeriodVoided(
        address indexed anchor,
        uint32 indexed period,
        address challenger,
        address node,
        uint256 owed,
        uint256 paid
    );
    /// @notice Somebody asks to see what the root pays `account`, until `answerUntil`.
    event PayoutDemanded(
        address indexed anchor, uint32 indexed period, address indexed account, uint64 answerUntil
    );
    /// @notice The root was shown to pay `account` this much. The proof is in the event, so that whoever
    /// the root underpays can challenge with it, however the anchor sent it.
    event PayoutShown(
        address indexed anchor,
        uint32 indexed period,
        address indexed account,
        uint128 amount,
        PayoutProof proof
    );
    /// @notice The bond of a void period left the lock: to be slashed where `forfeited`, else free.
    event BondForfeited(address indexed anchor, uint32 indexed period, uint128 bond, bool forfeited);
    /// @notice `amount` of an account's credit bought `periods` of rent for a class.
    event CreditSpentOnRent(
        address indexed account, bytes32 indexed tokenClass, uint32 periods, uint128 amount
    );
    /// @notice `amount` of an account's credit left the hub.
    event CreditWithdrawn(address indexed account, address indexed to, uint128 amount);
    /// @notice `amount` of protocol fees was burnt.
    event CreditBurnt(uint128 amount);

    /// @notice A channel exists already for this session key.
    error ChannelHub_ChannelExists(address signer);
    /// @notice No channel exists for this session key.
    error ChannelHub_UnknownChannel(address signer);
    /// @notice The zero account cannot sign, own or receive.
    error ChannelHub_ZeroAccount();
    /// @notice The amount is zero, or more than there is.
    error ChannelHub_AmountInvalid(uint256 amount, uint256 available);
    /// @notice Only the channel's owner may do this.
    error ChannelHub_NotOwner(address signer, address caller);
    /// @notice This node is not an active anchor.
    error ChannelHub_NotAnchor(address anchor);
    /// @notice The last change of anchor is still needed for earlier periods, until `freeAt`.
    error ChannelHub_AnchorChangePending(address signer, uint64 freeAt);
    /// @notice No withdrawal was requested.
    error ChannelHub_NoWithdrawal(address signer);
    /// @notice The withdrawal is released at `withdrawableAt`.
    error ChannelHub_WithdrawalNotReleased(address signer, uint64 withdrawableAt);
    /// @notice The call belongs into [from, until).
    error ChannelHub_OutsideWindow(uint256 now_, uint64 from, uint64 until);
    /// @notice The pot is not in the state that the call needs.
    error ChannelHub_PotStatus(address anchor, uint32 period, PotStatus status);
    /// @notice The committed sum is not what the accepted Statements debited.
    error ChannelHub_SumMismatch(uint256 sum, uint256 pot);
    /// @notice A tree has at least one payout.
    error ChannelHub_NoPayouts();
    /// @notice A pot holds 65,535 chunks at most; send larger ones.
    error ChannelHub_TooManyChunks();
    /// @notice The root is final at `finalAt`.
    error ChannelHub_NotFinal(address anchor, uint32 period, uint64 finalAt);
    /// @notice These payouts do not lie in the committed tree at this place.
    error ChannelHub_ProofInvalid(address anchor, uint32 period);
    /// @notice The rows are not those that were accepted as this chunk, or were restored already.
    error ChannelHub_ChunkMismatch(address anchor, uint32 period, uint32 chunk);
    /// @notice The payout was paid already.
    error ChannelHub_AlreadyPaid(address anchor, uint32 period, uint32 index);

    /// @notice The lanes shown are not those of this page, or the page before it is still empty.
    error ChannelHub_PageInvalid(uint32 page);
    /// @notice Beyond `most` lanes only the node's key, operator and payout account add to a page.
    error ChannelHub_PageFull(uint32 page, uint256 lanes, uint256 most);
    /// @notice Claims ascend by lane, within their page; row `index` does not.
    error ChannelHub_LaneOffPage(uint256 index);
    /// @notice No node has this key.
    error ChannelHub_UnknownNode(address key);
    /// @notice The evidence's row `index` does not hold.
    error ChannelHub_LaneInvalid(uint256 index, SkipReason reason);
    /// @notice Evidence names each lane once, ordered by signer and then class; row `index` does not.
    error ChannelHub_LanesUnordered(uint256 index);
    /// @notice The proved payouts show neither what `account` is paid nor that it is not.
    error ChannelHub_PayoutNotShown(address account);
    /// @notice The root pays `paid`, which is not less than the `owed` that is proved.
    error ChannelHub_NotUnderpaid(uint256 owed, uint256 paid);
    /// @notice These payouts are in order: accounts ascend.
    error ChannelHub_InOrder(address first, address second);
    /// @notice No demand is open for this account, or one was made already.
    error ChannelHub_DemandInvalid(address account);
    /// @notice These are not the challenger and the node by whom the root was disproved.
    error ChannelHub_ChallengerInvalid(address challenger, address node);
    /// @notice The signature is not `account`'s for this message.
    error ChannelHub_SignatureInvalid(address account);
    /// @notice The agreement could be used until `deadline`.
    error ChannelHub_Expired(uint64 deadline);
    /// @notice A period is closed while it runs: `current`.
    error ChannelHub_WrongPeriod(uint32 period, uint32 current);
    /// @notice The last change of session key takes effect in `fromPeriod`; change it after that.
    error ChannelHub_RotationPending(address signer, uint32 fromPeriod);
    /// @notice A key ends with the current period at the earliest.
    error ChannelHub_ExpiryInvalid(uint32 until, uint32 current);
    /// @notice The cap before the last change is still needed for earlier periods, until `freeAt`.
    error ChannelHub_LimitPending(address signer, uint64 freeAt);
    /// @notice The extension was made for another network.
    error ChannelHub_ExtensionMismatch(address extension);
    /// @notice Only the contract itself may run this code, in its own storage.
    error ChannelHub_NotDelegated();
    /// @notice New money is stopped by the emergency brake until `pausedUntil`.
    error ChannelHub_Paused(uint64 pausedUntil);
}

/// @title Channels, netted settlement and credit
/// @notice Integrations deposit Service Tokens into one channel per session signer and choose an
/// anchor. Period by period the anchor turns signed Statements into debits ({settleChunk}), commits
/// one Merkle-sum root of payouts ({commitPeriod}), and anyone distributes it to internal credit
/// when it is final ({distribute}, {claim}). What the anchor did not settle, nodes claim themselves
/// ({claimDirect}).
///
/// The tree of payouts, and where the zero account stands for what is burnt, is described in
/// `libraries/MerkleSum.sol`; the splits in `libraries/Splits.sol`; the windows in `IParameters`.
///
/// @dev Safety needs: the Service Token moves exactly the amounts asked for; keys sign only what
/// their owners mean; the chain's time is right within the windows. Liveness needs: somebody sends
/// each transaction within its window; the anchor is never trusted with more than that.
interface IChannelHub is IChannelHubTypes {
    /// @notice Open a channel for session key `signer`, owned by `owner`, and deposit.
    /// @dev Emits: {ChannelOpened}. A session key is nobody's account: whoever fears that a
    /// stranger opens its channel first makes a new key; a deposit is always its owner's.
    ///
    /// Requirements:
    /// - neither `signer` nor `owner` is the zero account;
    /// - no channel exists for `signer`, and it was never named the next key of one;
    /// - `anchor` is the key of an active anchor;
    /// - `amount` is not zero, and the caller has approved it.
    function open(address signer, address owner, address anchor, uint96 amount) external;

    /// @notice Add to a channel's balance; anyone may.
    /// @dev Emits: {ChannelToppedUp}.
    ///
    /// Requirements:
    /// - the channel exists;
    /// - `amount` is not zero, and the caller has approved it.
    function topUp(address signer, uint96 amount) external;

    /// @notice Choose another anchor from the next period on.
    /// @dev Emits: {AnchorChanged}.
    ///
    /// Requirements:
    /// - the caller is the channel's owner;
    /// - `anchor` is the key of an active anchor;
    /// - every window of the periods before the last change is over, or that change is still to
    ///   take effect and is replaced.
    function setAnchor(address signer, address anchor) external;

    /// @notice Ask for up to `amount` of the balance back; zero cancels. The wait begins when the
    /// current period closes, so that all of its windows end first. From this event on the amount
    /// backs nothing any more: anchors lease against balance - withdrawalAmount, and a request that
    /// is never carried out still counts.
    /// @dev Emits: {WithdrawalRequested}. A new request replaces the earlier one and its wait.
    ///
    /// Requirements:
    /// - the caller is the channel's owner;
    /// - `amount` is at most the balance.
    function requestWithdrawal(address signer, uint128 amount) external;

    /// @notice Send what was requested, or what is left of it, to the owner; anyone may.
    /// @dev Emits: {Withdrawn}.
    ///
    /// Requirements:
    /// - a withdrawal was requested, and its time has come;
    /// - the balance is not zero.
    function withdraw(address signer) external returns (uint96 amount);

    /// @notice Debit channels by their signed Statements of `period` into the caller's pot.
    /// @dev Emits: {StatementsAccepted} where a row was accepted, {RowSkipped} for each that was
    /// not: a bad row never blocks the others.
    ///
    /// Requirements:
    /// - the caller is the key of a registered node;
    /// - the time lies in the settle window of `period`;
    /// - the caller's pot of `period` is open.
    /// A row is skipped unless:
    /// - its amount is not zero;
    /// - its signature is canonical (EIP-2098 admits no high s) and recovers to a channel's signer;
    /// - the channel's anchor in `period` is the caller;
    /// - the channel is not settled in `period`, and was opened in it or before;
    /// - the balance covers its amount, and so does the session key's cap of the period.
    function settleChunk(uint32 period, StatementRow[] calldata rows) external;

    /// @notice Commit the payouts of `period` as a Merkle-sum tree, and lock the anchor's bond.
    /// @dev Emits: {PeriodCommitted}.
    ///
    /// Requirements:
    /// - the time lies in the settle window of `period`;
    /// - the caller's pot of `period` is open and not empty, which only {settleChunk} makes it;
    /// - `sum` is the pot's;
    /// - `leafCount` is not zero;
    /// - the caller's free stake covers the bond: ceil(sum * bondRatio / 10,000).
    function commitPeriod(uint32 period, bytes32 root, uint128 sum, uint32 leafCount) external;

    /// @notice Give the debits of one accepted chunk back to their channels; anyone may.
    /// @dev Emits: {StatementsRestored}. Open pots are restored when the settle window has passed
    /// without a commit; void ones at once. Nodes then claim directly.
    ///
    /// Requirements:
    /// - the pot is void, or open after its settle window;
    /// - `rows` are those accepted as `chunk`, not restored yet.
    function restoreChunk(address anchor, uint32 period, uint32 chunk, AcceptedRow[] calldata rows) external;

    /// @notice Credit the payouts with indices firstIndex, firstIndex + 1, …; anyone may.
    /// @dev Emits: {PayoutsDistributed}. Payouts that were paid before are passed over.
    ///
    /// `siblings` are the tree's nodes beside the range, from the leaves up. On each level: where
    /// the range's first index is odd, the node left of it; then, where the range's last index is
    /// even and is not the level's last, the node right of it. Both indices are halved and the
    /// level's size is halved, rounded up, to reach the next level; it ends at size 1.
    ///
    /// Requirements:
    /// - the pot is committed and final;
    /// - `payouts` is not empty, and ends within the tree;
    /// - `payouts` with `siblings` lead to the committed root and sum.
    function distribute(
        address anchor,
        uint32 period,
        uint32 firstIndex,
        Payout[] calldata payouts,
        ProofNode[] calldata siblings
    ) external;

    /// @notice Credit one payout; anyone may.
    /// @dev Emits: {PayoutsDistributed}. Requirements: those of {distribute}, and the payout was
    /// not paid yet ({ChannelHub_AlreadyPaid}).
    function claim(
        address anchor,
        uint32 period,
        uint32 index,
        Payout calldata payout,
        ProofNode[] calldata siblings
    ) external;

    /// @notice Give the bond of a final period back to the anchor's stake; anyone may.
    /// @dev Emits: {BondReleased}.
    ///
    /// Requirements:
    /// - the pot is committed and final;
    /// - its bond is not zero, and was not released.
    function releaseBond(address anchor, uint32 period) external;

    /// @notice Pay a node for lanes that the anchor did not settle; anyone may, the node's payout
    /// account is credited.
    /// @dev Emits: {DirectClaimed} for each lane paid, {DirectRowSkipped} for each that was not.
    /// A lane is paid min(cumulative, leaseCap), less what it was paid before, at most the channel's
    /// balance and what the session key's cap leaves. The anchor failed, so its share is the node's;
    /// the other splits apply.
    ///
    /// What lanes were paid is kept by pages of `libraries/ClaimPages.sol`, each as its hash: `paid` is
    /// the whole page as it stands, empty for a new one. The events tell it. Whoever claims a lane in
    /// between changes the page, so that a claim which was built on the old one is refused, and built
    /// anew; the node has lost nothing by it, as that lane was paid to it.
    ///
    /// Requirements:
    /// - `node` is the key of a registered node;
    /// - the time lies in the direct claim window of `period`;
    /// - `paid` is what `page` holds, and the page before it holds something;
    /// - rows ascend by lane, and lie within the page: above the page before it, and not above its own
    ///   highest where another page comes behind it;
    /// - the page holds at most 256 lanes after it, or not more than before, or the caller is the node's
    ///   key, its operator or its payout account: strangers do not make a page too long to be shown.
    /// A row is skipped unless:
    /// - the channel exists, and is not settled in `period`;
    /// - the session key's cap of the period is not used up;
    /// - both signatures' first words are zero and the lane's voucher was posted, which then counts
    ///   as `cumulative` and `leaseCap`; or both hold:
    /// - the Voucher was signed by the channel's session key, the signature canonical;
    /// - the Acknowledgement was signed by the channel's anchor in `period`, the signature canonical;
    /// - something is left to claim.
    function claimDirect(
        address node,
        uint32 period,
        uint32 page,
        PaidLane[] calldata paid,
        DirectClaimRow[] calldata rows
    ) external;

    /// @notice Send `amount` of the caller's credit to `to`.
    /// @dev Emits: {CreditWithdrawn}.
    ///
    /// Requirements:
    /// - `to` is not the zero account;
    /// - `amount` is not zero and at most the caller's credit.
    function withdrawCredit(address to, uint128 amount) external;

    /// @notice Burn the zero account's credit: the part of protocol fees that nobody gets.
    /// @dev Emits: {CreditBurnt}. Requirements: there is some.
    function burnCredit() external returns (uint128 amount);

    /// @notice The channel of a session key; its owner is zero where none exists.
    function channelOf(address signer) external view returns (Channel memory);

    /// @notice The key of the anchor that settles the channel in `period`, zero where none does.
    function anchorAt(address signer, uint32 period) external view returns (address);

    /// @notice Whether the channel was settled in `period`, and not restored. Periods more than 31
    /// before the last settled one count as settled.
    function isSettled(address signer, uint32 period) external view returns (bool);

    /// @notice An anchor's pot of one period.
    function potOf(address anchor, uint32 period) external view returns (Pot memory);

    /// @notice The commitment of one accepted chunk, zero where there is none or it was restored.
    function chunkOf(address anchor, uint32 period, uint32 chunk) external view returns (bytes32);

    /// @notice Whether the payout at `index` was paid.
    function isPaid(address anchor, uint32 period, uint32 index) external view returns (bool);

    /// @notice The word of a page of lanes that were paid directly, 0 for an empty one: the highest 208
    /// bits of its hash, and the highest 48 of its highest lane.
    function claimPage(address node, uint32 period, uint32 page) external view returns (uint256);

    /// @notice A lane's number, by which claims are ordered: the highest 24 bits of the class, then the
    /// highest 232 of keccak256(abi.encode(signer, period, node, tokenClass)).
    function laneOf(address signer, uint32 period, address node, bytes32 tokenClass)
        external
        pure
        returns (bytes32);

    /// @notice An account's credit.
    function creditOf(address account) external view returns (uint128);

    /// @notice The EIP-712 domain separator of every signed message.
    function domainSeparator() external view returns (bytes32);

    /// @notice {open} by a permit (ERC-2612) of the caller, who pays; no approval is needed before.
    /// @dev Emits: {ChannelOpened}. A permit that somebody used already does no harm: its allowance
    /// stands.
    ///
    /// Requirements:
    /// - those of {open};
    /// - the caller's permit, or an earlier approval, covers `amount`.
    function openWithPermit(
        address signer,
        address owner,
        address anchor,
        uint96 amount,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external;

    /// @notice {topUp} by a permit (ERC-2612) of the caller, who pays.
    /// @dev Emits: {ChannelToppedUp}. Requirements: those of {topUp}, and the permit or an earlier
    /// approval covers `amount`.
    function topUpWithPermit(address signer, uint96 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external;

    /// @notice {open} by an authorization (ERC-3009) of the owner, who pays; anyone may send it. The
    /// authorization's nonce is keccak256(abi.encode(signer, anchor, salt)), so that nobody can open
    /// another channel with it.
    /// @dev Emits: {ChannelOpened}. `owner` may be a smart account (ERC-1271).
    ///
    /// Requirements:
    /// - those of {open};
    /// - the owner's authorization of `amount` to the hub holds, and its nonce is that of this call.
    function openWithAuthorization(
        address signer,
        address owner,
        address anchor,
        uint96 amount,
        Authorization calldata authorization
    ) external;

    /// @notice {topUp} by an authorization (ERC-3009) of `payer`; anyone may send it. Its nonce is
    /// keccak256(abi.encode(signer, address(0), salt)).
    /// @dev Emits: {ChannelToppedUp}. Requirements: those of {topUp}, and the payer's authorization
    /// of `amount` to the hub holds, and its nonce is that of this call.
    function topUpWithAuthorization(
        address signer,
        address payer,
        uint96 amount,
        Authorization calldata authorization
    ) external;

    /// @notice Let another session key sign for a channel from the next period on. The key before
    /// stays valid for its own periods, through all of their windows; the channel keeps its name,
    /// which is its first key.
    /// @dev Emits: {SignerRotated}.
    ///
    /// Requirements:
    /// - the caller is the channel's owner;
    /// - `nextSigner` is not the zero account and was never a session key;
    /// - the last change of key has taken effect.
    function rotateSigner(address signer, address nextSigner) external;

    /// @notice {open} for a session key that may spend at most `cap` a period, and signs until period
    /// `until`, as {limitSigner} says, from the beginning on: the deposit may be a smart account's, and
    /// a key that lies about on a server endangers no more than its cap.
    /// @dev Emits: {ChannelOpened}, {SignerLimited}.
    ///
    /// Requirements:
    /// - those of {open};
    /// - `until` is zero or later than the current period.
    function openLimited(
        address signer,
        address owner,
        address anchor,
        uint96 amount,
        uint96 cap,
        uint32 until
    ) external;

    /// @notice Limit what a session key of a channel may spend in a period, and how long it signs. Zero
    /// is no cap, and no end. A wider cap holds at once, a narrower one from the next period on, since
    /// the present one's leases rest on the wider. The owner renews a key by calling it again.
    /// @dev Emits: {SignerLimited}. Statements above the cap are skipped; direct claims are paid up to
    /// it. Anchors lease no more than it: {heldIn}.
    ///
    /// Requirements:
    /// - the caller is the owner of the channel that the key signs for, or will;
    /// - `until` is zero or later than the current period;
    /// - where the cap becomes narrower, every window of the periods before the last such change is
    ///   over, or that change is still to take effect and is replaced.
    function limitSigner(address signer, uint96 cap, uint32 until) external;

    /// @notice Close a channel in agreement: all but `finalAmount` goes back to its owner at once. The
    /// anchor signs only what covers every lease that it gave, as the channel holds `finalAmount`
    /// from now on: {IDisputeManager-punishOverLeasing}.
    /// @dev Emits: {ChannelClosed}. A withdrawal that was requested is dropped.
    ///
    /// Requirements:
    /// - the channel exists, and its current key or its owner signed `agreement`;
    /// - the channel's anchor in the period signed it too;
    /// - its period is the current one, and its deadline has not passed;
    /// - every window of the periods under an earlier anchor is over;
    /// - `finalAmount` is less than the balance.
    /// An owner that is a smart account signs through ERC-1271; one with code whose own key signs
    /// (ERC-7702) is accepted either way.
    function close(Close calldata agreement, bytes calldata payerSignature, bytes calldata anchorSignature)
        external;

    /// @notice Post a lane's voucher while the anchor may still acknowledge. What the anchor leased of
    /// it counts as acknowledged, in {challenge} and in {claimDirect}: an anchor that does not
    /// answer a voucher within its own lease gains nothing by it.
    /// @dev Emits: {VoucherPosted}. The lease is the anchor's own signature, so that no payer and
    /// node together can make an anchor owe what it never backed.
    ///
    /// Requirements:
    /// - `node` is the key of a registered node;
    /// - the time lies between the opening of `period` and the end of its grace;
    /// - the row holds, as in {claimDirect} ({ChannelHub_LaneInvalid});
    /// - min(cumulative, leaseCap) is more than what was posted for the lane.
    function postVoucher(address node, uint32 period, DirectClaimRow calldata row) external;

    /// @notice Disprove a root that pays a node less than its anchor acknowledged; anyone may. The
    /// root is void: its Statements are restored ({restoreChunk}), nodes claim directly, and the
    /// bond is forfeit ({forfeitBond}) with the caller as challenger.
    /// @dev Emits: {PeriodVoided}. An anchor settles a channel only by a Statement that covers what
    /// it acknowledged and what was posted; the others it leaves to direct claims. What payers and
    /// nodes sign is no evidence here, so they cannot frame it.
    ///
    /// The tree's accounts ascend strictly, so an account's leaf is its only one. Shown are either
    /// this leaf, or that there is none: the two leaves between which it would stand, or the first
    /// or last leaf beside which it would stand.
    ///
    /// Requirements:
    /// - the pot is committed and not final;
    /// - `lanes` are ordered by signer and class, each once;
    /// - each lane's channel was settled in `period` by `anchor`;
    /// - each lane's Acknowledgement is signed by `anchor`, or its voucher was posted;
    /// - its payouts with their siblings lead to the committed root and sum;
    /// - they show what the node's account is paid, or that it is not paid;
    /// - the node's shares of the lanes, each less two units for rounding, sum to more than that.
    function challenge(
        address anchor,
        uint32 period,
        address node,
        OwedLane[] calldata lanes,
        PayoutProof calldata proof
    ) external;

    /// @notice Disprove a root whose accounts do not ascend strictly; anyone may. The consequences are
    /// those of {challenge}.
    /// @dev Emits: {PeriodVoided}.
    ///
    /// Requirements:
    /// - the pot is committed and not final;
    /// - two payouts with their siblings lead to the committed root and sum;
    /// - the first one's account is not below the second's.
    function challengeOrder(address anchor, uint32 period, PayoutProof calldata proof) external;

    /// @notice Ask to see what a root pays a node that is owed something; anyone may. A tree that
    /// nobody shows cannot be challenged, so it must not become final.
    /// @dev Emits: {PayoutDemanded}. Answers come until a quarter of the challenge window is left.
    ///
    /// Requirements:
    /// - the pot is committed, and half of its challenge window is left;
    /// - `lanes` hold as in {challenge}, and there is one;
    /// - nobody asked for this account before.
    function demandPayout(address anchor, uint32 period, address node, OwedLane[] calldata lanes) external;

    /// @notice Show what a root pays an account, by leaf or by absence as in {challenge}; anyone may.
    /// @dev Emits: {PayoutShown}.
    ///
    /// Requirements:
    /// - the pot is committed, and a demand is open for `account`;
    /// - its payouts with their siblings lead to the committed root and sum, and show the account's payout.
    function showPayout(address anchor, uint32 period, address account, PayoutProof calldata proof) external;

    /// @notice Void a root of which a demanded payout was not shown in time; anyone may. No bond is
    /// lost by it: being absent is not fraud.
    /// @dev Emits: {PeriodVoided}.
    ///
    /// Requirements:
    /// - the pot is committed and not final;
    /// - a demand for `account` is open, and a quarter or less of the challenge window is left.
    function voidUnshown(address anchor, uint32 period, address account) external;

    /// @notice Hand the bond of a void period to the disputes: slashed where the root was disproved,
    /// else free again; anyone may.
    /// @dev Emits: {BondForfeited}.
    ///
    /// Requirements:
    /// - the pot is void;
    /// - its bond is not zero, and was not released;
    /// - where the root was disproved, `challenger` and `node` are those of {PeriodVoided}.
    function forfeitBond(address anchor, uint32 period, address challenger, address node) external;

    /// @notice Buy rent for a class with the caller's credit, without leaving the hub.
    /// @dev Emits: {CreditSpentOnRent}.
    ///
    /// Requirements:
    /// - `maximum` is not zero and at most the caller's credit;
    /// - the rent for `periods` costs at most `maximum`;
    /// - the rent vault accepts the payment.
    /// @return amount What the rent cost.
    function spendCreditOnRent(bytes32 tokenClass, uint32 periods, uint128 maximum)
        external
        returns (uint128 amount);

    /// @notice What was posted for a lane.
    function postedAmount(address signer, uint32 period, address node, bytes32 tokenClass)
        external
        view
        returns (uint128);

    /// @notice What the key may spend in `period`, zero for all that there is, and from which period on
    /// it signs nothing, zero for never.
    function limitOf(address signer, uint32 period) external view returns (uint96 cap, uint32 until);

    /// @notice A bound of what the channel ever held in `period`: its highest balance since it was
    /// opened or last closed, rounded up to 2^32, and at most the key's cap. Zero where `period` lies before that, or the key
    /// does not sign in it.
    function heldIn(address signer, uint32 period) external view returns (uint128);

    /// @notice The channel that `signer` signs for in `period`, by its first key; zero where none.
    function channelAt(address signer, uint32 period) external view returns (address);
}
