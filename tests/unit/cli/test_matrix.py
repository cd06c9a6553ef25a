# SPDX-License-Identifier: Apache-2.0
"""The matrix goes through its groups: what is measured, what is skipped with which reason, what is put away again."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from nfvcap.cli import matrix_dpdk, matrix_nic, verify_guest, verify_matrix
from nfvcap.cli.matrix_found import Found, Group
from nfvcap.cli.matrix_host import AF_XDP, DPDK, KERNEL, bare_metal
from nfvcap.cli.matrix_nic import Sight, keys, lacks, temporary, understood
from nfvcap.cli.matrix_room import room
from nfvcap.cli.packet_options import PacketOptions
from nfvcap.cli.verify_packets import wish_of
from nfvcap.errors import NfvcapError, UsageError
from nfvcap.model.result import HostResult, Verdict
from nfvcap.run import Completed
from nfvcap.verify.packets.cells import BARE_METAL, KEYS, TRAFFICS, There, subject
from nfvcap.verify.packets.checks import failed, interrupted
from nfvcap.verify.packets.engines.dpdk_pf import Lent
from nfvcap.verify.packets.engines.ports import Choice
from nfvcap.verify.packets.profiles import PROFILES
from nfvcap.verify.packets.run import INTERRUPTED, Wish
from nfvcap.verify.packets.traffic import traffic
from tests.unit.attach.hosts import PORT1, plain, typed
from tests.unit.attach.hosts import vfs_of as host_vfs

VIRTIO, VIRTIO_DPDK = keys("virtio")
WISH = Wish(PROFILES["quick"], traffic("64"), "100", 60)
VERSIONS = "tcpdump version 4.99.3\nlibpcap version 1.10.3 (with TPACKET_V3)\n"
EMPTY = HostResult(host="h", environment={}, checks=())


class Doors:
    """A machine that answers scripts by a word in them; what it was asked is in ``asked``."""

    name = "there"

    def __init__(self, answers: dict[str, str]) -> None:
        self.answers, self.asked = answers, []  # type: ignore[var-annotated]

    def run(self, argv: Sequence[str], timeout_s: float) -> Completed:
        self.asked.append(" ".join(argv))
        for word, answer in self.answers.items():
            if word in argv[2]:
                return Completed(tuple(argv), 1 if answer == "fails" else 0, answer, "")
        return Completed(tuple(argv), 0, "", "")


def looked(door: Doors) -> Any:
    return SimpleNamespace(
        host="h", with_options=lambda **words: words, fleet=SimpleNamespace(target="target"),
        seen={"vm3": {"uuid": "u"}}, host_door=lambda: door, host_way=lambda: nullcontext(door),
        guest_way=lambda name: nullcontext(door),
    )  # fmt: skip


def port(vf_holder: str = "") -> Choice:
    facts = plain()
    if vf_holder:
        host_vfs(facts, PORT1)[0]["holder"] = {"kind": "libvirt", "name": vf_holder, "pid": 9}
    return Choice(next(nic for nic in typed(facts).nics if nic.address == PORT1))


@pytest.fixture
def playbooks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was plugged in and taken out."""
    done: list[str] = []
    monkeypatch.setattr(matrix_nic.guestnic, "plug", lambda *_, **words: done.append(f"plug {words['model']}"))
    monkeypatch.setattr(matrix_nic.guestnic, "unplug", lambda *_: done.append("unplug"))
    return done


def test_a_nic_with_an_interface_is_measured_by_the_kernel_and_then_goes(playbooks: list[str]) -> None:
    door = Doors(
        {"known=": "interface eth2 virtio_net 0000:03:00.0 it has no IOMMU\n", "ls /sys/bus": "0000:00:01.0\n"}
    )
    with temporary(looked(door), "vm3", "virtio", port()) as found:
        assert list(found.rows) == [VIRTIO] and "vm3: it has no IOMMU" in found.reasons[VIRTIO_DPDK]
        assert playbooks == ["plug virtio"]
    assert playbooks == ["plug virtio", "unplug"]
    assert [(check.id, check.verdict) for check in found.checks] == [("NFV-PKT-021", Verdict.PASS)]


