# SPDX-License-Identifier: Apache-2.0
"""Which guests are measured, and their VFs together or one by one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from nfvcap.cli import guest_run, verify_guest
from nfvcap.cli.guest_run import TOGETHER, GuestRun
from nfvcap.cli.packet_options import PacketOptions
from nfvcap.cli.spot import Spot
from nfvcap.cli.verify_guest import Looked
from nfvcap.errors import UsageError
from nfvcap.model.result import HostResult, Verdict
from nfvcap.report.tally import host_sentence
from nfvcap.verify.packets.run import INTERRUPTED
from nfvcap.verify.packets.sources.origin import Origin

HOST = HostResult(host="h", environment={"cpu": "c"}, checks=())
WISH: Any = None
LAB, AGENT = Origin("lab", "lab"), Origin("agent", "af_packet:ens5")


@pytest.fixture
def sent_to(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """To which VFs frames went, measurement by measurement; "cut" is interrupted."""
    measured: list[tuple[str, ...]] = []

    def result(self: Spot, looked: Any, host: HostResult, wish: Any, before: Any = ()) -> HostResult:
        measured.append(tuple(vf.address for vf in self.ports))
        partial = INTERRUPTED if "cut" in measured[-1] else ""
        return HostResult.model_construct(host="h", environment={"cpu": "c"}, checks=before, fingerprint="f",
                                          measurements=(SimpleNamespace(partial=partial),))  # fmt: skip

    monkeypatch.setattr(Spot, "result", result)
    monkeypatch.setattr(guest_run, "vfs_of", lambda seen, facts: tuple(SimpleNamespace(address=a) for a in seen["vfs"]))
    return measured


def looked(source: Origin, **guests: Any) -> Looked:
    options = PacketOptions(**{**dict.fromkeys(PacketOptions.__dataclass_fields__), "vf": (), "guest": ()})  # type: ignore[arg-type]
    seen = {name: {"name": name, "state": "running", "vfs": vfs} for name, vfs in guests.items()}
    facts = SimpleNamespace(nics=[SimpleNamespace(sriov=SimpleNamespace(vfs=[SimpleNamespace(address="a")]))])
    return Looked(None, "h", facts, seen, source, options)  # type: ignore[arg-type]


def test_a_wire_sends_to_all_vfs_of_a_guest_at_once(sent_to: list[tuple[str, ...]]) -> None:
    made = GuestRun(looked(LAB, vm3=["a", "b"]), "vm3").result(HOST, WISH)
    assert sent_to == [("a", "b")] and not made.checks


def test_a_generator_sends_to_one_after_the_other_which_is_a_skip_with_a_reason(
    sent_to: list[tuple[str, ...]],
) -> None:
    made = GuestRun(looked(AGENT, vm3=["a", "b"]), "vm3").result(HOST, WISH)
    assert sent_to == [("a",), ("b",)] and len(made.measurements) == 2
    (check,) = made.checks
    assert (check.id, check.verdict) == (TOGETHER, Verdict.SKIP) and "one VF at a time" in check.reason
    assert int(made.exit_code) == 0


def test_one_vf_has_nothing_to_be_measured_together_with(sent_to: list[tuple[str, ...]]) -> None:
    assert not GuestRun(looked(AGENT, vm3=["a"]), "vm3").result(HOST, WISH).checks and sent_to == [("a",)]


def test_an_interrupt_leaves_the_other_vfs_alone(sent_to: list[tuple[str, ...]]) -> None:
    GuestRun(looked(AGENT, vm3=["cut", "b"]), "vm3").result(HOST, WISH)
    assert sent_to == [("cut",)]


def test_who_names_no_guest_means_all_that_can_be_measured() -> None:
    vf, other = {"address": "a"}, {"address": "0000:07:00.0"}
    there = looked(LAB, vm1=[vf], vm2=[other], vm3=[vf])
    there.seen["vm3"]["state"] = "shut off"  # type: ignore[index]
    asked, host = verify_guest._everybody(there, HOST)  # type: ignore[arg-type]
    assert asked.options.guest == ("vm1",) and host is HOST


def test_a_vf_that_is_named_finds_its_guest() -> None:
    there = looked(LAB, vm1=[{"address": "a"}])
    assert verify_guest._everybody(there.with_options(vf=("a",)), HOST)[0].options.guest == ("vm1",)
    assert verify_guest._everybody(there.with_options(vf=("b",)), HOST)[0].options.guest == ()


def test_a_host_without_such_guests_warns_that_no_packet_was_sent() -> None:
    there = looked(LAB, vm2=[])
    asked, host = verify_guest._everybody(there, HOST)
    (check,) = host.checks
    assert (check.id, check.verdict, check.found) == ("NFV-PKT-003", Verdict.WARN, "vm2 has no VF that is asked for")
    assert host_sentence(host) == "h is as planned: 1 WARN. No packet was sent: no guest can be measured."
    assert "is not as planned" in host_sentence(host, strict=True) and asked.options.guest == ()


def test_without_a_source_nothing_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nfvcap.lab.Lab.pid", lambda self: None)
    with pytest.raises(UsageError) as refused:
        verify_guest._wire_is_there(LAB, "host1")
    assert refused.value.code == "NFV-PKT-211" and "--from HOST:PORT" in refused.value.fix
    assert "--state-only" in refused.value.fix
    verify_guest._wire_is_there(AGENT, "host1")
    monkeypatch.setattr("nfvcap.lab.Lab.pid", lambda self: 1)
    verify_guest._wire_is_there(LAB, "host1")
