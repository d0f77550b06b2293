// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {ISmartLayerMessages} from "../interfaces/ISmartLayerMessages.sol";

/// @title EIP-712 hashes of the signed messages
/// @notice The one place where the structs of {ISmartLayerMessages} are hashed.
library MessageHashes {
    bytes32 internal constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 internal constant VOUCHER_TYPEHASH =
        keccak256("Voucher(address signer,uint32 period,address node,bytes32 tokenClass,uint128 cumulative)");
    bytes32 internal constant ACKNOWLEDGEMENT_TYPEHASH = keccak256(
        "Acknowledgement(address signer,uint32 period,address node,bytes32 tokenClass,uint128 acknowledged,uint128 leaseCap)"
    );
    bytes32 internal constant STATEMENT_TYPEHASH =
        keccak256("Statement(address anchor,uint32 period,uint128 amount,bytes32 vouchersRoot)");
    bytes32 internal constant CLOSE_TYPEHASH =
        keccak256("Close(address signer,uint32 period,uint128 finalAmount,uint64 deadline)");
    bytes32 internal constant KEY_PROOF_TYPEHASH = keccak256("KeyProof(address operator,address key)");
    bytes32 internal constant UPTIME_ACKNOWLEDGEMENT_TYPEHASH = keccak256(
        "UptimeAcknowledgement(address node,uint32 period,bytes32 tokenClass,uint64 instances,uint16 availability)"
    );
    bytes32 internal constant SERVICE_FINDING_TYPEHASH =
        keccak256("ServiceFinding(address node,uint32 period,uint8 fault,bytes32 evidence)");
    bytes32 internal constant CLASS_CLAIM_TYPEHASH =
        keccak256("ClassClaim(address tokenContract,address issuer)");

    bytes32 internal constant ELECTION_VOTE_TYPEHASH = keccak256(
        "ElectionVote(bytes32 token,uint64 version,uint32 attempt,address executor,bytes32 trigger,uint64 windowEnd)"
    );
    bytes32 internal constant JOURNAL_ENTRY_TYPEHASH = keccak256(
        "JournalEntry(bytes32 token,uint64 version,uint64 leaseVersion,uint32 attempt,address executor,bytes32 previous,bytes32 inputHash,bytes32 stateRoot,bytes32 outputHash,uint64 time)"
    );

    /// @notice The domain separator of ("SmartLayer", "1", this chain, `hub`).
    function domainSeparator(address hub) internal view returns (bytes32) {
        return
            keccak256(
                abi.encode(DOMAIN_TYPEHASH, keccak256("SmartLayer"), keccak256("1"), block.chainid, hub)
            );
    }

    /// @notice hashStruct of a Voucher.
    function hash(ISmartLayerMessages.Voucher memory m) internal pure returns (bytes32) {
        return keccak256(abi.encode(VOUCHER_TYPEHASH, m.signer, m.period, m.node, m.tokenClass, m.cumulative));
    }

    /// @notice hashStruct of an Acknowledgement.
    function hash(ISmartLayerMessages.Acknowledgement memory m) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                ACKNOWLEDGEMENT_TYPEHASH, m.signer, m.period, m.node, m.tokenClass, m.acknowledged, m.leaseCap
            )
        );
    }

    /// @notice hashStruct of a Statement.
    function hash(ISmartLayerMessages.Statement memory m) internal pure returns (bytes32) {
        return hashStatement(m.anchor, m.period, m.amount, m.vouchersRoot);
    }

    /// @notice hashStruct of a Statement from its parts, which settling has at hand.
    function hashStatement(address anchor, uint32 period, uint128 amount, bytes32 vouchersRoot)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(STATEMENT_TYPEHASH, anchor, period, amount, vouchersRoot));
    }

    /// @notice hashStruct of a Close.
    function hash(ISmartLayerMessages.Close memory m) internal pure returns (bytes32) {
        return keccak256(abi.encode(CLOSE_TYPEHASH, m.signer, m.period, m.finalAmount, m.deadline));
    }

    /// @notice hashStruct of a KeyProof.
    function hash(ISmartLayerMessages.KeyProof memory m) internal pure returns (bytes32) {
        return keccak256(abi.encode(KEY_PROOF_TYPEHASH, m.operator, m.key));
    }

    /// @notice hashStruct of an UptimeAcknowledgement.
    function hash(ISmartLayerMessages.UptimeAcknowledgement memory m) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                UPTIME_ACKNOWLEDGEMENT_TYPEHASH, m.node, m.period, m.tokenClass, m.instances, m.availability
            )
        );
    }

    /// @notice hashStruct of a ServiceFinding.
    function hash(ISmartLayerMessages.ServiceFinding memory m) internal pure returns (bytes32) {
        return keccak256(abi.encode(SERVICE_FINDING_TYPEHASH, m.node, m.period, m.fault, m.evidence));
    }

    /// @notice hashStruct of a ClassClaim.
    function hash(ISmartLayerMessages.ClassClaim memory m) internal pure returns (bytes32) {
        return keccak256(abi.encode(CLASS_CLAIM_TYPEHASH, m.tokenContract, m.issuer));
    }

    /// @notice hashStruct of an ElectionVote; every field is one word, as the encoding asks.
    function hash(ISmartLayerMessages.ElectionVote memory m) internal pure returns (bytes32) {
        return keccak256(abi.encode(ELECTION_VOTE_TYPEHASH, m));
    }

    /// @notice hashStruct of a JournalEntry; every field is one word, as the encoding asks.
    function hash(ISmartLayerMessages.JournalEntry memory m) internal pure returns (bytes32) {
        return keccak256(abi.encode(JOURNAL_ENTRY_TYPEHASH, m));
    }

    /// @notice What a key signs: keccak256(0x1901 | separator | structHash).
    function digest(bytes32 separator, bytes32 structHash) internal pure returns (bytes32 result) {
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore(p, hex"1901")
            mstore(add(p, 2), separator)
            mstore(add(p, 34), structHash)
            result := keccak256(p, 66)
        }
    }
}
