# SPDX-License-Identifier: Apache-2.0
"""A PF is lent to DPDK only where nobody needs it, and given back whatever happens."""

from __future__ import annotations

import fcntl
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from nfvcap.errors import NfvcapError
from nfvcap.model.facts import Nic
from nfvcap.run import Completed
from nfvcap.verify.packets.engines import dpdk_pf
from nfvcap.verify.packets.engines.dpdk_pf import lent
from nfvcap.verify.packets.engines.ports import by_dpdk, lendable, of_dpdk
from tests.unit.attach.hosts import PORT0, PORT1, plain, typed
from tests.unit.verify.packets.test_ports import nic_of, provisioned

SRIOV = {"enable_sriov": "N"}


def port() -> Nic:
    return next(nic for nic in typed(plain()).nics if nic.address == PORT1)


def test_a_port_that_nobody_needs_can_be_lent_by_address_or_name() -> None:
    facts = provisioned(PORT1, parameters=SRIOV)
    for named in (PORT1, port().name or ""):
        assert (nic := lendable(facts, named).nic) is not None and nic.address == PORT1


@pytest.mark.parametrize(
    ("named", "change", "words"),
    [
        (PORT0, {}, "no port that the plan"),
        ("eth9", {}, "eth9 is no port"),
        (PORT1, {"carries": ["ssh"]}, "carries ssh"),
        (PORT1, {"sriov": None}, "no SR-IOV"),
    ],
)
def test_others_are_not_lent(named: str, change: dict[str, Any], words: str) -> None:
    choice = lendable(provisioned(PORT1, change=change, parameters=SRIOV), named)
    assert choice.nic is None and words in choice.why


def test_a_port_with_users_is_not_lent() -> None:
    def why(facts: Any, **change: Any) -> str:
        choice = lendable(facts.model_copy(update=change), PORT1)
        assert choice.nic is None
        return choice.why

    whole = provisioned(PORT1, parameters=SRIOV)
    vf = port().sriov.vfs[0].address  # type: ignore[union-attr]
    held = plain()
    nic_of(held, PORT1)["sriov"]["vfs"][0]["holder"] = {"kind": "vfio", "name": "testpmd", "pid": 3}
    used = typed(held).model_copy(update={"files": whole.files, "module_parameters": whole.module_parameters})
    assert "VF 0 in testpmd" in why(used)
    guest = {
        "name": "vm9", "uuid": "u", "state": "shutoff", "persistent": True, "vcpus": 1, "memory_bytes": 1,
        "vcpu_pins": {}, "emulator_pins": [], "memory_nodes": [], "hugepage_size_bytes": None, "hostdevs": [vf],
    }  # fmt: skip
    defined = typed({**plain(), "guests": [guest]}).guests
    assert "defined with: vm9" in why(whole, guests=defined)
    rule = {"kind": "mirror", "rule": {"pf": PORT1}}
    assert "mirror rules" in why(whole, ledger={"entries": {"mirror:m1": rule}})
    assert "vfio_pci is not loaded" in why(whole, module_parameters={})


def test_each_vf_has_an_address_of_its_own_that_its_program_is_told() -> None:
    one, two = of_dpdk(port(), ["0000:81:10.0", "0000:81:10.2"], "token")
    assert one.mac != two.mac and one.keys == f",vf-token=token,mac={one.mac}"
    assert (one.pf_driver, one.guest_address, one.interface, two.index) == ("DPDK", "0000:81:10.0", "", 1)
    assert by_dpdk(port()).interface == "" and by_dpdk(port()).mac == port().mac


class Host:
    """Answers like a host; what becomes of the unit is remembered."""

    name = "host1"

    def __init__(
        self, refuses: bool = False, changed: bool = False, stays: bool = False, lent_already: bool = False
    ) -> None:
        self.refuses, self.changed, self.stays, self.lent_already = refuses, changed, stays, lent_already
        self.done: list[str] = []
        self.put_there: dict[str, str] = {}

    def run(self, argv: Sequence[str], timeout_s: float) -> Completed:
        out, code = "", 0
        if argv[0] == "systemd-run":
            self.done.append("start")
            code = 1 if self.refuses else 0
        elif "is-active" in argv[2]:
            code = 0 if self.lent_already else 1
        elif "systemctl stop" in argv[2]:
            self.done.append("stop")
            code = 1 if self.stays else 0
        elif "journalctl" in argv[2]:
            out = "node 1 has no memory"
        elif argv[2] == dpdk_pf._LIKE:
            out = "igb\n4\n" if not self.changed or "stop" not in self.done else "igb\n0\n"
        elif argv[2] == dpdk_pf._VFS:
            out = "0000:81:10.0\n0000:81:10.2\n"
        return Completed(tuple(argv), code, out, "")

    def put(self, data: bytes, path: str) -> None:
        self.put_there[path] = data.decode()

    def fetch(self, path: str, target: Path) -> int:
        raise NotImplementedError


