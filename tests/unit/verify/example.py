# SPDX-License-Identifier: Apache-2.0
"""A host that is as it should be, hand-made after the emulated lab server: the plan, and what the reader returns.

Recorded hosts are in test_recorded_hosts.py. Here: CPUs 0-1 housekeeping, 2-3 isolated, an 82576 on node 1 with four
VFs, a virtio management NIC. Every call returns fresh data, so that a test may break it.
"""

from __future__ import annotations

import json
from typing import Any

from nfvcap.model.plan import HostPlan

PF = "0000:81:00.0"
MANAGEMENT = "0000:00:03.0"
OTHER_PF = "0000:82:00.0"
VFS = ("0000:81:10.0", "0000:81:10.2", "0000:81:10.4", "0000:81:10.6")
DEVICES = "/sys/bus/pci/devices"
NODE1_2M = "/sys/devices/system/node/node1/hugepages/hugepages-2048kB"
NODE0_1G = "/sys/devices/system/node/node0/hugepages/hugepages-1048576kB"
ARGUMENTS = (
    ("intel_iommu", "on", "iommu"), ("iommu", "pt", "iommu"),
    ("hugepagesz", "1G", "hugepages"), ("hugepages", "0:1", "hugepages"),
    ("isolcpus", "managed_irq,domain,2-3", "cpu_isolation"), ("nohz_full", "2-3", "cpu_isolation"),
    ("rcu_nocbs", "2-3", "cpu_isolation"), ("irqaffinity", "0-1", "cpu_isolation"),
)  # fmt: skip
WORDS = " ".join(f"{key}={value}" for key, value, _ in ARGUMENTS)
UNIT_FILE = "[Unit]\nDescription=nfvcap\n"
UNITS = ("nfvcap-hugepages.service", "nfvcap-sriov.service")
INVOCATION = "c0ffee00c0ffee00c0ffee00c0ffee00"


def vf_target(index: int) -> dict[str, Any]:
    return {
        "index": index, "mac": f"02:00:00:00:81:0{index}", "vlan": 100 if index == 1 else 0, "qos": 3 * (index == 1),
        "trust": index == 0, "spoofchk": index != 0, "min_tx_rate_mbps": 0,
        "max_tx_rate_mbps": 500 if index == 2 else 0, "link_state": "auto",
        "driver": "vfio-pci" if index < 2 else "",
    }  # fmt: skip


def boot_record() -> dict[str, Any]:
    return {
        "schema": "nfvcap/host/1",
        "kernel_args": [f"{key}={value}" for key, value, _ in ARGUMENTS],
        "hugepages": [{"node": 1, "size_bytes": 2 << 20, "count": 512}],
        "vfio": {"modules": ["vfio-pci"]},
        "pfs": [{"address": PF, "admin_up": True, "num_vfs": 4, "vfs": [vf_target(index) for index in range(4)]}],
    }


def files() -> dict[str, str | None]:
    return {
        "/etc/default/grub.d/90-nfvcap.cfg": f'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX {WORDS}"\n',
        "/etc/modprobe.d/nfvcap.conf": "options vfio-pci disable_idle_d3=1\n",
        "/etc/modules-load.d/nfvcap.conf": "vfio-pci\n",
        "/etc/systemd/system/irqbalance.service.d/nfvcap.conf":
            "[Service]\nEnvironment=IRQBALANCE_BANNED_CPULIST=2-3\n",
        "/etc/nfvcap/host.json": json.dumps(boot_record()),
        "/etc/systemd/system/nfvcap-hugepages.service": UNIT_FILE,
        "/etc/systemd/system/nfvcap-sriov.service": UNIT_FILE,
    }  # fmt: skip


def plan_document() -> dict[str, Any]:
    return {
        "host": "host1",
        "desired": {
            "kernel_args": [{"key": key, "value": value, "feature": why} for key, value, why in ARGUMENTS],
            "hugepages": [
                {"node": 0, "size_bytes": 1 << 30, "count": 1, "when": "boot"},
                {"node": 1, "size_bytes": 2 << 20, "count": 512, "when": "runtime"},
            ],
            "cpus": {"housekeeping": [0, 1], "isolated": [2, 3]},
            "irqbalance": {"manage": True, "banned_cpus": [2, 3]},
            "vfio": {
                "modules": ["vfio-pci"],
                "options": [{"module": "vfio-pci", "options": {"disable_idle_d3": "1"}}],
            },
            "pfs": [
                {
                    "address": PF, "name": "enp129s0f0", "node": 1, "num_vfs": 4, "admin_up": True,
                    "vfs": [{**vf_target(index), "address": VFS[index]} for index in range(4)],
                }
            ],
            "kvm": {"packages": ["qemu-system-x86"], "services": ["libvirtd.service"]},
            "units": list(UNITS),
        },
        "files": files(),
        "placement": [], "reasons": [], "changes": [], "warnings": [],
        "protected": [MANAGEMENT],
        "facts_digest": "0" * 64,
    }  # fmt: skip


