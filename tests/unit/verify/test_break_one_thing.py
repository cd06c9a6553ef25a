# SPDX-License-Identifier: Apache-2.0
"""Break exactly one thing of a host that passes: exactly the right check goes red, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import example
import pytest

from nfvcap import catalogue
from nfvcap.model.result import Verdict
from nfvcap.verify.session import WORDS

Raw = dict[str, Any]
Break = Callable[[Raw], None]
PF, VF0, VF1, VF2 = example.PF, *example.VFS[:3]
DEVICES = example.DEVICES


def text(path: str, content: str | None) -> Break:
    def change(raw: Raw) -> None:
        assert path in raw["files"] or content is not None, f"{path} is not there to be removed"
        raw["files"][path] = content

    return change


def replace(path: str, old: str, new: str) -> Break:
    def change(raw: Raw) -> None:
        assert old in raw["files"][path], f"{old!r} is not in {path}"
        raw["files"][path] = raw["files"][path].replace(old, new)

    return change


def said(name: str, old: str, new: str) -> Break:
    def change(raw: Raw) -> None:
        assert old in raw["commands"][name]["stdout"], f"{old!r} is not in the output of {name}"
        raw["commands"][name]["stdout"] = raw["commands"][name]["stdout"].replace(old, new, 1)

    return change


def unit(name: str, **fields: str) -> Break:
    def change(raw: Raw) -> None:
        blocks = raw["commands"]["units"]["stdout"].split("\n\n")
        at = next(number for number, block in enumerate(blocks) if f"Id={name}\n" in block + "\n")
        for key, value in fields.items():
            lines = [line for line in blocks[at].splitlines() if not line.startswith(key + "=")]
            blocks[at] = "\n".join([*lines, f"{key}={value}"])
        raw["commands"]["units"]["stdout"] = "\n\n".join(blocks)

    return change


def link(path: str, target: str | None) -> Break:
    def change(raw: Raw) -> None:
        del raw["links"][path]
        if target:
            raw["links"][path] = target

    return change


def names(path: str, *entries: str) -> Break:
    def change(raw: Raw) -> None:
        assert path in raw["lists"]
        raw["lists"][path] = list(entries)

    return change


def vf(index: int, **attributes: Any) -> Break:
    def change(raw: Raw) -> None:
        links = json.loads(raw["commands"]["links"]["stdout"])
        next(entry for entry in links if "vfinfo_list" in entry)["vfinfo_list"][index].update(attributes)
        raw["commands"]["links"]["stdout"] = json.dumps(links)

    return change


def flags(name: str, *values: str) -> Break:
    def change(raw: Raw) -> None:
        links = json.loads(raw["commands"]["links"]["stdout"])
        next(entry for entry in links if entry["ifname"] == name)["flags"] = list(values)
        raw["commands"]["links"]["stdout"] = json.dumps(links)

    return change


def record(change_it: Callable[[Any], None]) -> Break:
    """Change the boot record."""

    def change(raw: Raw) -> None:
        document = json.loads(raw["files"]["/etc/nfvcap/host.json"])
        change_it(document)
        raw["files"]["/etc/nfvcap/host.json"] = json.dumps(document)

    return change


def ledger(entry: str) -> Break:
    def change(raw: Raw) -> None:
        document = json.loads(raw["files"]["/var/lib/nfvcap/ledger.json"])
        document["entries"][entry] = {"kind": entry.partition(":")[0], "before": 0}
        raw["files"]["/var/lib/nfvcap/ledger.json"] = json.dumps(document)

    return change


def journal(**fields: str) -> Break:
    def change(raw: Raw) -> None:
        raw["commands"]["journal"]["stdout"] = json.dumps(fields) + "\n"

    return change


def kvm(**fields: Any) -> Break:
    return lambda raw: raw["kvm"].update(fields)


def both(*breaks: Break) -> Break:
    def change(raw: Raw) -> None:
        for one in breaks:
            one(raw)

    return change


def no_vfs(raw: Raw) -> None:
    """What `echo 0 > sriov_numvfs` leaves."""
    raw["files"][f"{DEVICES}/{PF}/sriov_numvfs"] = "0\n"
    for kind in ("files", "links"):
        for path in list(raw[kind]):
            if "virtfn" in path or any(f"/{address}/" in path for address in example.VFS):
                del raw[kind][path]
    links = json.loads(raw["commands"]["links"]["stdout"])
    next(entry for entry in links if "vfinfo_list" in entry)["vfinfo_list"] = []
    raw["commands"]["links"]["stdout"] = json.dumps(links)


def another_plan(raw: Raw) -> None:
    """Somebody provisioned with another wish."""
    document = json.loads(raw["files"]["/var/lib/nfvcap/plan.json"])
    (plan,) = document["nfvcap_plan"].values()
    plan["desired"]["units"] = []
    raw["files"]["/var/lib/nfvcap/plan.json"] = json.dumps(document)


def unbound_pf(raw: Raw) -> None:
    """What unbinding the PF leaves: its VFs go with the driver."""
    no_vfs(raw)
    del raw["links"][f"{DEVICES}/{PF}/driver"]
    del raw["lists"][f"{DEVICES}/{PF}/net"]


GRUB = "/boot/grub/grub.cfg"
NODE1, NODE0 = example.NODE1_2M, example.NODE0_1G
V0, V1, V2 = f"{PF} vf0", f"{PF} vf1", f"{PF} vf2"
SRIOV, PAGES = "nfvcap-sriov.service", "nfvcap-hugepages.service"
BAN = "/etc/systemd/system/irqbalance.service.d/nfvcap.conf"
UP = ("BROADCAST", "UP")

# What is broken → how → which checks go red (number, subject).
CASES: dict[str, tuple[Break, set[tuple[str, str]]]] = {
    "no plan": (text("/var/lib/nfvcap/plan.json", None), {("003", "")}),
    "another plan": (another_plan, {("004", "")}),
    "no ledger": (text("/var/lib/nfvcap/ledger.json", None), {("005", "")}),
    "ledger cut short": (text("/var/lib/nfvcap/ledger.json", '{"schema": "nfv'), {("005", "")}),
    "unit failed": (unit(SRIOV, ActiveState="failed", Result="exit-code"), {("006", SRIOV)}),
    "unit disabled": (unit(SRIOV, UnitFileState="disabled"), {("007", SRIOV)}),
    "unit masked": (unit(PAGES, UnitFileState="masked", LoadState="masked"), {("007", PAGES)}),
    "unit gone": (unit(PAGES, UnitFileState="", LoadState="not-found"), {("007", PAGES)}),
    "restore program gone": (names("/usr/local/lib/nfvcap", "module_utils"), {("007", PAGES), ("007", SRIOV)}),
    "error in the journal": (
        journal(MESSAGE="VF 2: no driver", _SYSTEMD_INVOCATION_ID=example.INVOCATION), {("008", "")}),
    "no boot record": (text("/etc/nfvcap/host.json", None), {("009", "")}),
    "argument not running": (replace("/proc/cmdline", " iommu=pt", ""), {("010", "iommu=pt")}),
    "argument overridden": (replace("/proc/cmdline", "nohz_full=2-3", "nohz_full=2-3 nohz_full=3"),
                            {("010", "nohz_full=2-3")}),
    "argument not in the menu": (replace(GRUB, " iommu=pt", ""), {("011", "iommu=pt")}),
    "argument only in the menu": (said("grub_defaults", " iommu=pt", ""), {("012", "iommu=pt")}),
    "unit file edited": (replace("/etc/systemd/system/nfvcap-sriov.service", "nfvcap", "mine"),
                         {("100", "/etc/systemd/system/nfvcap-sriov.service")}),
    "IOMMU off": (names("/sys/class/iommu"), {("020", "")}),
    "group shared": (
        both(names("/sys/kernel/iommu_groups/31/devices", VF1, "0000:81:1f.0"),
             lambda raw: raw["links"].update({f"{DEVICES}/0000:81:1f.0/driver": "/sys/bus/pci/drivers/ahci"})),
        {("021", V1)}),
    "no group": (link(f"{DEVICES}/{VF1}/iommu_group", None), {("021", V1)}),
    "module unloaded": (names("/sys/module", "igb", "igbvf"), {("022", "vfio-pci")}),
    "module not loaded at boot": (text("/etc/modules-load.d/nfvcap.conf", None), {("023", "vfio-pci")}),
    "option off": (
        text("/sys/module/vfio_pci/parameters/disable_idle_d3", "N\n"), {("024", "vfio-pci disable_idle_d3")}),
    "option file gone": (text("/etc/modprobe.d/nfvcap.conf", None), {("025", "vfio-pci disable_idle_d3")}),
    "option set differently later": (text("/etc/modprobe.d/zz.conf", "options vfio_pci disable_idle_d3=0\n"),
                                     {("025", "vfio-pci disable_idle_d3")}),
    "pages given back": (text(f"{NODE1}/nr_hugepages", "500\n"), {("030", "node1 2 MiB")}),
    "pages only by overcommit": (text(f"{NODE1}/surplus_hugepages", "4\n"), {("030", "node1 2 MiB")}),
    "boot pages given back": (text(f"{NODE0}/nr_hugepages", "0\n"), {("030", "node0 1 GiB")}),
    "pages not in the record": (record(lambda d: d["hugepages"].clear()), {("031", "node1 2 MiB")}),
    "fewer pages in the record": (record(lambda d: d["hugepages"][0].update(count=5)), {("031", "node1 2 MiB")}),
    "page size in the wrong order": (replace(GRUB, "hugepagesz=1G", "hugepagesz=1G hugepagesz=2M"),
                                     {("032", "node0 1 GiB")}),
    "more boot pages asked for": (replace(GRUB, "hugepagesz=1G", "hugepagesz=1G hugepages=0:2 hugepagesz=1G"),
                                  {("032", "node0 1 GiB")}),
    "not isolated": (text("/sys/devices/system/cpu/isolated", "\n"), {("040", "")}),
    "another CPU isolated": (text("/sys/devices/system/cpu/isolated", "1-3\n"), {("040", "")}),
    "tick on": (text("/sys/devices/system/cpu/nohz_full", "(null)\n"), {("041", "")}),
    "interrupts everywhere": (text("/proc/irq/default_smp_affinity", "f\n"), {("042", "")}),
    "irqbalance not restarted": (text("/proc/555/environ", "LANG=C\0"), {("043", "")}),
    "irqbalance drop-in gone": (text(BAN, None), {("044", "")}),
    "irqbalance overruled": (text("/etc/default/irqbalance", 'IRQBALANCE_BANNED_CPULIST="3"\n'), {("044", "")}),
    "CPU offline": (text("/sys/devices/system/cpu/online", "0-2\n"), {("045", "")}),
    "SR-IOV off in the firmware": (text(f"{DEVICES}/{PF}/sriov_numvfs", None), {("050", PF)}),
    "PF unbound": (unbound_pf, {("051", PF)}),
    "no VFs": (no_vfs, {("052", PF)}),
    "one VF removed from the bus": (
        both(link(f"{DEVICES}/{PF}/virtfn3", None)), {("052", PF)}),
    "VFs not in the record": (record(lambda d: d["pfs"].clear()), {("053", PF)}),
    "PF not set up at boot": (record(lambda d: d["pfs"][0].update(admin_up=False)), {("053", PF)}),
    "PF down": (flags("enp129s0f0", "BROADCAST"), {("054", PF)}),
    "PF in another slot": (text(f"{DEVICES}/{VF0}/numa_node", "0\n"), {("055", PF)}),
    "VFs of ours on a PF outside the plan": (
        both(ledger(f"sriov:{example.OTHER_PF}"), text(f"{DEVICES}/{example.OTHER_PF}/sriov_numvfs", "2\n")),
        {("056", example.OTHER_PF)}),
    "foreign VFs": (text(f"{DEVICES}/{example.OTHER_PF}/sriov_numvfs", "2\n"), {("056", example.OTHER_PF)}),
    "MAC": (vf(0, address="02:00:00:00:00:99"), {("060", V0)}),
    "VLAN": (vf(1, vlan_list=[{"vlan": 7, "qos": 3}]), {("061", V1)}),
    "no VLAN": (vf(1, vlan_list=[{"qos": 3}]), {("061", V1)}),
    "priority": (vf(1, vlan_list=[{"vlan": 100, "qos": 5}]), {("062", V1)}),
    "trust": (vf(0, trust=False), {("063", V0)}),
    "spoof check": (vf(1, spoofchk=False), {("064", V1)}),
    "minimum rate": (vf(2, rate={"max_tx": 500, "min_tx": 10}), {("065", V2)}),
    "maximum rate": (vf(2, rate={"max_tx": 0, "min_tx": 0}), {("066", V2)}),
    "link state": (vf(2, link_state="disable"), {("067", V2)}),
    "attributes in the record": (record(lambda d: d["pfs"][0]["vfs"][1].update(vlan=7)), {("068", V1)}),
    "VF bound elsewhere": (link(f"{DEVICES}/{VF0}/driver", "/sys/bus/pci/drivers/igbvf"), {("070", V0)}),
    "VF unbound": (link(f"{DEVICES}/{VF2}/driver", None), {("070", V2)}),
    "VF taken from the kernel": (link(f"{DEVICES}/{VF2}/driver", "/sys/bus/pci/drivers/vfio-pci"), {("070", V2)}),
    "override cleared": (text(f"{DEVICES}/{VF0}/driver_override", "(null)\n"), {("071", V0)}),
    "override set": (text(f"{DEVICES}/{VF2}/driver_override", "vfio-pci\n"), {("071", V2)}),
    "driver in the record": (record(lambda d: d["pfs"][0]["vfs"][0].update(driver="")), {("072", V0)}),
    "driverctl against us": (text(f"/etc/driverctl.d/pci-{VF0}", "igbvf\n"), {("072", V0)}),
    "no KVM": (kvm(exists=False, api_version=None, error="No such file or directory"), {("080", "")}),
    "KVM does not answer": (kvm(api_version=None, error="Permission denied"), {("080", "")}),
    "package removed": (said("packages", "installed", "config-files"), {("081", "qemu-system-x86")}),
    "service stopped": (unit("libvirtd.socket", ActiveState="inactive"), {("082", "libvirtd.service")}),
    "service failed": (unit("libvirtd.service", ActiveState="failed"), {("082", "libvirtd.service")}),
    "service disabled": (unit("libvirtd.service", UnitFileState="disabled"), {("083", "libvirtd.service")}),
    "protected NIC bound to vfio-pci": (
        link(f"{DEVICES}/{example.MANAGEMENT}/driver", "/sys/bus/pci/drivers/vfio-pci"), {("090", example.MANAGEMENT)}),
    "protected NIC in the ledger": (ledger(f"driver:{example.MANAGEMENT}"), {("090", example.MANAGEMENT)}),
    "protected NIC down": (flags("enp0s3", "BROADCAST"), {("091", example.MANAGEMENT)}),
    "default route moved": (
        replace("/proc/net/route", "enp0s3\t00000000", "enp129s0f0\t00000000"), {("092", "")}),
    "ssh over a planned PF": (
        said("addresses", '"ifname": "enp0s3"', '"ifname": "enp129s0f0"'), {("092", "")}),
}  # fmt: skip
RED = {Verdict.FAIL, Verdict.WARN, Verdict.ERROR}
# Checks that no change of a snapshot turns red, and why; every other one of the catalogue is broken above.
ELSEWHERE = {
    "001": "there is no snapshot of a host that does not answer: test_state.py",
    "002": "there is no snapshot of a host that cannot be read: test_state.py",
    "201": "an error of the command line: test_verify_command.py",
    "202": "an error of the command line: test_state.py",
    "203": "an error of the command line: test_verify_command.py",
}


@pytest.mark.parametrize("name", CASES)
def test_exactly_the_right_check_goes_red(name: str, judged) -> None:
    change, expected = CASES[name]
    raw = example.raw()
    change(raw)
    checks = judged(raw, example.plan())
    red = {(check.id.removeprefix("NFV-STATE-"), check.subject) for check in checks if check.verdict in RED}
    assert red == expected, [(c.id, c.subject, c.verdict, c.found, c.reason) for c in checks if c.verdict in RED]
    for check in checks:
        if check.verdict in RED:
            assert check.found and check.wanted and check.fix, check


def test_every_check_of_the_catalogue_is_broken_by_some_case() -> None:
    broken = {number for _, expected in CASES.values() for number, _ in expected}
    known = {entry.id.removeprefix("NFV-STATE-") for entry in catalogue.read(WORDS)}
    assert known - broken == ELSEWHERE.keys()


def test_vfs_that_nobody_plans_are_a_mere_warning(judged) -> None:
    """The plan says that it leaves them alone: provision must not end in failure over them."""
    fixes = {}
    for name in ("foreign VFs", "VFs of ours on a PF outside the plan"):
        raw = example.raw()
        CASES[name][0](raw)
        (warned,) = [check for check in judged(raw, example.plan()) if check.verdict in RED]
        assert (warned.id, warned.verdict) == ("NFV-STATE-056", Verdict.WARN)
        fixes[name] = warned.fix
    assert fixes["VFs of ours on a PF outside the plan"].startswith("list the port with vfs: 0 in the inventory, then")
    assert "sriov_numvfs" in fixes["foreign VFs"]


def test_checks_that_hang_on_a_missing_thing_are_skipped_with_the_check_that_tells(judged) -> None:
    raw = example.raw()
    no_vfs(raw)
    skipped = [check for check in judged(raw, example.plan()) if check.verdict is Verdict.SKIP]
    assert len(skipped) > 30
    assert all("NFV-STATE-052" in check.reason for check in skipped)


def attached(index: int, **wanted: Any) -> Break:
    def change(raw: Raw) -> None:
        document = json.loads(raw["files"]["/var/lib/nfvcap/ledger.json"])
        document["entries"][f"attach:{PF}:{index}"] = {
            "kind": "attach", "state": "attached", "pf": PF, "index": index, "address": example.VFS[index],
            "config": True, "wanted": wanted, "before": {},
        }  # fmt: skip
        raw["files"]["/var/lib/nfvcap/ledger.json"] = json.dumps(document)

    return change


def test_an_attached_vf_is_judged_by_its_attachment(judged) -> None:
    raw = example.raw()
    attached(0, mac="02:00:00:00:99:00", trust=False)(raw)
    red = {check.id for check in judged(raw, example.plan()) if check.verdict in RED}
    assert red == {"NFV-STATE-060", "NFV-STATE-063"}
    vf(0, address="02:00:00:00:99:00", trust=False)(raw)
    assert not [check for check in judged(raw, example.plan()) if check.verdict in RED]


def test_a_monitor_is_judged_by_the_address_that_its_rule_lends(judged) -> None:
    raw = example.raw()
    vf(0, address="02:00:00:00:99:00")(raw)
    assert {check.id for check in judged(raw, example.plan()) if check.verdict in RED} == {"NFV-STATE-060"}
    rule = {"backend": "igbmac", "pf": PF, "monitor": {"index": 0}, "detail": {"mac": "02:00:00:00:99:00"}}
    document = json.loads(raw["files"]["/var/lib/nfvcap/ledger.json"])
    document["entries"]["mirror:m1"] = {"kind": "mirror", "rule": rule}
    raw["files"]["/var/lib/nfvcap/ledger.json"] = json.dumps(document)
    assert not [check for check in judged(raw, example.plan()) if check.verdict in RED]
