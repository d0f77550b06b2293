"""Paid reads: grant, voucher, run, sign, charge, answer, in this order and no other.

The answer leaves after charge, voucher and answer are durable; a repeated request id gets the
answer that was charged for, byte by byte.
"""

import json
import time
from dataclasses import dataclass

from node.core.answers import Evidence, answer_bytes, answer_from_json, draft_answer, evidence_of
from node.core.grants import check_grant
from node.errors import InterfaceUnknown, PaymentMissing, ReadFailed
from node.ports.sandbox import RunResult, Status
from node.protocol.messages import Grant, Quote
from node.services.instances import Instance, Instances
from node.services.metrics import Metrics
from node.services.prices import PriceBook
from node.services.remembered import Remembered
from node.services.running import Runner
from node.services.unpaid import UnpaidRuns
from node.tokenscript.service import Access, Read
from settlement.core.refusals import RequestIdReused
from settlement.ports.clock import Clock
from settlement.protocol.signed import Signed, SignedVoucher
from settlement.protocol.signing import SigningKey, recover
from settlement.protocol.typed_data import Domain
from settlement.services.anchor import require_voucher_signer
from settlement.services.calendar import Calendar
from settlement.services.collector import Collector
from settlement.types import Address, Hash, Signature, TokenId

REMEMBERED_GRANTS = 4_096
REMEMBERED_RESULTS = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRequest:
    """One call of an interface, as it came."""

    token: TokenId
    interface: str
    arguments: dict[str, str]
    request_id: Hash
    grant: Signed[Grant] | None
    voucher: SignedVoucher | None


class Reads:
    """Answers reads for the tokens held here."""

    def __init__(
        self,
        *,
        key: SigningKey,
        domain: Domain,
        clock: Clock,
        instances: Instances,
        runner: Runner,
        collector: Collector,
        calendar: Calendar,
        prices: PriceBook,
        metrics: Metrics,
    ) -> None:
        self._key = key
        self._domain = domain
        self._clock = clock
        self._instances = instances
        self._runner = runner
        self._collector = collector
        self._calendar = calendar
        self._prices = prices
        self._metrics = metrics
        self._unpaid = UnpaidRuns()
        self._holders: Remembered[tuple[Hash, Signature], Address] = Remembered(REMEMBERED_GRANTS)
        self._evidence: Remembered[tuple[Hash, int, str, bytes], Evidence] = Remembered(
            REMEMBERED_RESULTS
        )

    async def quote(self, token: TokenId, interface: str) -> Signed[Quote]:
        """What one call, or one action, costs in the current period.

        Raises TokenUnknown, RentSuspended, InterfaceUnknown.
        """
        instance = await self._instances.served(token.id)
        action = instance.script.service.action(interface)
        wanted = action or interface_of(instance, interface)
        quote = Quote(
            node=self._key.address,
            token_class=token.token_class.id,
            interface=interface,
            period=await self._calendar.period(),
            price=await self._prices.of(instance.script.source_hash, wanted),
        )
        return Signed.by(self._key, self._domain, quote)

    async def answer(self, request: ReadRequest) -> bytes:
        """The JSON of a signed answer, paid for and durable.

        Raises TokenUnknown, RentSuspended, InterfaceUnknown, PaymentMissing, the grant errors, the
        payment errors, RequestIdReused, ReadFailed, FailuresUsedUp, RunFailed. Nothing is charged
        when it raises.
        """
        started = time.perf_counter()
        instance = await self._instances.served(request.token.id)
        read = interface_of(instance, request.interface)
        script = instance.script.source_hash
        price = await self._prices.of(script, read)
        self._require_access(instance, read, request, price)
        if price == 0:
            answer, run = await self._run(instance, request, 0)
            await self._prices.read(script, read.name, run)
            return answer
        if request.voucher is None:
            raise PaymentMissing(interface=request.interface, price=price)
        admission = await self._collector.admit(
            request.voucher,
            token_class=request.token.token_class.id,
            price=price,
            request_id=request.request_id,
        )
        if admission.earlier is not None:
            return _same(request, admission.earlier.answer)
        promised = request.voucher.message
        async with self._unpaid.turn(promised, (script, read.name)):
            answer, run = await self._run(instance, request, price)
        charge = await self._collector.charge(admission, answer)
        if charge.answer != answer:
            return _same(request, charge.answer)
        self._unpaid.paid(promised, (script, read.name))
        await self._prices.read(script, read.name, run)
        await self._prices.paid(script, read)
        self._metrics.reads.labels(interface=request.interface).inc()
        self._metrics.earned.inc(price)
        self._metrics.read_seconds.observe(time.perf_counter() - started)
        return charge.answer

    def _require_access(
        self, instance: Instance, read: Read, request: ReadRequest, price: int
    ) -> None:
        """A granted interface wants a grant for whoever signs the voucher."""
        if read.access in (Access.PUBLIC, Access.PRICED):
            return
        if request.voucher is None:
            raise PaymentMissing(interface=read.name, price=price)
        if price == 0:
            # A priced call's voucher is checked when it is admitted, a free one's only here.
            require_voucher_signer(self._domain, request.voucher)
        check_grant(
            request.grant,
            domain=self._domain,
            token=request.token.id,
            interface=read.name,
            integration=request.voucher.message.signer,
            holder=instance.view.holder,
            now_ms=self._clock.now_ms(),
            recover=self._recover,
        )

    def _recover(self, domain: Domain, grant: Grant, signature: Signature) -> Address:
        """A grant comes with every call of its integration; its key is recovered once."""
        return self._holders.of(
            (grant.struct_hash(), signature), lambda: recover(domain, grant, signature)
        )

    async def _run(
        self, instance: Instance, request: ReadRequest, price: int
    ) -> tuple[bytes, RunResult]:
        """The signed answer, and what its run used. Raises ReadFailed, RunFailed."""
        now_ms = self._clock.now_ms()
        run = await self._runner.read(
            instance.script, instance.base, request.interface, request.arguments, now_ms // 1_000
        )
        if run.status is not Status.OK:
            raise ReadFailed(
                interface=request.interface, status=run.status.value, problem=run.error
            )
        result = run.result or b"null"
        drafted = draft_answer(
            instance.state,
            result,
            request_id=request.request_id,
            interface=request.interface,
            charged=price,
            now_ms=now_ms,
        )
        signed = Signed.by(self._key, self._domain, drafted)
        state = instance.state
        evidence = self._evidence.of(
            (state.token, state.version, request.interface, result),
            lambda: evidence_of(state, result, request.interface),
        )
        return answer_bytes(signed, result, evidence), run


def _same(request: ReadRequest, answer: bytes) -> bytes:
    """An earlier answer, if it is one to this very question. Raises RequestIdReused."""
    said = answer_from_json(json.loads(answer)).answer.message
    if (said.token, said.interface) != (request.token.id, request.interface):
        raise RequestIdReused(request_id=request.request_id)
    return answer


def interface_of(instance: Instance, name: str) -> Read:
    """The read that an interface names. Raises InterfaceUnknown."""
    read = instance.script.service.read(name)
    if read is None:
        known = ", ".join(each.name for each in instance.script.service.reads)
        raise InterfaceUnknown(interface=name, known=known)
    return read