def plan() -> HostPlan:
    return HostPlan.model_validate_json(json.dumps(plan_document()))


def whole_plan() -> dict[str, Any]:
    return {
        "nfvcap_plan_schema": "nfvcap/plan/1", "nfvcap_version": "0.1.0", "created_at": "2026-11-23T12:00:00Z",
        "nfvcap_plan": {"host1": plan_document()},
    }  # fmt: skip


def vf_info(index: int) -> dict[str, Any]:
    target = vf_target(index)
    vlan = {"vlan": target["vlan"], "qos": target["qos"]} if target["vlan"] else {}
    return {
        "vf": index, "link_type": "ether", "address": target["mac"], "broadcast": "ff:ff:ff:ff:ff:ff",
        "vlan_list": [vlan], "rate": {"max_tx": target["max_tx_rate_mbps"], "min_tx": 0},
        "spoofchk": target["spoofchk"], "link_state": "auto", "trust": target["trust"], "query_rss_en": False,
    }  # fmt: skip


def device(address: str, node: int, driver: str | None, group: int, **extra: str) -> dict[str, dict[str, Any]]:
    here = f"{DEVICES}/{address}"
    content = {"vendor": "0x8086", "device": "0x10c9", "numa_node": str(node), "driver_override": "(null)", **extra}
    links = {f"{here}/iommu_group": f"/sys/kernel/iommu_groups/{group}"}
    if driver:
        links[f"{here}/driver"] = f"/sys/bus/pci/drivers/{driver}"
    return {
        "files": {f"{here}/class": "0x020000\n", **{f"{here}/{name}": f"{text}\n" for name, text in content.items()}},
        "links": links,
        "lists": {f"/sys/kernel/iommu_groups/{group}/devices": [address]},
    }


def said(*argv: str, stdout: str = "", rc: int = 0, stderr: str = "") -> dict[str, Any]:
    return {"argv": list(argv), "rc": rc, "stdout": stdout, "stderr": stderr}


def unit(name: str, **extra: str) -> str:
    fields = {
        "Result": "success", "MainPID": "0", "Id": name, "LoadState": "loaded", "ActiveState": "active",
        "SubState": "running", "UnitFileState": "enabled", "InvocationID": INVOCATION, **extra,
    }  # fmt: skip
    return "".join(f"{key}={value}\n" for key, value in fields.items())


def units() -> str:
    start = "{ path=/usr/bin/python3 ; argv[]=/usr/bin/python3 -IB /usr/local/lib/nfvcap/nfvcap-restore x ; pid=0 }"
    return "\n".join([
        unit("irqbalance.service", MainPID="555", InvocationID="ba1a"),
        unit("libvirtd.service", ActiveState="inactive", SubState="dead", TriggeredBy="libvirtd.socket"),
        unit("libvirtd.socket", SubState="listening"),
        *(unit(name, SubState="exited", ExecStart=start) for name in UNITS),
    ])  # fmt: skip


