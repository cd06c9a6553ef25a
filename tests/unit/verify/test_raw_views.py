# SPDX-License-Identifier: Apache-2.0
"""The judge's own readings of raw text. Host texts are hand-made after the formats' documentation."""

from __future__ import annotations

from typing import Any

import example
import pytest

from nfvcap.verify.boot import boot_entries, configured_words
from nfvcap.verify.cmdline import BootPages, boot_pages, cpu_set, last_value, listing, mask_set, tokens
from nfvcap.verify.guests import lent_devices
from nfvcap.verify.irqbalance import banned_at_start
from nfvcap.verify.links import Links, vf_info
from nfvcap.verify.modules import is_loaded, loaded_at_boot, option_at_boot, same_value
from nfvcap.verify.snapshot import CannotJudge, Snapshot


def snapshot(**parts: Any) -> Snapshot:
    empty = {"files": {}, "links": {}, "lists": {}, "commands": {}, "unreadable": {}, "ssh_server_address": ""}
    return Snapshot({"schema": "nfvcap/snapshot/1", **empty, **parts})


def test_tokens_keep_quoted_blanks() -> None:
    assert tokens('a=1  dyndbg="file x +p" \tb') == ["a=1", "dyndbg=file x +p", "b"]


def test_the_last_of_equal_keys_counts_whatever_the_dash() -> None:
    assert last_value(["intel-iommu=on", "intel_iommu=off", "x"], "intel_iommu") == "intel_iommu=off"
    assert last_value(["x"], "intel_iommu") is None


M2, G1 = 2 << 20, 1 << 30


@pytest.mark.parametrize(
    ("line", "pages"),
    [
        ("hugepagesz=1G hugepages=0:8,1:4 hugepagesz=2M hugepages=512", [(G1, 0, 8), (G1, 1, 4), (M2, None, 512)]),
        ("hugepages=3", [(M2, None, 3)]),
        ("hugepages=3 default_hugepagesz=1G", [(G1, None, 3)]),
        ("default_hugepagesz=1G hugepages=3 default_hugepagesz=2M", [(G1, None, 3)]),
        ("default_hugepagesz=1G hugepagesz=1G hugepages=2", [(G1, None, 2)]),
        ("hugepagesz=1G hugepages=0:1 hugepagesz=1G hugepages=0:2", [(G1, 0, 1)]),
        ("hugepagesz=1G hugepages=1 hugepages=2", [(G1, None, 1)]),
        ("hugepagesz=1G hugepagesz=2M hugepages=4", [(M2, None, 4)]),
    ],
)
def test_huge_page_arguments_are_read_as_the_kernel_reads_them(
    line: str, pages: list[tuple[int, int | None, int]]
) -> None:
    assert boot_pages(tokens(line)) == [BootPages(*page) for page in pages]


def test_cpu_lists_and_masks() -> None:
    assert cpu_set("managed_irq,domain,2-3,8") == {2, 3, 8}
    with pytest.raises(ValueError, match="beyond any machine"):
        cpu_set("0-99999999999")
    assert cpu_set("(null)") == cpu_set("") == frozenset()
    assert mask_set("00000001,0000000f") == {0, 1, 2, 3, 32}
    assert listing(frozenset({0, 1, 2, 8})) == "0-2,8" and listing(frozenset()) == "none"


GRUB = """
menuentry 'Debian' { linux /boot/vmlinuz root=UUID=1 ro a=1 }
menuentry 'Debian' {
\tlinux\t/boot/vmlinuz root=UUID=1 ro a=1
}
menuentry 'Debian (recovery mode)' {
\tlinux\t/boot/vmlinuz root=UUID=1 ro single
}
menuentry 'another system' {
\tlinux\t/boot/vmlinuz root=UUID=2 ro
}
menuentry 'memory test' {
\tlinux16\t/boot/memtest86+.bin
}
"""


def test_only_entries_that_boot_this_system_count() -> None:
    found = boot_entries(snapshot(files={"/boot/grub/grub.cfg": GRUB, "/proc/cmdline": "root=UUID=1 ro"}))
    assert [entry.words for entry in found] == [("root=UUID=1", "ro", "a=1")]


