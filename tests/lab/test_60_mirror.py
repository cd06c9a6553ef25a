# SPDX-License-Identifier: Apache-2.0
"""Copies of frames on the lab server: what is promised arrives, and goes on arriving whatever is reset.

Takes over: provisioned. Watched VF and monitor are VFs with their kernel driver in network namespaces of the server, so
no guest is needed; frames come from the wire and are numbered. Leaves: provisioned as before.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from nfvcap.lab.topology import PORTS
from tests.lab.conftest import HOST, LAB_NAME, PROVISIONED, Controller
from tests.lab.host import Host

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1800)]

PF = PORTS[1].address
WATCHED, BYSTANDER, MONITOR = 0, 1, 2
COUNT = 400

_SENDER = """
import socket, sys
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as door:
    door.bind((sys.argv[1], 0))
    for number in range(int(sys.argv[2])):
        door.send(bytes.fromhex("02000000009902000000009888b5") + number.to_bytes(4, "big") + bytes(42))
"""


def vf(index: int) -> str:
    return f"{PF}:vf{index}"


class Spaces:
    """VFs in network namespaces of their own: ``n0`` has the first, as ``v0``."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def make(self) -> None:
        lines = ["modprobe igbvf"]
        for index in (WATCHED, BYSTANDER, MONITOR):
            lines += [
                f"a=$(basename $(readlink /sys/bus/pci/devices/{PF}/virtfn{index}))",
                "i=$(ls /sys/bus/pci/devices/$a/net)", f"ip netns add n{index}", f"ip link set $i netns n{index}",
                f"ip netns exec n{index} sysctl -qw net.ipv6.conf.all.disable_ipv6=1",
                f"ip -n n{index} link set $i name v{index}", f"ip -n n{index} link set v{index} up",
            ]  # fmt: skip
        self.host.run(" && ".join(lines))
        self.wait_carrier()

    def wait_carrier(self, *indices: int) -> None:
        """A VF whose reset the PF answers too late has no link (igbvf) until it is reset once more."""
        for index in indices or (WATCHED, BYSTANDER, MONITOR):
            self.host.run(
                f"again='ip -n n{index} link set v{index}'; for i in $(seq 400); do "
                f"ip -n n{index} link show v{index} | grep -q LOWER_UP && exit 0; sleep 0.2; "
                "[ $((i % 100)) != 0 ] || { $again down; $again up; }; done; dmesg | tail -n 30; exit 1",
                timeout_s=300,
            )

    def carrier_changes(self) -> list[str]:
        """Of each VF's interface, since it is there: a driver that resets its VF makes two."""
        spaces = (WATCHED, BYSTANDER, MONITOR)
        return self.host.run(
            " && ".join(f"ip netns exec n{index} cat /sys/class/net/v{index}/carrier_changes" for index in spaces)
        ).split()

    def reset(self, index: int) -> None:
        """What a reboot of a guest does to its VF."""
        self.host.run(f"ip -n n{index} link set v{index} down; ip -n n{index} link set v{index} up")
        self.wait_carrier(index)

    def remove(self) -> None:
        # Interfaces of devices come back to the first namespace when theirs goes.
        self.host.run("for n in n0 n1 n2; do ip netns del $n 2>/dev/null; done; udevadm settle; true")


@pytest.fixture(scope="module")
def mirroring(top: Path, inventory: Path, tmp_path_factory: pytest.TempPathFactory) -> Controller:
    """The inventory as the tests before left it, with VFs of the second port for the kernel."""
    path = tmp_path_factory.mktemp("mirror") / "lab.yml"
    document = yaml.safe_load(inventory.read_text())
    wanted = document["all"]["hosts"][HOST]["nfvcap"]
    (port,) = (one for one in wanted["pfs"] if one["pf"] == PF)
    port["driver"] = "kernel"
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return Controller(top, path)


@pytest.fixture(scope="module")
def spaces(request: pytest.FixtureRequest, mirroring: Controller, host: Host) -> Iterator[Spaces]:
    # The last test takes it back; it may be left out, or fail.
    request.session.stash[PROVISIONED] = False
    mirroring("provision", HOST, "--yes", "--reboot", "auto", timeout_s=900)
    found = Spaces(host)
    found.make()
    yield found
    found.remove()


def tried(nfvcap: Controller, spaces: Spaces, rule: str = vf(MONITOR)) -> Any:
    """What a mirror test says, as soon as the ways to both VFs were whole while it ran.

    A hole in what the watched VF got tells nothing of the copy (5), and igbvf's watchdog may reset a VF once more, 10 s
    after it was reset: its carrier goes, and neither way is whole then.
    """
    # A kernel driver has 256 buffers: an emulated processor that stands still for less than two seconds loses nothing.
    words = ("--from", f"lab:{LAB_NAME}", "--count", str(COUNT), "--rate", "100")
    for _ in range(3):
        before = spaces.carrier_changes()
        found = nfvcap.json("mirror", "test", rule, *words, expect=(0, 4, 5))
        if found["sent"] == found["watched"]["distinct"] == found["monitor"]["distinct"] == COUNT:
            break
        changes = spaces.carrier_changes()
        print(f"\n{found}\ncarriers changed {before} times before, {changes} times behind it")
        assert found["lost_copies"] == 0 or changes != before
    assert found["watched"]["duplicates"] == found["monitor"]["duplicates"] == 0, found
    return found


