# SPDX-License-Identifier: Apache-2.0
"""The lab server itself. Takes it over in any state, starts from the pristine disk, leaves it up and pristine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nfvcap.errors import NfvcapError
from nfvcap.lab import Lab
from nfvcap.lab.frames import ETHERTYPE, build, number_of
from nfvcap.lab.topology import PORTS, Port
from tests.lab.host import Host

pytestmark = pytest.mark.lab

COUNT = 2000
NFVCAP = str(Path(sys.executable).parent / "nfvcap")


@pytest.fixture(scope="module", autouse=True)
def _pristine(lab: Lab) -> None:
    lab.up(reset=True)


@pytest.fixture
def other() -> Iterator[Lab]:
    """A second lab beside the one of the tests; nothing is left of it."""
    machine = Lab("other")
    yield machine
    machine.down(delete=True)
    assert not machine.paths.directory.exists()


def test_both_ports_and_the_cores_are_on_their_nodes(host: Host) -> None:
    for port in PORTS:
        assert host.read(f"/sys/bus/pci/devices/{port.address}/numa_node").strip() == str(port.node)
        assert host.read(f"/sys/bus/pci/devices/{port.address}/sriov_totalvfs").strip() == "7"
    assert host.read("/sys/devices/system/node/node0/cpulist").strip() == "0-4"
    assert host.read("/sys/devices/system/node/node1/cpulist").strip() == "5-9"


def test_the_host_is_a_plain_debian(host: Host) -> None:
    assert "VERSION_CODENAME=trixie" in host.read("/etc/os-release")
    arguments = host.read("/proc/cmdline").split()
    assert not [word for word in arguments if word.startswith(("intel_iommu", "iommu", "hugepages", "isolcpus"))]
    assert host.run("cat /sys/bus/pci/devices/*/sriov_numvfs").split() == ["0", "0"]
    assert host.run("systemctl --failed --no-legend").strip() == ""
    assert not host.exists("/var/lib/nfvcap")


def test_one_virtual_machine_is_kept_open(host: Host) -> None:
    # ssh answers before the kernel has loaded KVM.
    held = "ls -l /proc/$(systemctl show -P MainPID lab-keep-vm.service)/fd | grep kvm-vcpu"
    host.run(f"for i in $(seq 60); do {held} && exit 0; sleep 1; done; exit 1")
    assert "Failed" not in host.run("journalctl -b -u lab-keep-vm.service")


def test_grub_cfg_of_the_image_is_what_update_grub_makes(host: Host) -> None:
    before = host.read("/boot/grub/grub.cfg")
    host.run("update-grub", timeout_s=120)
    assert host.read("/boot/grub/grub.cfg") == before


def test_status_says_what_runs(lab: Lab) -> None:
    # A busy sshd may answer later than status waits for it.
    deadline = time.monotonic() + 60
    while lab.status().state != "up" and time.monotonic() < deadline:
        time.sleep(1)
    said = subprocess.run([NFVCAP, "lab", "status", "--name", lab.name, "--format", "json"], capture_output=True)
    status = json.loads(said.stdout)
    assert status["state"] == "up"
    assert status["accelerator"] in {"kvm", "tcg"} and status["accelerator_why"]
    assert status["qemu"].startswith("10.0.")
    assert status["pid"] == lab.pid()
    assert [port["listener"] for port in status["ports"]] == [False, False]


def test_up_is_content_with_a_lab_that_is_up(lab: Lab) -> None:
    before = lab.pid()
    assert lab.up().times_s == {}
    assert lab.pid() == before


def link_up(host: Host, port: Port) -> str:
    """Bring a PF up and wait for its carrier; returns its name."""
    name = host.run(f"ls /sys/bus/pci/devices/{port.address}/net").strip()
    host.run(f"ip link set {name} up; for i in $(seq 50); do [ $(cat /sys/class/net/{name}/carrier) = 1 ] && break;"
             " sleep 0.2; done")  # fmt: skip
    return name


@pytest.mark.parametrize("port", PORTS, ids=lambda port: f"port{port.index}")
def test_the_port_receives_every_frame_of_its_wire(lab: Lab, host: Host, port: Port) -> None:
    name = link_up(host, port)
    counter = f"/sys/class/net/{name}/statistics/rx_packets"
    before = int(host.read(counter))
    with lab.wire(port.index) as wire:
        for number in range(COUNT):
            wire.send(build(port.mac, number))
            time.sleep(0.0005)
        assert wire.sent == COUNT
    time.sleep(1)
    assert int(host.read(counter)) - before == COUNT


@pytest.mark.parametrize("port", PORTS, ids=lambda port: f"port{port.index}")
def test_the_wire_receives_every_frame_of_the_port(lab: Lab, host: Host, port: Port) -> None:
    name = link_up(host, port)
    sender = (
        "import socket,struct\n"
        f"s=socket.socket(socket.AF_PACKET,socket.SOCK_RAW);s.bind(('{name}',0))\n"
        f"head=bytes.fromhex('020000000001'+'{port.mac}'.replace(':',''))+struct.pack('!H',{ETHERTYPE})+b'nfvcapW1'\n"
        f"for i in range({COUNT}): s.send((head+struct.pack('!Q',i)).ljust(60,b'\\0'))\n"
    )
    with lab.wire(port.index) as wire:
        lab.ssh(["python3", "-"], stdin=sender, timeout_s=120)
        seen = []
        while (frame := wire.receive(2)) is not None:
            if (number := number_of(frame)) is not None:
                seen.append(number)
    assert seen == list(range(COUNT))


def test_a_nested_guest_takes_a_vf(lab: Lab, host: Host) -> None:
    port = PORTS[1]
    link_up(host, port)
    host.run(f"echo 2 > /sys/bus/pci/devices/{port.address}/sriov_numvfs; udevadm settle")
    domain = """<domain type='kvm'><name>tiny</name><memory unit='MiB'>128</memory><vcpu cpuset='4'>1</vcpu>
      <numatune><memory mode='strict' nodeset='1'/></numatune>
      <os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/><apic/></features>
      <devices><interface type='hostdev' managed='yes'><mac address='02:00:00:81:00:00'/><source>
      <address type='pci' domain='0' bus='0x81' slot='0x10' function='0'/></source></interface>
      <memballoon model='none'/></devices></domain>"""
    lab.ssh(["virsh", "create", "/dev/stdin"], stdin=domain, timeout_s=180)
    try:
        driver = "/sys/bus/pci/devices/0000:81:10.0/driver"
        assert host.run(f"readlink {driver}").strip().endswith("/vfio-pci")
        assert host.run("virsh domstate tiny").strip() == "running"
        assert "vf 0     link/ether 02:00:00:81:00:00" in host.run("ip link show")
    finally:
        host.run("virsh destroy tiny")
    assert host.run(f"readlink {driver}").strip().endswith("/igbvf")


@pytest.mark.soak  # boots of its own
def test_what_was_synced_survives_a_power_cut(lab: Lab, host: Host) -> None:
    host.run("echo kept > /root/kept && sync")
    lab.power_cut()
    assert lab.pid() is None
    assert lab.status().state == "down"
    lab.up()
    assert host.read("/root/kept") == "kept\n"
    assert len(host.run("journalctl --list-boots --no-pager -q").splitlines()) >= 2


@pytest.mark.soak  # boots of its own
def test_a_boot_that_falls_silent_is_reset_and_comes_up(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A healthy boot is silent for more than 10 s while its firmware and its kernel start: that looks like a hang."""
    monkeypatch.setenv("NFVCAP_LAB_SILENCE_S", "8")
    lab.power_cut()
    lab.up()
    resets = lab.status().resets
    assert 1 <= len(resets) <= 3
    assert all("reset: the boot wrote nothing for 8 s" in line for line in resets)