def raw() -> dict[str, Any]:
    """What the reader returns on this host."""
    pool = {"nr_hugepages": 512, "free_hugepages": 512, "surplus_hugepages": 0}
    gib = {"nr_hugepages": 1, "free_hugepages": 1, "surplus_hugepages": 0}
    kernel = f"BOOT_IMAGE=/boot/vmlinuz-6.12.48 root=LABEL=root ro console=ttyS0 {WORDS}"
    links = [
        {"ifname": "lo", "flags": ["LOOPBACK", "UP", "LOWER_UP"]},
        {"ifname": "enp0s3", "flags": ["BROADCAST", "UP", "LOWER_UP"]},
        {"ifname": "enp129s0f0", "flags": ["BROADCAST", "UP", "LOWER_UP"],
         "vfinfo_list": [vf_info(index) for index in range(4)]},
    ]  # fmt: skip
    document: dict[str, Any] = {
        "schema": "nfvcap/snapshot/1", "taken_at_s": 1795450000.0, "seconds": 0.2, "euid": 0, "hostname": "host1",
        "kernel": "6.12.48", "ssh_server_address": "192.0.2.10",
        "kvm": {"exists": True, "api_version": 12, "error": ""},
        "net_drivers": {"enp129s0f0": {"driver": "igb", "version": "6.12.48", "firmware": ""}},
        "files": {
            **files(),
            "/var/lib/nfvcap/plan.json": json.dumps(whole_plan()),
            "/var/lib/nfvcap/ledger.json": json.dumps(
                {"schema": "nfvcap/ledger/1", "entries": {f"sriov:{PF}": {"kind": "sriov", "before": 0}}}
            ),
            "/proc/cmdline": kernel + "\n",
            "/boot/grub/grub.cfg": (
                f"menuentry 'Debian GNU/Linux' {{\n\tlinux\t{kernel.removeprefix('BOOT_IMAGE=')}\n}}\n"
                "menuentry 'Debian GNU/Linux (recovery mode)' {\n"
                "\tlinux\t/boot/vmlinuz-6.12.48 root=LABEL=root ro single\n}\n"
            ),
            "/etc/default/grub": 'GRUB_CMDLINE_LINUX=""\n',
            "/etc/os-release": 'ID=debian\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n',
            "/proc/cpuinfo": "vendor_id\t: GenuineIntel\nmodel name\t: QEMU TCG CPU\nmicrocode\t: 0x1\n",
            "/proc/net/route":
                "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
                "enp0s3\t00000000\t020200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n",
            "/proc/net/ipv6_route": "",
            "/proc/irq/default_smp_affinity": "3\n",
            "/sys/devices/system/cpu/isolated": "2-3\n",
            "/sys/devices/system/cpu/nohz_full": "2-3\n",
            "/sys/devices/system/cpu/online": "0-3\n",
            **{f"{NODE1_2M}/{name}": f"{count}\n" for name, count in pool.items()},
            **{f"{NODE0_1G}/{name}": f"{count}\n" for name, count in gib.items()},
            "/sys/module/vfio_pci/parameters/disable_idle_d3": "Y\n",
            "/lib/modules/6.12.48/modules.builtin": "",
            "/proc/555/environ": "LANG=C\0IRQBALANCE_BANNED_CPULIST=2-3\0",
        },
        "links": {
            f"{DEVICES}/{PF}/virtfn{index}": f"/sys/devices/pci0000:80/{address}" for index, address in enumerate(VFS)
        } | {
            "/sys/class/net/enp0s3/device": f"/sys/devices/pci0000:00/{MANAGEMENT}/virtio0",
            "/sys/class/net/enp129s0f0/device": f"/sys/devices/pci0000:80/{PF}",
        },
        "lists": {
            "/sys/class/iommu": ["dmar0", "dmar1"],
            "/sys/module": ["igb", "igbvf", "kvm", "vfio", "vfio_pci"],
            "/usr/local/lib/nfvcap": ["module_utils", "nfvcap-restore"],
            f"{DEVICES}/{PF}/net": ["enp129s0f0"],
        },
        "commands": {
            "units": said("systemctl", "show", stdout=units()),
            "journal": said("journalctl"),
            "links": said("ip", "-j", "-d", "link", "show", stdout=json.dumps(links)),
            "addresses": said("ip", "-j", "addr", "show", stdout=json.dumps(
                [{"ifname": "enp0s3", "addr_info": [{"family": "inet", "local": "192.0.2.10"}]}])),
            "packages": said("dpkg-query", stdout="qemu-system-x86 installed 1:10.0.13\n"),
            "grub_defaults": said("sh", stdout=f"console=ttyS0 {WORDS}\nquiet\n"),
        },
        "unreadable": {},
    }  # fmt: skip
    parts = [
        device(MANAGEMENT, -1, "virtio-pci", 1),
        device(PF, 1, "igb", 20, sriov_numvfs="4", sriov_totalvfs="7"),
        device(OTHER_PF, 0, "igb", 21, sriov_numvfs="0", sriov_totalvfs="7"),
        *(device(vf, 1, "vfio-pci", 30 + index, driver_override="vfio-pci") for index, vf in enumerate(VFS[:2])),
        *(device(vf, 1, "igbvf", 32 + index) for index, vf in enumerate(VFS[2:])),
    ]
    for part in parts:
        for kind, entries in part.items():
            document[kind].update(entries)
    return document