def rules(nfvcap: Controller, expect: int | tuple[int, ...] = 0) -> Any:
    return nfvcap.json("mirror", "list", HOST, expect=expect)["hosts"][HOST]


def repaired(nfvcap: Controller, rule: str, more_than: int) -> int:
    """Wait until the keeper has set a rule again, and nothing has undone it for 10 s.

    A PF that goes down and up makes the drivers of its VFs reset them once more, when their watchdogs notice.
    """
    deadline, last, since = time.monotonic() + 120, more_than, time.monotonic()
    while time.monotonic() < deadline:
        found = int(rules(nfvcap, expect=(0, 4))["keeper"].get("rules", {}).get(rule, {}).get("repairs", 0))
        if found != last:
            last, since = found, time.monotonic()
        elif found > more_than and time.monotonic() - since >= 10:
            return found
    raise AssertionError(f"the keeper has not set {rule} again: {rules(nfvcap, expect=(0, 4))}")


def test_dry_run_says_what_is_copied_and_changes_nothing(mirroring: Controller, spaces: Spaces, host: Host) -> None:
    standing = f"cat /var/lib/nfvcap/ledger.json; ip -d link show dev $(ls /sys/bus/pci/devices/{PF}/net)"
    before = host.run(standing)
    said = mirroring("mirror", "add", vf(MONITOR), vf(WATCHED), "--dry-run", expect=3)
    assert "by igbmac" in said and "frames to 02:00:00:81:00:00" in said and "is not copied" in said
    assert host.run(standing) == before


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((vf(MONITOR), vf(MONITOR)), "NFV-MIRROR-002"),
        ((vf(MONITOR), f"{PORTS[0].address}:vf0"), "NFV-MIRROR-021"),
        ((vf(MONITOR), "vm9"), "NFV-MIRROR-020"),
        ((vf(MONITOR), vf(WATCHED), "--direction", "both"), "NFV-MIRROR-001"),
        ((vf(MONITOR), vf(WATCHED), "--for", "soon"), "NFV-MIRROR-025"),
    ],
)
def test_bad_input_is_one_message_and_no_change(
    mirroring: Controller, spaces: Spaces, host: Host, words: tuple[str, ...], code: str
) -> None:
    standing = f"cat /var/lib/nfvcap/ledger.json; ip -d link show dev $(ls /sys/bus/pci/devices/{PF}/net)"
    before = host.run(standing)
    said = mirroring.failing("mirror", "add", *words, expect=(2, 4))
    assert code in said and "fix:" in said
    assert host.run(standing) == before


def test_a_doubled_address_copies_every_frame(mirroring: Controller, spaces: Spaces, host: Host) -> None:
    mirroring("mirror", "add", vf(MONITOR), vf(WATCHED))
    assert tried(mirroring, spaces)["monitor"]["distinct"] == COUNT
    spaces.reset(WATCHED)
    spaces.reset(MONITOR)
    assert tried(mirroring, spaces)["monitor"]["distinct"] == COUNT
    assert "NFVCAP_MIRROR" in host.run("journalctl -o verbose NFVCAP_MIRROR=m1 -n 1")


def test_a_monitor_is_not_watched_by_way_of_its_port(mirroring: Controller, spaces: Spaces) -> None:
    for whole in ("all", "uplink"):
        said = mirroring.failing("mirror", "add", vf(BYSTANDER), whole, expect=(2, 4))
        assert "NFV-MIRROR-007" in said
    assert [rule["rule_id"] for rule in rules(mirroring)["rules"]] == ["m1"]


@pytest.mark.soak  # a boot; test_65_isolation has one of the kind
def test_the_rule_comes_back_after_the_host_rebooted(mirroring: Controller, spaces: Spaces, host: Host) -> None:
    host.reboot()
    host.run("systemctl is-system-running --wait || true", timeout_s=300)
    spaces.make()
    assert "iomem=relaxed" in host.read("/proc/cmdline")
    assert rules(mirroring)["rules"][0]["rule_id"] == "m1"
    assert tried(mirroring, spaces)["monitor"]["distinct"] == COUNT


def test_provisioning_leaves_the_lent_address_to_the_rule(mirroring: Controller, spaces: Spaces) -> None:
    mirroring("plan", HOST, "--check")


@pytest.mark.soak  # two minutes
def test_a_second_monitor_of_the_same_vf_comes_and_goes_without_the_first(
    mirroring: Controller, spaces: Spaces
) -> None:
    mirroring("mirror", "add", vf(BYSTANDER), vf(WATCHED))
    assert len(rules(mirroring)["rules"]) == 2
    for monitor in (MONITOR, BYSTANDER):
        assert tried(mirroring, spaces, vf(monitor))["monitor"]["distinct"] == COUNT
    mirroring("mirror", "remove", vf(BYSTANDER))
    assert tried(mirroring, spaces)["monitor"]["distinct"] == COUNT