@pytest.mark.soak  # boots of its own
def test_a_boot_that_fails_explains_itself_and_reset_helps(lab: Lab, host: Host) -> None:
    host.run("sed -i 's#root=UUID=[^ ]*#root=/dev/none rootdelay=1#' /boot/grub/grub.cfg && sync")
    lab.power_cut()
    with pytest.raises(NfvcapError) as caught:
        lab.up()
    assert caught.value.code == "NFV-LAB-005"
    assert "/dev/none does not exist" in caught.value.why
    assert lab.pid() is None
    lab.reset()
    lab.up()
    assert not host.exists("/root/kept")


@pytest.mark.parametrize(("stop", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130)])
def test_a_start_that_is_interrupted_leaves_nothing(other: Lab, stop: signal.Signals, exit_code: int) -> None:
    controller = start_in_background(other)
    controller.send_signal(stop)
    assert controller.wait(timeout=60) == exit_code
    assert other.pid() is None
    assert not [path for path in other.paths.sockets() if path.exists()]


def test_a_controller_killed_before_the_boot_is_done_leaves_nothing(other: Lab) -> None:
    controller = start_in_background(other)
    assert other.status().state == "booting"
    pid = other.pid()
    assert pid is not None
    controller.kill()
    controller.wait(timeout=10)
    deadline = time.monotonic() + 30
    while any(path.exists() for path in other.paths.sockets()) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert other.pid() is None
    assert not memory_of(pid)
    assert not [path for path in other.paths.sockets() if path.exists()]


def memory_of(pid: int) -> str:
    """What a process has in memory; "" for one that has ended, also as long as nobody has asked how."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return ""
    return "".join(line for line in status.splitlines() if line.startswith("VmRSS:"))


def start_in_background(lab: Lab) -> subprocess.Popen[str]:
    """``lab up`` in a process of its own, returned when its machine has been started."""
    controller = subprocess.Popen(
        [NFVCAP, "lab", "up", "--name", lab.name], stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert controller.stderr is not None
    for line in controller.stderr:
        if "boot until ssh answers" in line:
            return controller
    raise AssertionError("lab up ended before the boot")
