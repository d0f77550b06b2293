// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {AccountSignatures} from "../../contracts/libraries/AccountSignatures.sol";
import {MessageHashesLens} from "../../contracts/libraries/MessageHashesLens.sol";
import {ServiceToken} from "../../contracts/tokens/ServiceToken.sol";
import {StakeToken} from "../../contracts/tokens/StakeToken.sol";
import {Test} from "./support/Vm.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @dev The two ways in which our contracts look at a signature of 65 bytes.
contract Verifier {
    function accepts(address account, bytes32 digest, bytes calldata signature) external view returns (bool) {
        return AccountSignatures.isValid(account, digest, signature);
    }

    function signer(bytes32 digest, bytes calldata signature) external pure returns (address found) {
        (found,,) = ECDSA.tryRecoverCalldata(digest, signature);
    }
}

/// @dev The frozen vectors of tests/vectors, which eth-account made: what was signed is accepted, and
/// refused everywhere else and in every other form. `tests/parity` reads the same files.
contract SignaturesTest is Test {
    /// @dev A file of vectors, column by column.
    struct Cases {
        string json;
        address signer;
        string[] structs;
        string[] words;
        bool[] valid;
        uint256[] chains;
        bytes[] calls;
    }

    Verifier private verifier;
    MessageHashesLens private lens;

    function setUp() public {
        verifier = new Verifier();
        lens = new MessageHashesLens();
    }

    function test_what_was_signed_is_valid_nowhere_else_and_in_no_other_form() public {
        Cases memory cases = read("tests/vectors/signatures.json");
        bytes[] memory signatures = vm.parseJsonBytesArray(cases.json, ".signature");
        bytes32[] memory digests = vm.parseJsonBytes32Array(cases.json, ".digest");
        vm.assertGe(digests.length, 200, "all cases were read");
        for (uint256 i; i < digests.length; ++i) {
            vm.chainId(cases.chains[i]);
            vm.assertEq(digestOf(cases.calls[i]), digests[i], told(cases, i));
            bool accepted = verifier.accepts(cases.signer, digests[i], signatures[i]);
            vm.assertTrue(accepted == cases.valid[i], told(cases, i));
            bool recovered = verifier.signer(digests[i], signatures[i]) == cases.signer;
            vm.assertTrue(recovered == cases.valid[i], told(cases, i));
            vm.assertFalse(verifier.accepts(address(0), digests[i], signatures[i]), "the zero address");
        }
    }

    function test_permits_and_authorizations_move_tokens_as_signed_and_once() public {
        Cases memory cases = read("tests/vectors/tokens.json");
        address[] memory tokens = vm.parseJsonAddressArray(cases.json, ".address");
        vm.assertGe(tokens.length, 80, "all cases were read");
        (address stake, address service) = deployTokens(cases, tokens);
        uint256 fresh = vm.snapshotState();
        for (uint256 i; i < tokens.length; ++i) {
            vm.revertToState(fresh);
            fresh = vm.snapshotState();
            vm.chainId(cases.chains[i]);
            vm.assertTrue(sent(tokens[i], cases.calls[i]) == cases.valid[i], told(cases, i));
            if (!cases.valid[i]) continue;
            vm.assertFalse(sent(tokens[i], cases.calls[i]), string.concat(told(cases, i), ", once more"));
            address other = tokens[i] == stake ? service : stake;
            vm.assertFalse(sent(other, cases.calls[i]), string.concat(told(cases, i), ", elsewhere"));
        }
    }

    function read(string memory path) private view returns (Cases memory cases) {
        string memory json = vm.readFile(path);
        cases.json = json;
        cases.signer = vm.parseJsonAddress(json, ".signer");
        cases.structs = vm.parseJsonStringArray(json, ".struct");
        cases.words = vm.parseJsonStringArray(json, ".case");
        cases.valid = vm.parseJsonBoolArray(json, ".valid");
        cases.chains = vm.parseJsonUintArray(json, ".chainId");
        cases.calls = vm.parseJsonBytesArray(json, ".call");
    }

    function told(Cases memory cases, uint256 i) private pure returns (string memory) {
        return string.concat(cases.structs[i], ": ", cases.words[i]);
    }

    function digestOf(bytes memory call) private view returns (bytes32) {
        (bool answered, bytes memory answer) = address(lens).staticcall(call);
        vm.assertTrue(answered, "the lens answers");
        return abi.decode(answer, (bytes32));
    }

    /// @dev The addresses follow from the deployer and its nonce, so that the vectors know them.
    function deployTokens(Cases memory cases, address[] memory tokens) private returns (address, address) {
        vm.warp(1_700_000_000);
        address deployer = vm.parseJsonAddress(cases.json, ".deployer");
        vm.startPrank(deployer);
        StakeToken stake = new StakeToken(cases.signer, 1e24);
        ServiceToken service = new ServiceToken(deployer, cases.signer, 1e24, 300);
        vm.stopPrank();
        vm.assertEq(tokens[0], address(stake), "the first vectors are the Stake Token's");
        vm.assertEq(tokens[tokens.length - 1], address(service), "the last are the Service Token's");
        return (address(stake), address(service));
    }

    /// @dev From the receiver that authorizations name, who alone may use one that is made for it.
    function sent(address token, bytes memory data) private returns (bool succeeded) {
        address receiver;
        assembly ("memory-safe") {
            receiver := mload(add(data, 0x44)) // the second argument
        }
        vm.prank(receiver);
        (succeeded,) = token.call(data);
    }
}