def test_removed_means_no_copies_and_the_former_address(mirroring: Controller, spaces: Spaces, host: Host) -> None:
    mirroring("mirror", "remove", vf(MONITOR))
    assert rules(mirroring)["rules"] == []
    own = host.run(f"ip -j link show dev $(ls /sys/bus/pci/devices/{PF}/net)")
    assert "02:00:00:81:00:02" in own


def test_what_a_whole_port_offers_is_foretold_and_a_refusal_leaves_nothing(
    mirroring: Controller, spaces: Spaces, host: Host
) -> None:
    """The emulated 82576 keeps nothing of its own mirror rules; only writing tells."""
    link = f"ip -d link show dev $(ls /sys/bus/pci/devices/{PF}/net)"
    before = host.run(link)
    offered = " ".join(mirroring("mirror", "add", vf(MONITOR), "--dry-run", expect=3).split())
    assert "by poolselect" in offered and "--backend rules" in offered
    offered = " ".join(mirroring("mirror", "add", vf(MONITOR), "uplink", "--dry-run", expect=3).split())
    assert "by rules" in offered and "only writing tells" in offered
    assert "NFV-MIRROR-011" in mirroring.failing("mirror", "add", vf(MONITOR), "uplink", expect=(2, 4))
    assert rules(mirroring)["rules"] == [] and host.run(link) == before


@pytest.mark.soak  # minutes of waiting until drivers have noticed
def test_pool_bits_are_set_again_after_each_reset(mirroring: Controller, spaces: Spaces, host: Host) -> None:
    mirroring("mirror", "add", vf(MONITOR), f"{vf(WATCHED)},{vf(BYSTANDER)}")
    (rule,) = rules(mirroring)["rules"]
    assert rule["backend"] == "poolselect"
    assert tried(mirroring, spaces)["monitor"]["distinct"] == COUNT
    count = 0
    for disturbance in (
        lambda: spaces.reset(WATCHED),
        lambda: host.run(f"i=$(ls /sys/bus/pci/devices/{PF}/net); ip link set $i down; sleep 1; ip link set $i up"),
    ):
        disturbance()
        count = repaired(mirroring, rule["rule_id"], count)
        spaces.wait_carrier()
        assert tried(mirroring, spaces)["monitor"]["distinct"] == COUNT
    assert "NFVCAP_ACTION=repair" in host.run("journalctl -o verbose NFVCAP_ACTION=repair -n 1")


@pytest.mark.soak  # a minute
def test_the_kernel_copies_what_an_interface_of_the_host_carries(
    mirroring: Controller, spaces: Spaces, host: Host
) -> None:
    """A cable between two interfaces stands in for the tap of a guest on VirtIO, another one for its monitor's."""
    mirroring("mirror", "remove", "--all")
    host.run(
        "for n in t m; do ip link add ${n}0 type veth peer name ${n}1 || exit 1; for i in ${n}0 ${n}1; do "
        "sysctl -qw net.ipv6.conf.$i.disable_ipv6=1 && ip link set $i up || exit 1; done; done"
    )
    try:
        assert "both, by software" in mirroring("mirror", "add", "dev:m0", "dev:t0")
        (rule,) = rules(mirroring)["rules"]
        assert rule["lacking"] == []
        print("\nrecorded:", host.run("tc -s -j filter show dev t0 ingress; tc -j qdisc show dev t0"))
        for sender in ("t1", "t0"):  # what the guest sends, what is delivered to it
            before = int(host.read("/sys/class/net/m1/statistics/rx_packets"))
            host.lab.ssh(["python3", "-", sender, str(COUNT)], stdin=_SENDER)
            assert int(host.read("/sys/class/net/m1/statistics/rx_packets")) - before == COUNT
        mirroring("mirror", "remove", "dev:m0")
        assert "clsact" not in host.run("tc qdisc show dev t0")
    finally:
        mirroring("mirror", "remove", "--all")
        host.run("ip link del t0; ip link del m0")


def test_a_rule_ends_by_itself(mirroring: Controller, spaces: Spaces, host: Host) -> None:
    mirroring("mirror", "remove", "--all")
    mirroring("mirror", "add", vf(MONITOR), vf(WATCHED), "--for", "5s")
    deadline = time.monotonic() + 60
    while rules(mirroring, expect=(0, 4))["rules"]:
        assert time.monotonic() < deadline
    assert "its time is over" in host.run("journalctl -u nfvcap-mirror -t nfvcap-mirror -n 5 -o cat")
    host.run("for i in $(seq 50); do systemctl is-active -q nfvcap-mirror || exit 0; sleep 0.5; done; exit 1")


def test_everything_is_as_before(mirroring: Controller, nfvcap: Controller, spaces: Spaces) -> None:
    mirroring("mirror", "remove", "--all")
    spaces.remove()
    nfvcap("provision", HOST, "--yes", "--reboot", "auto", timeout_s=900)
    nfvcap("verify", HOST, "--state-only")
