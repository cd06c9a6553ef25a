# SPDX-License-Identifier: Apache-2.0
"""The fingerprint: whatever decides about a figure changes it, who sends included."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest

from nfvcap.door.command import CommandDoor
from nfvcap.run import Completed
from nfvcap.verify.packets.engines.guestroom import around_host
from nfvcap.verify.packets.machine import differences, environment, fingerprint
from nfvcap.verify.packets.sources.around import around_source
from nfvcap.verify.packets.sources.origin import Origin
from tests.unit.attach.hosts import PORT1, plain, typed
from tests.unit.attach.hosts import vfs_of as host_vfs

SAID = {"eth0": {"driver": "ice", "version": "6.1.0", "firmware": "4.40 0x8001c7d4"}}


def machine(root: Path) -> Path:
    """A machine with one NIC."""
    device = root / "sys/devices/pci0000:80/0000:81:00.0"
    for name, text in {"vendor": "0x8086", "device": "0x1592", "numa_node": "1", "sriov_numvfs": "4"}.items():
        device.mkdir(parents=True, exist_ok=True)
        (device / name).write_text(text + "\n")
    (root / "sys/bus/pci/drivers/ice").mkdir(parents=True)
    (device / "driver").symlink_to(root / "sys/bus/pci/drivers/ice")
    (root / "sys/class/net/eth0").mkdir(parents=True)
    (root / "sys/class/net/eth0/device").symlink_to(device)
    (root / "proc").mkdir()
    (root / "proc/cmdline").write_text("quiet isolcpus=2-7\n")
    (root / "proc/cpuinfo").write_text("model name\t: Xeon\nmicrocode\t: 0x1\n")
    return root


def test_drivers_and_firmware_of_nics_are_in_it(tmp_path: Path) -> None:
    found = environment(machine(tmp_path), SAID)
    assert found["nics"] == [{
        "address": "0000:81:00.0", "id": "8086:1592", "driver": "ice", "node": 1, "vfs": 4, "driver_version": "6.1.0",
        "firmware": "4.40 0x8001c7d4",
    }]  # fmt: skip
    newer = environment(tmp_path, {"eth0": SAID["eth0"] | {"firmware": "4.50"}})
    assert fingerprint(found) != fingerprint(newer) and [what for what, *_ in differences(found, newer)] == ["nics"]


def test_the_kernel_of_this_machine_says_what_it_knows() -> None:
    for nic in environment()["nics"]:
        assert nic["driver"] is None or nic["driver_version"], nic


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("proc/cmdline", "quiet isolcpus=2-6\n"),
        ("proc/cpuinfo", "model name\t: Xeon\nmicrocode\t: 0x2\n"),
        ("sys/class/net/eth0/device/sriov_numvfs", "8\n"),
        ("sys/class/dmi/id/bios_version", "1.1\n"),
    ],
)
def test_each_change_of_the_machine_changes_it(tmp_path: Path, path: str, text: str) -> None:
    before = fingerprint(environment(machine(tmp_path), SAID))
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text(text)
    assert fingerprint(environment(tmp_path, SAID)) != before


def test_names_of_machines_are_not_compared(tmp_path: Path) -> None:
    one = environment(machine(tmp_path), SAID)
    assert fingerprint(one) == fingerprint(one | {"hostname": "another"})


def test_who_has_which_vf_is_told_and_not_compared(tmp_path: Path) -> None:
    facts = plain()
    facts["guests"][1]["hostdevs"] = [host_vfs(facts, PORT1)[3]["address"]]
    host_vfs(facts, PORT1)[0]["holder"] = {"kind": "libvirt", "name": "vm1", "pid": 9}
    bare = environment(machine(tmp_path), SAID)
    assert bare["nics"][0]["address"] == PORT1
    told = around_host(bare, typed(facts))
    assert told["nics"] == [bare["nics"][0] | {"holders": {"0": "vm1", "3": "vm2 (not now)"}}]
    before = around_host(bare, typed(plain()))
    assert before["nics"] == bare["nics"]
    assert fingerprint(told) == fingerprint(before) and differences(told, before) == []
    fewer = told | {"nics": [told["nics"][0] | {"vfs": 2}]}
    assert fingerprint(fewer) != fingerprint(told) and [what for what, *_ in differences(fewer, told)] == ["nics"]


@dataclasses.dataclass(frozen=True)
class Sender(CommandDoor):
    """A machine that says what it is told to."""

    said: str = ""
    asked: list[tuple[str, ...]] = dataclasses.field(default_factory=list)

    def run(self, argv: Sequence[str], timeout_s: float) -> Completed:
        self.asked.append(tuple(argv[4:]))
        return Completed(tuple(argv), 0, self.said, "")


OF_HOST2 = "kernel 6.1.0\ncmdline quiet\ncpu Xeon\ndevice 0x8086 0x1592\ndriver ice\nfirmware 4.40\nrings\n"


@pytest.mark.parametrize(
    ("port", "asked"),
    [
        ("af_packet:ens5", ("/sys/class/net/ens5/device", "ens5")),
        ("af_xdp:ens5", ("/sys/class/net/ens5/device", "ens5")),
        ("0000:81:00.0", ("/sys/bus/pci/devices/0000:81:00.0", "")),
        ("vdev:net_tap0,iface=x", ("", "")),
    ],
)
def test_who_sends_is_in_it_with_the_port(port: str, asked: tuple[str, ...]) -> None:
    host2 = Sender("host2", said=OF_HOST2)
    made = around_source(Origin("agent", port, host2))
    assert made == {
        "source": f"port {port}; kernel 6.1.0; cmdline quiet; cpu Xeon; device 0x8086 0x1592; driver ice; firmware 4.40"
    }
    assert host2.asked == [asked]
    newer = around_source(Origin("agent", port, Sender("host2", said=OF_HOST2.replace("4.40", "4.50"))))
    assert fingerprint(made) != fingerprint(newer)


def test_this_machine_is_the_sender_of_a_wire() -> None:
    made = around_source(Origin("lab", "lab"))["source"]
    kernel = Path("/proc/sys/kernel/osrelease").read_text().strip()
    assert made.startswith(f"lab; kernel {kernel}; cmdline ") and "driver" not in made


def test_a_port_of_this_machine_is_asked() -> None:
    names = [path.name for path in Path("/sys/class/net").iterdir() if (path / "device/driver").exists()]
    if not names:
        pytest.skip("this machine has no NIC")
    driver = Path(f"/sys/class/net/{names[0]}/device/driver").resolve().name
    assert f"; driver {driver}" in around_source(Origin("agent", f"af_packet:{names[0]}"))["source"]