def test_then_vfio_pci_gets_the_nic_in_the_guest_and_dpdk_measures(playbooks: list[str]) -> None:
    door = Doors({"known=": "interface eth2 e1000 0000:03:00.0 \n", "driver_override": "fails"})
    with temporary(looked(door), "vm3", "e1000", port()) as found:
        assert list(found.rows) == list(keys("e1000")) and not found.reasons
        result = found.rows[keys("e1000")[1]](EMPTY, WISH)
    assert "driver_override" in door.asked[-1] and door.asked[-1].endswith("0000:03:00.0")
    (check,) = result.checks  # the guest refused
    assert check.verdict is Verdict.ERROR and "DPDK" in check.subject


def test_a_whole_port_in_a_guest_is_lent_plugged_in_taken_out_and_given_back(
    playbooks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def lent(*_: Any) -> Iterator[Lent]:
        playbooks.append("lent")
        here = Lent("token")
        yield here
        here.given_back = ""
        playbooks.append("given back")

    monkeypatch.setattr(matrix_dpdk, "lent", lent)
    monkeypatch.setattr(matrix_dpdk, "deploy", lambda *_: SimpleNamespace(program="agent"))
    monkeypatch.setattr(matrix_dpdk, "locate", lambda: None)
    door = Doors({"known=": "interface eth2 igb 0000:03:00.0 \n", "--version": VERSIONS})
    with matrix_dpdk.passthrough(looked(door), "vm3", port(), 60) as found:
        assert [key[:2] for key in found.rows] == [("passthrough", by) for by in ("kernel", "libpcap", "DPDK")]
    assert list(found.reasons) == [("passthrough", "PF_RING", "", 0)]
    assert playbooks == ["lent", "plug passthrough", "unplug", "given back"]
    assert [(check.id, check.verdict) for check in found.checks] == [
        ("NFV-PKT-021", Verdict.PASS), ("NFV-PKT-024", Verdict.PASS)
    ]  # fmt: skip


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("x"), NfvcapError("NFV-GUEST-032", "gone")])
def test_whatever_ends_the_block_the_nic_goes(playbooks: list[str], error: BaseException) -> None:
    door = Doors({"known=": "interface eth2 e1000 0000:03:00.0 \n"})
    with pytest.raises(type(error)), temporary(looked(door), "vm3", "e1000", port()):
        raise error
    assert playbooks == ["plug e1000", "unplug"]


