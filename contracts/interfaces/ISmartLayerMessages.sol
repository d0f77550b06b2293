// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title Signed messages of settlement
/// @notice The one home of every struct that is signed off chain and checked on chain. The Python
/// classes in `settlement/protocol/messages.py` mirror them field by field; the parity tests
/// compare names, types and digests. EIP-712 domain: ("SmartLayer", "1", chain id, hub).
interface ISmartLayerMessages {
    /// @notice Integration's session key to a service node: all that is owed in this lane so far.
    /// A lane is (signer, node, tokenClass, period).
    struct Voucher {
        address signer;
        uint32 period;
        address node;
        bytes32 tokenClass;
        uint128 cumulative;
    }

    /// @notice Anchor to a service node: `acknowledged` will be paid; serve up to `leaseCap`.
    struct Acknowledgement {
        address signer;
        uint32 period;
        address node;
        bytes32 tokenClass;
        uint128 acknowledged;
        uint128 leaseCap;
    }

    /// @notice Integration's session key to its anchor: the channel's balance for one period.
    struct Statement {
        address anchor;
        uint32 period;
        uint128 amount;
        bytes32 vouchersRoot;
    }

    /// @notice Both ends agree on what is owed for the period; the rest is refunded.
    struct Close {
        address signer;
        uint32 period;
        uint128 finalAmount;
        uint64 deadline;
    }

    /// @notice A node's key to its operator: this key consents to be registered by that account.
    struct KeyProof {
        address operator;
        address key;
    }

    /// @notice Anchor to a service node: in this period the node kept `instances` of the class, and
    /// answered `availability` (basis points) of the probes.
    struct UptimeAcknowledgement {
        address node;
        uint32 period;
        bytes32 tokenClass;
        uint64 instances;
        uint16 availability;
    }

    /// @notice Anchor to everybody: in this period the node fell short of its service level, in the way
    /// that `fault` tells ({IDisputeManager-ServiceFault}); `evidence` is keccak256 of the bundle that
    /// shows it.
    struct ServiceFinding {
        address node;
        uint32 period;
        uint8 fault;
        bytes32 evidence;
    }

    /// @notice The account that deployed a token contract: `issuer` may act for its class.
    struct ClassClaim {
        address tokenContract;
        address issuer;
    }

    /// @notice Anchor to the executor: in this attempt's window, you hold the token's lease. (version,
    /// attempt) is the fence. Mirrored, as JournalEntry is, by `node/protocol/messages.py`.
    struct ElectionVote {
        bytes32 token;
        uint64 version;
        uint32 attempt;
        address executor;
        bytes32 trigger;
        uint64 windowEnd;
    }

    /// @notice Executor and replicas: version `version` of the token follows from this input.
    /// (leaseVersion, attempt) is the fence of the lease it was written under.
    struct JournalEntry {
        bytes32 token;
        uint64 version;
        uint64 leaseVersion;
        uint32 attempt;
        address executor;
        bytes32 previous;
        bytes32 inputHash;
        bytes32 stateRoot;
        bytes32 outputHash;
        uint64 time;
    }
}