@pytest.mark.parametrize("error", [RuntimeError(), KeyboardInterrupt(), NfvcapError("NFV-GUEST-032", "gone")])
def test_whatever_ends_the_block_the_pf_goes_back(error: BaseException) -> None:
    host = Host()
    with pytest.raises(type(error)), lent(host, port(), 2, "/agent", 60) as here:
        assert host.done == ["start"] and here.vfs == ("0000:81:10.0", "0000:81:10.2")
        raise error
    assert host.done == ["start", "stop"] and here.given_back == ""


def test_what_is_not_as_before_is_said() -> None:
    with lent(Host(changed=True), port(), 0, "/agent", 60) as here:
        pass
    assert here.given_back == "it was igb | 4, it is igb | 0"


def test_a_pf_that_does_not_come_back_is_said_and_spoils_nothing_else() -> None:
    with lent(Host(stays=True), port(), 1, "/agent", 60) as here:
        pass
    assert "NFV-GUEST-030" in here.given_back


def test_a_host_that_refuses_says_why_and_keeps_the_pf() -> None:
    host = Host(refuses=True)
    with pytest.raises(NfvcapError, match="NFV-PKT-218") as caught, lent(host, port(), 1, "/agent", 60):
        pytest.fail("the block must not be entered")
    assert "no memory" in str(caught.value) and host.done == ["start", "stop"]


def test_what_another_run_has_borrowed_is_not_touched() -> None:
    host = Host(lent_already=True)
    with pytest.raises(NfvcapError, match="NFV-PKT-218"), lent(host, port(), 1, "/agent", 60):
        pytest.fail("the block must not be entered")
    assert host.done == [] and host.put_there == {}


def tree(root: Path) -> Path:
    """The files of one PF with two VFs, and of vfio-pci; returns the PF's directory."""
    devices, pf = root / "sys/bus/pci/devices", root / "sys/bus/pci/devices" / PORT1
    for name in ("driver_igb", f"devices/{PORT1}", "devices/vf0", "devices/vf1"):
        (root / "sys/bus/pci" / name).mkdir(parents=True)
    (pf / "driver").symlink_to(root / "sys/bus/pci/driver_igb")
    for number in (0, 1):
        (pf / f"virtfn{number}").symlink_to(devices / f"vf{number}")
    for path, text in {
        pf / "driver_override": "(null)", pf / "sriov_numvfs": "4", pf / "sriov_drivers_autoprobe": "1",
        root / "sys/module/vfio_pci/parameters/enable_sriov": "N",
        root / "sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages": "768",
    }.items():  # fmt: skip
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return pf


def test_the_scripts_change_what_they_must_and_put_it_back(tmp_path: Path) -> None:
    pf, place = tree(tmp_path), tmp_path / "place"
    place.mkdir()

    def do(script: str, *words: str, restored: str = "true") -> int:
        text = script.format(place=place, lock=tmp_path / "lock", pages=dpdk_pf.PAGES).replace(
            "/sys/", f"{tmp_path}/sys/"
        )
        text = text.replace("/usr/bin/python3", restored).replace("udevadm", "true")
        return subprocess.run(["sh", "-c", text, "sh", *words], check=False, timeout=20).returncode

    def read(name: str) -> str:
        return (tmp_path / "sys" / name).read_text().strip()

    with (tmp_path / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert do(dpdk_pf._TAKE.replace("-w 60", "-w 0"), PORT1, "1", "2") == 1 and not list(place.iterdir())
    pages = "devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages"
    assert do(dpdk_pf._TAKE, PORT1, "1", "2") == 0
    assert (pf / "driver_override").read_text() == "vfio-pci\n" and (pf / "sriov_numvfs").read_text() == "2\n"
    assert read("module/vfio_pci/parameters/enable_sriov") == "Y" and read(pages) == "832"
    assert [(pf / f"virtfn{number}/driver_override").read_text() for number in (0, 1)] == ["vfio-pci\n"] * 2
    assert (pf / "sriov_drivers_autoprobe").read_text() == "0\n"
    # As long as something fails it can be given back again.
    assert do(dpdk_pf._GIVE, restored="false") == 1 and (place / "override").exists()
    assert do(dpdk_pf._GIVE) == 0 and not place.exists()
    assert do(dpdk_pf._GIVE) == 0
    assert (pf / "driver_override").read_text() == "\n" and (pf / "sriov_numvfs").read_text() == "0\n"
    assert read("module/vfio_pci/parameters/enable_sriov") == "N" and read(pages) == "768"
    assert (pf / "sriov_drivers_autoprobe").read_text() == "1\n"