def test_boot_loader_specification_entries_with_variables_of_grubenv() -> None:
    entry = "title RHEL\nlinux /vmlinuz\noptions root=/dev/vda1 $kernelopts a=1\n"
    found = boot_entries(snapshot(files={
        "/boot/grub2/grub.cfg": "insmod blscfg\nblscfg\n", "/boot/grub2/grubenv": "# GRUB\nkernelopts=ro quiet\n",
        "/boot/loader/entries/1-6.1.conf": entry, "/boot/loader/entries/1-0-rescue.conf": "options root=/dev/vda1",
        "/proc/cmdline": "root=/dev/vda1",
    }))  # fmt: skip
    assert [(entry.source, entry.words) for entry in found] == [
        ("/boot/loader/entries/1-6.1.conf", ("root=/dev/vda1", "ro", "quiet", "a=1"))
    ]


def test_an_unknown_boot_loader_cannot_be_judged() -> None:
    with pytest.raises(CannotJudge, match="holds a kernel line"):
        boot_entries(snapshot())
    with pytest.raises(CannotJudge, match="exists"):
        configured_words(snapshot())


def test_defaults_of_grub_that_cannot_be_evaluated() -> None:
    broken = {"grub_defaults": example.said("sh", rc=2, stderr="syntax error")}
    with pytest.raises(CannotJudge, match="syntax error"):
        configured_words(snapshot(files={"/etc/default/grub": ""}, commands=broken))


def test_modules_are_found_built_in_too() -> None:
    host = snapshot(lists={"/sys/module": ["igb"]}, files={
        "/lib/modules/6.1/modules.builtin": "kernel/drivers/vfio/pci/vfio-pci.ko\n", "/etc/modules": "kvm\n",
    })  # fmt: skip
    assert is_loaded(host, "vfio-pci") and is_loaded(host, "igb") and not is_loaded(host, "kvm")
    assert loaded_at_boot(host, "vfio_pci") == "built in"
    assert loaded_at_boot(host, "kvm") == "/etc/modules"
    assert loaded_at_boot(host, "igb") == ""


def test_module_options_by_order_of_name_and_the_command_line_last() -> None:
    files = {
        "/usr/lib/modprobe.d/x.conf": "options vfio-pci a=1 b=1",
        "/etc/modprobe.d/x.conf": "# hides its namesake\n",
        "/etc/modprobe.d/a.conf": "options vfio_pci ids=10ca b=2 # why",
        "/etc/modprobe.d/z.conf": "options vfio-pci b=3",
    }
    assert option_at_boot(snapshot(files=files), "vfio-pci", "b") == "3"
    assert option_at_boot(snapshot(files=files), "vfio-pci", "a") is None
    running = {**files, "/proc/cmdline": "quiet vfio-pci.b=4"}
    assert option_at_boot(snapshot(files=running), "vfio_pci", "b") == "4"
    assert same_value("Y", "1") and same_value("N", "off") and not same_value("N", "1") and not same_value("2", "1")


def test_irqbalance_reads_environment_files_after_the_unit() -> None:
    drop_in = {"/etc/systemd/system/irqbalance.service.d/a.conf":
               '[Service]\nEnvironment="A=1" IRQBALANCE_BANNED_CPULIST=2-3\n'}  # fmt: skip
    assert banned_at_start(snapshot(files=drop_in)) == {2, 3}
    default = {"/etc/default/irqbalance": "#IRQBALANCE_BANNED_CPULIST=0\nIRQBALANCE_BANNED_CPULIST=1\n"}
    assert banned_at_start(snapshot(files=drop_in | default)) == {1}
    assert banned_at_start(snapshot(files={"/etc/default/irqbalance": "IRQBALANCE_BANNED_CPUS=c\n"})) == {2, 3}
    assert banned_at_start(snapshot()) is None


