# SPDX-License-Identifier: Apache-2.0
"""Which guests are measured, and their VFs together."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from nfvcap.cli import guest_run, verify_guest
from nfvcap.cli.guest_run import GuestRun
from nfvcap.cli.packet_options import PacketOptions
from nfvcap.cli.spot import Spot
from nfvcap.cli.verify_guest import Looked
from nfvcap.errors import NfvcapError, UsageError
from nfvcap.model.result import HostResult, Verdict
from nfvcap.report.tally import host_sentence
from nfvcap.verify.packets.profiles import PROFILES
from nfvcap.verify.packets.run import INTERRUPTED, Wish
from nfvcap.verify.packets.sources.origin import Origin
from nfvcap.verify.packets.traffic import traffic

HOST = HostResult(host="h", environment={"cpu": "c"}, checks=())
WISH = Wish(PROFILES["quick"], traffic("64"), "100", 60)
LAB, AGENT = Origin("lab", "lab"), Origin("agent", "af_packet:ens5")


def vfs_seen(guest: Any, facts: Any) -> Any:
    if guest["state"] != "running":
        raise UsageError("NFV-PKT-209", "guest vm3 does not run", "it is off", "nfvcap guest start vm3")
    return tuple(SimpleNamespace(address=one["address"], interface=one["interface"]) for one in guest["vfs"])


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
    monkeypatch.setattr(guest_run, "vfs_of", vfs_seen)
    return measured


def seen_vf(vf: Any) -> Any:
    return {"address": vf, "interface": f"eth-{vf}"} if isinstance(vf, str) else vf


def looked(source: Origin, **guests: Any) -> Looked:
    options = PacketOptions(**{**dict.fromkeys(PacketOptions.__dataclass_fields__), "vf": (), "guest": ()})  # type: ignore[arg-type]
    seen = {
        name: {"name": name, "state": "running", "vfs": [seen_vf(vf) for vf in vfs]} for name, vfs in guests.items()
    }
    known = [SimpleNamespace(address=address) for address in ("a", "b", "cut")]
    facts = SimpleNamespace(nics=[SimpleNamespace(sriov=SimpleNamespace(vfs=known))], guests=[])
    return Looked(None, "h", facts, seen, source, options)  # type: ignore[arg-type]


@pytest.mark.parametrize("source", [LAB, AGENT])
def test_frames_go_to_all_vfs_of_a_guest_at_once(source: Origin, sent_to: list[tuple[str, ...]]) -> None:
    made = GuestRun(looked(source, vm3=["a", "b"]), "vm3").result(HOST, WISH)
    assert sent_to == [("a", "b")] and len(made.measurements) == 1 and not made.checks


SEARCHED_NOT = [(f"NFV-PKT-0{number}", "") for number in ("01", "02", "09", "10", "12", "13", "16")]
SEARCHED = [
    *((f"NFV-PKT-0{number}", "") for number in ("01", "02", "09")),
    *(("NFV-PKT-011", f" loss ratio {goal}") for goal in ("0", "1e-7", "1e-5", "1e-3")),
    *((f"NFV-PKT-0{number}", "") for number in ("14", "12", "13", "16")),
]


def cases(host: HostResult) -> list[tuple[str, str, Verdict]]:
    return [(check.id, check.subject, check.verdict) for check in host.checks]


@pytest.mark.parametrize(("wish", "wanted"), [(WISH, SEARCHED_NOT), (replace(WISH, rate="search"), SEARCHED)])
def test_a_guest_that_is_off_has_the_cases_that_it_has_when_it_runs(
    wish: Wish, wanted: list[tuple[str, str]], sent_to: list[tuple[str, ...]]
) -> None:
    there = looked(LAB, vm3=["a", "b"])
    there.seen["vm3"]["state"] = "off"  # type: ignore[index]
    made = GuestRun(there, "vm3").result(HOST, wish)
    verdicts = {"NFV-PKT-002": Verdict.ERROR}
    assert cases(made) == [(one, f"vm3 VFs a b{more}", verdicts.get(one, Verdict.SKIP)) for one, more in wanted]
    assert int(made.exit_code) == 1 and sent_to == []


def test_names_are_those_of_the_vfs_that_are_asked_for_and_of_the_engine() -> None:
    there = looked(AGENT, vm3=["a", "b"], vm4=[], vm5=[{"address": "a", "interface": None}])
    assert GuestRun(there, "vm3").path_name() == "vm3 VFs a b"
    assert GuestRun(there.with_options(engine="dpdk"), "vm3").path_name() == "vm3 VFs a b DPDK"
    assert GuestRun(there.with_options(vf=("b",), engine="af_xdp"), "vm3").path_name() == "vm3 VF b AF_XDP"
    assert GuestRun(there.with_options(vf=("gone",)), "vm3").path_name() == "vm3 VF gone"
    assert GuestRun(there, "vm4").path_name() == "vm4"  # nobody knows more
    assert GuestRun(there, "vm5").path_name() == "vm5 VF a DPDK"


def test_a_path_that_cannot_be_opened_is_called_as_one_that_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(self: Spot, *_: Any) -> Any:
        raise NfvcapError("NFV-GUEST-010", "the guest's agent is silent", "", "start it")

    monkeypatch.setattr(Spot, "_measure", silent)
    vf = SimpleNamespace(address="a", interface="")
    made = Spot("vm3", (vf,), lambda: None).result(looked(LAB, vm3=["a"]), HOST, replace(WISH, behind=" 64 B"))  # type: ignore[arg-type]
    assert {subject for _, subject, _ in cases(made)} == {"vm3 VF a DPDK 64 B"}
    assert [one for one, _, verdict in cases(made) if verdict is Verdict.ERROR] == ["NFV-PKT-002"]


def test_a_guest_that_was_not_reached_has_its_cases(
    sent_to: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    there = looked(LAB, vm1=["cut"], vm3=["b"]).with_options(guest=("vm1", "vm3"))
    made = verify_guest._guests(there, HOST, WISH)
    assert sent_to == [("cut",)]
    assert cases(made) == [(one, "vm3 VF b", Verdict.SKIP) for one, _ in SEARCHED_NOT]
    only = verify_guest._guests(there, HOST, replace(WISH, only_calibrate=True))
    assert cases(only) == [("NFV-PKT-001", "vm3 VF b", Verdict.SKIP)]


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
