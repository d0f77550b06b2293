"""A chain in this process with the lens on it, made from the committed artifacts."""

import json
import warnings
from pathlib import Path
from typing import Any

import pytest

ARTIFACTS = Path(__file__).resolve().parents[2] / "settlement" / "abi"


@pytest.fixture(scope="session")
def lens() -> Any:
    """The lens contract; ``lens.chain_id`` is its chain's, ``lens.call(name, *args)`` calls it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what py-evm and eth-tester import is not ours to mend
        from eth_tester import EthereumTester, PyEVMBackend
        from web3 import Web3
        from web3.providers.eth_tester import EthereumTesterProvider

        web3 = Web3(EthereumTesterProvider(EthereumTester(PyEVMBackend())))
        source = json.loads((ARTIFACTS / "MessageHashesLens.json").read_text())
        factory = web3.eth.contract(abi=source["abi"], bytecode=source["bytecode"])
        sender = web3.eth.accounts[0]
        transaction = factory.constructor().transact({"from": sender, "gas": 5_000_000})
        receipt = web3.eth.wait_for_transaction_receipt(transaction)
        contract = web3.eth.contract(address=receipt["contractAddress"], abi=source["abi"])
        return Lens(contract, web3.eth.chain_id)


class Lens:
    """Calls by name, without a transaction."""

    def __init__(self, contract: Any, chain_id: int) -> None:
        self._contract = contract
        self.chain_id = chain_id

    def call(self, name: str, *arguments: Any) -> Any:
        """The function's answer."""
        return self._contract.functions[name](*arguments).call()