def test_vf_attributes_from_newer_and_older_iproute2() -> None:
    new = {"vf": 0, "address": "02:00:00:00:00:01", "vlan_list": [{"vlan": 5, "qos": 2}],
           "rate": {"max_tx": 9, "min_tx": 1}, "trust": True, "spoofchk": False, "link_state": "enable"}  # fmt: skip
    old = {"vf": 0, "mac": "02:00:00:00:00:01", "vlan": 5, "qos": 2, "tx_rate": 9}
    assert vf_info(new).vlan == vf_info(old).vlan == 5
    assert vf_info(new).max_tx_rate_mbps == vf_info(old).max_tx_rate_mbps == 9
    assert (vf_info(old).trust, vf_info(old).min_tx_rate_mbps, vf_info(old).link_state) == (None, None, None)
    assert vf_info({"vf": 0, "address": "x", "vlan_list": [{}]}).vlan == 0


def test_the_way_in_is_followed_through_bridge_bond_and_vlan() -> None:
    links = {
        "/sys/class/net/br0/lower_bond0.5": "/sys/devices/virtual/net/bond0.5",
        "/sys/class/net/bond0.5/lower_bond0": "/sys/devices/virtual/net/bond0",
        "/sys/class/net/bond0/lower_e0": "/sys/devices/pci0000:00/0000:00:01.0/0000:01:00.0/net/e0",
        "/sys/class/net/bond0/lower_e1": "/sys/devices/pci0000:00/0000:00:01.0/0000:01:00.1/net/e1",
        "/sys/class/net/e0/device": "/sys/devices/pci0000:00/0000:00:01.0/0000:01:00.0",
        "/sys/class/net/e1/device": "/sys/devices/pci0000:00/0000:00:01.0/0000:01:00.1",
    }
    assert Links(snapshot(links=links)).below("br0") == {"0000:01:00.0", "0000:01:00.1"}


def test_default_routes_of_both_families() -> None:
    head = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n"
    files = {
        "/proc/net/route": head + "br0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\n"
                                  "e9\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\n",
        "/proc/net/ipv6_route": f"{'0' * 32} 00 {'0' * 32} 00 fe80{'0' * 28} 400 1 0 3 e5\n"
                                f"{'0' * 32} 00 {'0' * 32} 00 {'0' * 32} ffffffff 1 0 200200 lo\n",
    }  # fmt: skip
    assert Links(snapshot(files=files)).default_routes() == {"br0", "e5"}


STATE = """<domstatus state='running'><domain type='kvm'><name>vm1</name><devices>
<interface type='hostdev' managed='yes'><source>
<address type='pci' domain='0x0000' bus='0x81' slot='0x10' function='0x2'/></source></interface>
<interface type='network'><source network='default'/></interface>
<hostdev mode='subsystem' type='pci'><source>
<address domain='0x0000' bus='0x82' slot='0x00' function='0x0'/></source></hostdev>
</devices></domain></domstatus>"""


def test_devices_of_running_guests() -> None:
    assert lent_devices(STATE) == {"0000:81:10.2": "vm1", "0000:82:00.0": "vm1"}
    assert lent_devices("cut sho") == {}


def test_a_vf_that_a_guest_borrowed_is_as_planned(judged) -> None:
    raw = example.raw()
    here = f"{example.DEVICES}/{example.VFS[2]}"
    raw["links"][f"{here}/driver"] = "/sys/bus/pci/drivers/vfio-pci"
    raw["files"][f"{here}/driver_override"] = "vfio-pci\n"
    assert {c.id for c in judged(raw, example.plan()) if c.verdict == "FAIL"} == {"NFV-STATE-070", "NFV-STATE-071"}
    raw["files"]["/run/libvirt/qemu/vm1.xml"] = STATE.replace("function='0x2'", "function='0x4'")
    assert not [c for c in judged(raw, example.plan()) if c.verdict == "FAIL"]


def test_a_snapshot_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="nfvcap/snapshot/1"):
        Snapshot({"schema": "nfvcap/snapshot/2"})
    with pytest.raises(ValueError, match="not a JSON object"):
        Snapshot.from_json("[]")