def test_an_interrupt_while_it_is_plugged_in_takes_it_out(
    playbooks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(matrix_nic.guestnic, "plug", cut)
    with pytest.raises(KeyboardInterrupt), temporary(looked(Doors({})), "vm3", "virtio", port()):
        pytest.fail("the block must not be entered")
    assert playbooks == ["unplug"]


def test_a_refusal_is_a_reason_and_needs_no_undoing(playbooks: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise NfvcapError("NFV-ATTACH-012", "no free port", "all have a device")

    monkeypatch.setattr(matrix_nic.guestnic, "plug", refuse)
    with temporary(looked(Doors({})), "vm3", "virtio", port()) as found:
        assert not found.rows and "all have a device" in found.reasons[VIRTIO]
    assert playbooks == [] and not found.checks


def test_a_nic_that_stays_is_an_error_of_its_own(playbooks: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def stays(*_: Any) -> None:
        raise NfvcapError("NFV-GUEST-040", "vm3 does not release it", "it did not answer", "virsh detach-device-alias")

    monkeypatch.setattr(matrix_nic.guestnic, "unplug", stays)
    with temporary(looked(Doors({})), "vm3", "virtio", port()) as found:
        assert "made no interface" in found.reasons[VIRTIO]
    (check,) = found.checks
    assert (check.id, check.verdict) == ("NFV-PKT-021", Verdict.ERROR) and "virsh" in check.fix


BY_KERNEL = {"kernel": "kernel", "libpcap": "libpcap", "af_xdp": "AF_XDP"}


@pytest.mark.parametrize(
    ("interfaces", "vfio", "ways"),
    [
        (("eth1", "eth2"), False, [(("a", "b"), BY_KERNEL)]),
        (("eth1", ""), True, [(("a",), BY_KERNEL), (("b",), {"dpdk": "DPDK"})]),
        (("", ""), True, [(("a", "b"), {"dpdk": "DPDK"})]),
        (("", "eth2"), False, [(("b",), BY_KERNEL)]),
        (("", ""), False, []),
    ],
)
def test_each_vf_is_measured_by_what_its_driver_allows(interfaces: Any, vfio: bool, ways: Any) -> None:
    vfs: Any = tuple(
        SimpleNamespace(address=name, pf="p", interface=interface)
        for name, interface in zip("ab", interfaces, strict=True)
    )
    run: Any = SimpleNamespace(
        on_vfio=lambda vfs: vfio, says=lambda script: True, tcpdump=lambda interface: "libpcap"
    )  # fmt: skip
    found = verify_matrix._ways(vfs, run)
    assert [(tuple(vf.address for vf in some), engines) for some, engines in found] == ways
    of_another_pf: Any = SimpleNamespace(address="c", pf="q", interface="eth9")
    assert verify_matrix._ways((*vfs, of_another_pf), run) == found


def test_without_tcpdump_its_rows_say_so_and_the_others_are_measured() -> None:
    with bare_metal(looked(Doors({"--version": "fails"})), port("vm3")) as found:
        assert list(found.rows) == [KERNEL]
        assert "[NFV-PKT-219]" in found.reasons[BARE_METAL, "libpcap", "", 0]
        assert found.reasons[BARE_METAL, "PF_RING", "", 0] == found.reasons[BARE_METAL, "libpcap", "", 0]


def test_what_the_guest_has_made_of_the_nic() -> None:
    assert understood(["interface eth2 virtio_net 0000:03:00.0 it has no IOMMU"]) == Sight(
        interface="eth2", driver="virtio_net", device="0000:03:00.0", no_vfio="it has no IOMMU"
    )
    bare = understood(["device 0000:03:00.0 0x8086:0x100e "])
    assert bare == Sight(device="0000:03:00.0", id="8086:100e") and understood([]) == Sight()
    (why,) = set(lacks("vm3", "e1000", bare).values())
    assert "8086:100e at 0000:03:00.0 has no driver" in why
    taken = lacks("vm3", "virtio", Sight(device="0000:03:00.0", driver="vfio-pci"))
    assert list(taken) == [VIRTIO] and "vfio-pci" in taken[VIRTIO]


def test_the_script_in_the_guest_finds_an_interface_by_its_address() -> None:
    def say(mac: str, known: str) -> list[str]:
        words = ["sh", "-c", matrix_nic._SEEN, "sh", mac, "1", known]
        return subprocess.run(words, capture_output=True, text=True, check=True, timeout=20).stdout.splitlines()

    assert understood(say("00:00:00:00:00:00", "")).interface == "lo"
    there = subprocess.run(["ls", "/sys/bus/pci/devices"], capture_output=True, text=True, check=False).stdout.split()
    assert say("02:6e:66:ff:ff:ff", " ".join(there)) == []
    if there:
        assert understood(say("02:6e:66:ff:ff:ff", " ".join(there[1:]))).device == there[0]


@pytest.mark.parametrize(
    ("answers", "holder", "words"),
    [
        ({"xsk_bind": "fails"}, "", "no AF_XDP"),
        ({}, "vm3", "VF 0 in vm3"),
        ({"queues": "2\n"}, "", "2 receive queues"),
        ({"queues": "1\n"}, "", ""),
    ],
)
def test_af_xdp_on_bare_metal_only_where_it_harms_nobody(answers: dict[str, str], holder: str, words: str) -> None:
    door = Doors({**answers, "--version": VERSIONS})
    with bare_metal(looked(door), port(holder)) as found:
        assert KERNEL in found.rows and "driven by igb" in found.reasons[DPDK]
        assert (BARE_METAL, "libpcap", "", 0) in found.rows and "pf_ring" in found.reasons[BARE_METAL, "PF_RING", "", 0]
        assert (AF_XDP in found.rows) == (not words) and words in found.reasons.get(AF_XDP, "")
    made = next(words for words in door.asked if "mkdir" in words).rsplit(" ", 1)[-1]
    removed = door.asked[-1].rsplit(" ", 1)[-1]
    assert made == removed and made.startswith("/var/tmp/nfvcap-verify-") and "rm -rf" in door.asked[-1]


def test_the_agent_s_room_on_a_host_is_swept_before_and_gone_after() -> None:
    door = Doors({"ls -d": "/var/tmp/nfvcap-verify-old\n"})
    with pytest.raises(KeyboardInterrupt), room(door) as place:
        raise KeyboardInterrupt
    swept = next(number for number, words in enumerate(door.asked) if words.endswith("/var/tmp/nfvcap-verify-old"))
    made = next(number for number, words in enumerate(door.asked) if "mkdir" in words)
    assert swept < made and door.asked[-1].endswith(place.removesuffix("/nfvcap-agent"))


@contextmanager
def lends(door: Any, nic: Any, num_vfs: int, agent: str, longest_s: int) -> Iterator[Lent]:
    """Stands in for the host that gives a PF away: see test_dpdk_pf for what it does."""
    assert agent.startswith("/var/tmp/nfvcap-verify-") and longest_s > 60
    here = Lent("token", tuple(f"0000:81:1{number}.0" for number in range(num_vfs)))
    yield here
    here.given_back = ""


@pytest.fixture
def lending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix_dpdk, "lent", lends)
    monkeypatch.setattr(matrix_dpdk, "locate", lambda: "")
    monkeypatch.setattr(matrix_dpdk, "deploy", lambda door, program, place: SimpleNamespace(program=place))


def idle() -> Doors:
    return Doors({"is-active": "fails"})


@pytest.mark.parametrize(("total", "vfs"), [(8, 2), (1, 1)])
def test_a_pf_is_lent_for_as_many_vfs_as_the_study_had_and_the_pf_can_have(lending: None, total: int, vfs: int) -> None:
    door, nic = idle(), port().nic
    assert nic and nic.sriov
    nic = nic.model_copy(update={"sriov": nic.sriov.model_copy(update={"total_vfs": total})})
    with matrix_dpdk.functions(looked(door), Choice(nic), 60) as found:
        assert (
            list(found.rows) == list(matrix_dpdk.VFS[:vfs])
            and "to DPDK only" in found.reasons[matrix_dpdk.BY_KERNEL[0]]
        )
        told = found.reasons.get(matrix_dpdk.VFS[1], "")
        assert told.endswith("cannot have so many VFs") == (vfs == 1)
    assert [(check.id, check.verdict) for check in found.checks] == [("NFV-PKT-024", Verdict.PASS)]
    assert "rm -rf" in door.asked[-1] and not any("systemctl stop" in words for words in door.asked)


def test_vfs_of_a_pf_that_dpdk_drives_are_captured_on_the_host(lending: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report says so beside the study's figures, which are of guests."""
    spots: list[Any] = []
    monkeypatch.setattr(matrix_dpdk, "at", lambda looked, spot, engine: spots.append(spot))
    with matrix_dpdk.functions(looked(idle()), port(), 60):
        assert [(spot.kind, spot.attachment) for spot in spots] == [("host", "virtual function")] * 2


def test_what_a_killed_run_has_left_with_dpdk_is_given_back() -> None:
    door = Doors({})
    taken_out: list[int] = []
    matrix_dpdk.reclaim(door, lambda: taken_out.append(len(door.asked)))  # before it is asked for
    assert "systemctl stop nfvcap-dpdk-pf" in door.asked[1] and taken_out == [1]
    door = idle()
    matrix_dpdk.reclaim(door, lambda: pytest.fail("nobody has it"))
    assert len(door.asked) == 1


def test_a_pf_that_is_not_lent_is_a_reason(lending: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: Any) -> Any:
        raise NfvcapError("NFV-PKT-218", "it did not give it away", "no memory")

    monkeypatch.setattr(matrix_dpdk, "lent", refuses)
    with matrix_dpdk.whole_port(looked(idle()), port(), 60) as found:
        assert not found.rows and "no memory [NFV-PKT-218]" in found.reasons[matrix_dpdk.WHOLE]
    with matrix_dpdk.functions(looked(idle()), Choice(None, "it carries ssh"), 60) as found:
        assert {found.reasons[key] for key in matrix_dpdk.VFS} == {"it carries ssh"}


def test_without_a_port_nothing_is_touched(playbooks: list[str]) -> None:
    door, none = Doors({}), Choice(None, "0000:81:00.0 carries ssh")
    with bare_metal(looked(door), none) as found, temporary(looked(door), "vm3", "virtio", none) as nic:
        assert set(found.reasons.values()) == set(nic.reasons.values()) == {"0000:81:00.0 carries ssh"}
    assert door.asked == [] and playbooks == []


def options(**words: Any) -> PacketOptions:
    return PacketOptions(**{**dict.fromkeys(PacketOptions.__dataclass_fields__), **words})


def measured(*groups: Group, traffics: tuple[str, ...] = TRAFFICS, **words: Any) -> HostResult:
    return verify_matrix._measured(EMPTY, WISH, groups, There(), traffics, **words)


def cells(result: HostResult) -> dict[str, str]:
    return {check.subject: check.reason for check in result.checks if check.id == "NFV-PKT-020"}


def group(found: Found, left: list[str] | None = None, guest: str = "") -> Group:
    @contextmanager
    def opened() -> Iterator[Found]:
        yield found
        (left if left is not None else []).append("left")

    return Group(opened, guest, tuple(found.rows))


def test_every_cell_is_measured_or_skipped_with_the_reason_that_was_found() -> None:
    asked: list[str] = []

    def measure(host: HostResult, wish: Wish) -> HostResult:
        asked.append(wish.traffic.name)
        return host

    result = measured(group(Found({KERNEL: measure}, {VIRTIO: "no such NIC"})), traffics=("64",))
    told = cells(result)
    assert asked == ["64"] and len(told) == len(KEYS) * len(TRAFFICS) - 1
    assert subject(KERNEL, "64") not in told and "--traffic 64 alone" in told[subject(KERNEL, "965")]
    assert told[subject(VIRTIO, "64")] == "no such NIC"
    assert "nfvcap does not drive HPCAP" in told["bare metal, HPCAP, 64"]


def test_a_cell_that_cannot_be_tried_is_an_error_and_the_table_says_why() -> None:
    error = failed("vm3 64 B", NfvcapError("NFV-GUEST-010", "the guest's agent is silent", "", "start it"))
    broken = group(Found({KERNEL: lambda host, wish: host.model_copy(update={"checks": (error,)})}))
    result = measured(broken, traffics=("64",))
    assert cells(result)[subject(KERNEL, "64")] == "the guest's agent is silent [NFV-GUEST-010]"
    assert error in result.checks and int(result.exit_code) == 1


@pytest.mark.parametrize("answers", [False, True])
@pytest.mark.parametrize("verdict", [Verdict.ERROR, Verdict.INCONCLUSIVE])
def test_a_guest_that_falls_silent_is_asked_once_and_not_for_each_cell(answers: bool, verdict: Verdict) -> None:
    """Before its first frame or behind it. A connection may be cut while the guest lives: then all are measured."""
    error = failed("vm3 64 B", NfvcapError("NFV-GUEST-032", "vm3 cannot be reached", "no answer within 60 s"))
    error = error.model_copy(update={"verdict": verdict})
    asked, tried = [], []

    def dies(host: HostResult, wish: Wish) -> HostResult:
        return host.model_copy(update={"checks": (error,)})

    def lives(host: HostResult, wish: Wish) -> HostResult:
        tried.append(wish.traffic.name)
        return host.model_copy(update={"checks": ()})

    def still(guest: str) -> bool:
        asked.append(guest)
        return answers

    first, others = Found({VIRTIO: dies}), [Found({VIRTIO_DPDK: lives}), Found({KERNEL: lives})]
    groups = [group(first, guest="vm3"), group(others[0], guest="vm3"), group(others[1])]
    told = cells(measured(*groups, traffics=("64",), answers=still))
    assert asked == ["vm3"] and len(tried) == 1 + answers  # the host's cells are measured in any case
    assert (told.get(subject(VIRTIO_DPDK, "64")) == "guest vm3 does not answer any more") is not answers

    def interrupted_meanwhile(guest: str) -> bool:
        raise KeyboardInterrupt

    kept = measured(*groups, traffics=("64",), answers=interrupted_meanwhile)
    assert error in kept.checks and interrupted(kept.checks)


def test_each_cell_of_a_path_has_a_name_of_its_own() -> None:
    behind: list[str] = []

    def measure(host: HostResult, wish: Wish) -> HostResult:
        behind.append(wish.behind)
        return host

    measured(group(Found({KERNEL: measure})))
    assert behind == [" 64 B", " 965 B"]


def test_a_guest_with_two_vfs_has_rows_for_one_and_for_both() -> None:
    vfs: Any = tuple(SimpleNamespace(address=name, pf_driver="kernel") for name in "abc")
    asked: list[tuple[str, ...]] = []

    def with_options(engine: str, vf: tuple[str, ...], **others: Any) -> Any:
        asked.append(vf)
        # What was said for the agent's captures is nothing that tcpdump knows.
        assert others == ({"capture_options": ()} if engine == "libpcap" else {})
        return SimpleNamespace(result=None)

    run: Any = SimpleNamespace(with_options=with_options)
    engines = {"kernel": "kernel", "libpcap": "libpcap", "dpdk": "DPDK"}
    rows = [key for key, _ in verify_matrix._rows(run, vfs, engines)]
    two = {("virtual function", engine, "kernel", n) for engine in ("kernel", "DPDK") for n in (1, 2)}
    assert set(rows) == {*two, ("virtual function", "libpcap", "kernel", 1)}  # tcpdump captures one interface
    assert set(asked) == {("a",), ("a", "b")}


def test_an_interrupt_ends_all_and_says_so_of_what_was_not_measured() -> None:
    left: list[str] = []
    partial = SimpleNamespace(partial=INTERRUPTED, name="x", model_copy=lambda update: partial)

    def cut(host: HostResult, wish: Wish) -> HostResult:
        return HostResult.model_construct(host="h", environment={}, checks=(), fingerprint="", measurements=(partial,))

    def never(host: HostResult, wish: Wish) -> HostResult:
        raise AssertionError

    result = measured(group(Found({KERNEL: cut, AF_XDP: never}), left), group(Found({VIRTIO: never}), left))
    told = cells(result)
    assert left == ["left"] and "interrupted" in told[subject(AF_XDP, "64")]
    assert "interrupted" in told[subject(VIRTIO, "965")]


def test_af_xdp_that_cannot_be_set_up_is_skipped_with_what_it_said_and_no_other_engine_is() -> None:
    said = "af_xdp:eth0: receive queue 0 cannot be set up [NFV-AGENT-003]\n  why: Invalid argument\n  fix: another"
    result = SimpleNamespace(measurements=[SimpleNamespace(partial=said, trials=())])
    asked: list[str] = []

    def measure(host: HostResult, wish: Wish) -> Any:
        asked.append(wish.traffic.name)
        return result

    told = cells(measured(group(Found({AF_XDP: measure}))))
    assert told[subject(AF_XDP, "64")] == told[subject(AF_XDP, "965")]
    assert (
        "receive queue 0 cannot be set up" in told[subject(AF_XDP, "64")] and "Invalid" in told[subject(AF_XDP, "64")]
    )
    assert asked == ["64"] and verify_matrix._not_set_up(KERNEL, result) == ""  # type: ignore[arg-type]
    result.measurements[0].trials = ("one",)
    assert verify_matrix._not_set_up(AF_XDP, result) == ""  # type: ignore[arg-type]


def test_the_matrix_has_columns_for_the_traffics_of_the_study_only() -> None:
    assert verify_matrix._traffics(options()) == TRAFFICS
    assert verify_matrix._traffics(options(traffic="965")) == ("965",)
    with pytest.raises(UsageError) as refused:
        verify_matrix._traffics(options(traffic="imix"))
    assert refused.value.code == "NFV-PKT-203"


def test_trials_are_for_a_fixed_rate() -> None:
    fixed = options(profile="quick", rate="100", trials=1)
    assert wish_of(fixed).profile.trials == 1 and wish_of(fixed).traffic.name == "64"
    with pytest.raises(UsageError) as refused:
        wish_of(options(profile="quick", trials=1))
    assert refused.value.code == "NFV-PKT-203"


def test_an_interrupt_between_two_measurements_keeps_what_was_measured() -> None:
    """While a port is prepared, or a way is opened: there is no measurement then that could say so itself."""

    @contextmanager
    def cut() -> Iterator[Found]:
        raise KeyboardInterrupt
        yield Found()

    def opens(host: HostResult, wish: Wish) -> HostResult:
        raise KeyboardInterrupt

    kept = failed("seen before", NfvcapError("NFV-GUEST-010", "x", ""))
    first = group(Found({KERNEL: lambda host, wish: host.model_copy(update={"checks": (kept,)})}))
    for second in (Group(cut), group(Found({VIRTIO: opens}))):
        result = measured(first, second, traffics=("64",))
        assert kept in result.checks and interrupted(result.checks)
        assert "interrupted" in cells(result)[subject(VIRTIO, "64")]


def test_guests_that_are_measured_before_an_interrupt_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def result(run: Any, host: HostResult, wish: Wish) -> HostResult:
        if run.name == "b":
            raise KeyboardInterrupt
        return host.model_copy(update={"checks": (failed(run.name, NfvcapError("NFV-GUEST-010", "x", "")),)})

    monkeypatch.setattr(verify_guest.GuestRun, "result", result)
    monkeypatch.setattr(verify_guest.GuestRun, "path_name", lambda run: run.name)
    asked: Any = SimpleNamespace(options=SimpleNamespace(guest=("a", "b", "c")))
    made = verify_guest._guests(asked, EMPTY, WISH)
    assert interrupted(made.checks) and made.checks[0].subject == "a"
    assert {"b", "c"} <= {check.subject for check in made.checks if check.verdict is Verdict.SKIP}
