"""What x402's own Python code takes for the same work: run by ``bench.payments`` in an environment
of its own as ``python _x402_peer.py FOLDER``. Prints one JSON object of rates a second of this
process's processor time (``…_per_cpu_s``) and by the wall's clock (``…_per_s``).

``verify`` is the check of a batch-settlement voucher's signature, local, against a known payer.
``update`` is one paid request through ``x402ResourceServer``: verify_payment and settle_payment of
a voucher on a known channel, without a facilitator's call, in memory and in its file storage
(which renames a file for each step and syncs nothing). A channel takes one request at a time there.
"""

import asyncio
import json
import sys
import time
from importlib.metadata import version

from eth_account import Account
from x402.mechanisms.evm.batch_settlement.client.voucher import sign_voucher
from x402.mechanisms.evm.batch_settlement.constants import MIN_WITHDRAW_DELAY
from x402.mechanisms.evm.batch_settlement.facilitator.utils import (
    verify_batch_settlement_voucher_typed_data,
)
from x402.mechanisms.evm.batch_settlement.server.file_storage import FileChannelStorage
from x402.mechanisms.evm.batch_settlement.server.scheme import (
    BatchSettlementEvmScheme,
    BatchSettlementEvmSchemeServerConfig,
)
from x402.mechanisms.evm.batch_settlement.server.storage import Channel, InMemoryChannelStorage
from x402.mechanisms.evm.batch_settlement.types import ChannelConfig
from x402.mechanisms.evm.batch_settlement.utils import compute_channel_id
from x402.mechanisms.evm.signers import EthAccountSigner
from x402.schemas import PaymentPayload, PaymentRequirements, SupportedKind, SupportedResponse
from x402.server import x402ResourceServer

NETWORK, CHAIN_ID = "eip155:84532", 84532
PRICE, BALANCE = 1_000, 10**15
CHANNELS, CALLS = 16, 20
ASSET = "0x036CbD53842c5426634e7929541eC2318f3dCF7e"
RECEIVER, AUTHORIZER = (Account.from_key(bytes([n]) * 32).address for n in (7, 8))
REQUIREMENTS = PaymentRequirements(
    scheme="batch-settlement",
    network=NETWORK,
    asset=ASSET,
    amount=str(PRICE),
    pay_to=RECEIVER,
    max_timeout_seconds=60,
    extra={"receiverAuthorizer": AUTHORIZER, "withdrawDelay": MIN_WITHDRAW_DELAY},
)


class NoFacilitator:
    """Names the scheme and is never called: every channel is known and fresh."""

    def get_supported(self):
        extra = {"receiverAuthorizer": AUTHORIZER}
        kind = SupportedKind(
            x402_version=2, scheme="batch-settlement", network=NETWORK, extra=extra
        )
        return SupportedResponse(kinds=[kind])

    async def verify(self, *_arguments):
        raise AssertionError("a facilitator was asked to verify")

    async def settle(self, *_arguments):
        raise AssertionError("a facilitator was asked to settle")


def channel_of(payer):
    config = ChannelConfig(
        payer=payer.address,
        payer_authorizer=payer.address,
        receiver=RECEIVER,
        receiver_authorizer=AUTHORIZER,
        token=ASSET,
        withdraw_delay=MIN_WITHDRAW_DELAY,
        salt="0x" + "11" * 32,
    )
    return config, compute_channel_id(config, NETWORK)


def payload_of(payer, config, channel_id, cumulative):
    voucher = sign_voucher(EthAccountSigner(payer), channel_id, cumulative, NETWORK)
    body = {"type": "voucher", "channelConfig": config.to_dict(), "voucher": voucher.to_dict()}
    return PaymentPayload(payload=body, accepted=REQUIREMENTS)


def rates(name, count, work):
    began, cpu = time.perf_counter(), time.process_time()
    work()
    passed, used = time.perf_counter() - began, time.process_time() - cpu
    return {f"{name}_per_s": count / passed, f"{name}_per_cpu_s": count / used}


def verify_all(payer, channel_id, payloads):
    for payload in payloads:
        voucher = payload.payload["voucher"]
        assert verify_batch_settlement_voucher_typed_data(
            None,
            channel_id,
            voucher["maxClaimableAmount"],
            payer.address,
            payer.address,
            voucher["signature"],
            CHAIN_ID,
        )


def server_over(storage, channels):
    scheme = BatchSettlementEvmScheme(
        RECEIVER, BatchSettlementEvmSchemeServerConfig(storage=storage, withdraw_delay=900)
    )
    for config, channel_id in channels:
        channel = Channel(
            channel_id=channel_id,
            channel_config=config,
            balance=str(BALANCE),
            onchain_synced_at=int(time.time() * 1_000),
        )
        storage.update_channel(channel_id, lambda _current, channel=channel: channel)
    server = x402ResourceServer(NoFacilitator())
    server.register(NETWORK, scheme)
    server.initialize()
    return server


async def pay(server, payloads):
    for payload in payloads:
        verified = await server.verify_payment(payload, REQUIREMENTS)
        assert verified.is_valid, verified
        settled = await server.settle_payment(payload, REQUIREMENTS)
        assert settled.success, settled


def main(folder):
    payers = [Account.from_key(bytes([n + 1]) * 32) for n in range(CHANNELS)]
    channels = [channel_of(payer) for payer in payers]
    payloads = [
        payload_of(payer, config, channel_id, PRICE * (number + 1))
        for number in range(CALLS)
        for payer, (config, channel_id) in zip(payers, channels, strict=True)
    ]
    first = payloads[::CHANNELS]
    told = {"version": version("x402")}
    told |= rates("verify", 20 * len(first), lambda: [
        verify_all(payers[0], channels[0][1], first) for _ in range(20)
    ])  # fmt: skip
    for name, storage in (
        ("memory_update", InMemoryChannelStorage()),
        ("file_update", FileChannelStorage(folder)),
    ):
        server = server_over(storage, channels)
        told |= rates(name, len(payloads), lambda: asyncio.run(pay(server, payloads)))  # noqa: B023
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1])
