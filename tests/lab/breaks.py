# SPDX-License-Identifier: Apache-2.0
"""How each thing of a provisioned lab server is broken by hand, how it is mended, and which checks have to go red.

What cannot be broken without a reboot, without losing the connection or not at all on this card (the running command
line, isolated CPUs, an IOMMU, a module in use, the way in) is overlaid by a bind mount: the reader then reads
something else. tests/unit/verify/test_lab_breaks.py sees to it that no check of the catalogue is forgotten.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from tests.lab.host import Host

RECORD = "/etc/nfvcap/host.json"
PLAN = "/var/lib/nfvcap/plan.json"
LEDGER = "/var/lib/nfvcap/ledger.json"
SPARE = "/run/nfvcap-broken"
SRIOV, PAGES = "nfvcap-sriov.service", "nfvcap-hugepages.service"
RESTORE = "/usr/local/lib/nfvcap/nfvcap-restore"
CPU = "/sys/devices/system/cpu"
# Programs that take the place of others stand here: /run may be mounted without permission to execute.
FALSE = "/var/tmp/nfvcap-broken"

# Checks that go red in the lab in no way, and why; every other one of the catalogue is broken below.
NOT_HERE = {
    "001": "whoever breaks the connection cannot mend it over the connection; tests/unit/verify/test_state.py has it",
    "201": "an error of the command line, no state of a host",
    "202": "an error of the command line, no state of a host",
    "203": "an error of the command line, no state of a host",
}


@dataclass(frozen=True)
class Break:
    """A shell line that breaks something, one that mends it, and the red checks: (number, subject).

    Args:
        given: judged by the plan that provision made, in the controller's hands; else by the one on the host.
    """

    name: str
    do: str
    undo: str
    red: frozenset[tuple[str, str]]
    given: bool = False


def broken(name: str, do: str, undo: str, number: str, *subjects: str) -> Break:
    return Break(name, do, undo, frozenset((number, subject) for subject in subjects or ("",)))


def given(one: Break) -> Break:
    """The host's own plan is what is broken."""
    return replace(one, given=True)


def gone(name: str, path: str, number: str, *subjects: str) -> Break:
    """A file is taken away."""
    spare = f"{SPARE}/gone"
    return broken(name, f"mv {path} {spare}", f"mv {spare} {path}", number, *subjects)


def overlaid(name: str, path: str, make: str, number: str, *subjects: str) -> Break:
    """Another file takes the place of one: ``make`` is a shell filter that turns the one into the other."""
    other = f"{SPARE}/other"
    return broken(name, f"{make} < {path} > {other}; mount --bind {other} {path}", f"umount {path}", number, *subjects)


def edited(name: str, path: str, python: str, number: str, *subjects: str) -> Break:
    """A JSON file is changed: ``python`` is a statement about ``d``, the document."""
    program = f"import json; d = json.load(open('{path}')); {python}; json.dump(d, open('{path}', 'w'))"
    return broken(
        name, f"cp -p {path} {SPARE}/copy; python3 -c {shlex.quote(program)}", f"cp -p {SPARE}/copy {path}", number,
        *subjects,
    )  # fmt: skip


def covered(name: str, directory: str, number: str, *subjects: str) -> Break:
    """A directory looks empty."""
    return broken(name, f"mount -t tmpfs none {directory}", f"umount {directory}", number, *subjects)


def lying(name: str, program: str, script: str, number: str, *subjects: str) -> Break:
    """A program says something else: ``script`` takes its place and finds the true one beside itself as ``$0.true``."""
    path = f"$(readlink -f $(command -v {program}))"
    put = f"mkdir -p {FALSE}; cp -p {path} {FALSE}/{program}.true; printf %s {shlex.quote(script)} > {FALSE}/{program}"
    return broken(
        name, f"{put}; chmod 755 {FALSE}/{program}; mount --bind {FALSE}/{program} {path}",
        f"umount {path}; rm -r {FALSE}", number, *subjects,
    )  # fmt: skip


def lying_ip(name: str, python: str, number: str, *subjects: str) -> Break:
    """`ip -j` says something else: ``python`` is a statement about ``d``, one interface of the list that it prints."""
    program = (
        "import json, subprocess, sys\n"
        f"said = subprocess.run(['{FALSE}/ip.true', *sys.argv[1:]], stdout=subprocess.PIPE, check=True).stdout\n"
        f"links = json.loads(said)\nfor d in links:\n    {python}\nprint(json.dumps(links))\n"
    )
    return lying(name, "ip", f"#!/usr/bin/python3\n{program}", number, *subjects)


class Provisioned:
    """What the breaks need to know about the host."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.desired = host.desired()
        self.pf = next(pf for pf in self.desired["pfs"] if any(vf["driver"] == "vfio-pci" for vf in pf["vfs"]))
        self.address = self.pf["address"]
        self.device = f"/sys/bus/pci/devices/{self.address}"
        self.net = host.run(f"ls {self.device}/net").strip()
        self.vf = f"{self.address} vf0"
        self.vf_device = f"/sys/bus/pci/devices/{host.run(f'basename $(readlink {self.device}/virtfn0)').strip()}"
        self.pool = next(pool for pool in self.desired["hugepages"] if pool["when"] == "runtime")
        plan = json.loads(host.read(PLAN))
        self.protected = next(iter(plan["nfvcap_plan"].values()))["protected"][0]
        self.tagged = next(pf for pf in self.desired["pfs"] if any(vf["vlan"] for vf in pf["vfs"]))

    def records(self) -> Iterator[Break]:
        yield lying("no Python to read with", "python3", "#!/bin/sh\nexit 127\n", "002")
        yield given(gone("the plan", PLAN, "003"))
        desired = "next(iter(d['nfvcap_plan'].values()))['desired']"
        yield given(edited("another plan", PLAN, f"{desired}['units'] = []", "004"))
        yield gone("the ledger", LEDGER, "005")
        fake = f"mount --bind {SPARE}/program {RESTORE}; systemctl restart {PAGES}"
        mend = f"umount {RESTORE}; systemctl restart {PAGES}"
        fails = f"echo 'raise SystemExit(1)' > {SPARE}/program; {fake} || true"
        yield broken("a unit fails", fails, mend, "006", PAGES)
        yield broken("a unit complains", f"echo 'print(\"<3>VF 2: no driver\")' > {SPARE}/program; {fake}", mend, "008")
        yield broken(
            "a unit is disabled", f"systemctl -q disable {SRIOV}", f"systemctl -q enable {SRIOV}", "007", SRIOV
        )
        yield gone("the program of the units", RESTORE, "007", PAGES, SRIOV)
        yield gone("the boot record", RECORD, "009")
        unit = f"/etc/systemd/system/{SRIOV}"
        yield overlaid("a unit file is edited", unit, "sed s/Before=/After=/", "100", unit)

    def kernel(self) -> Iterator[Break]:
        last = self.desired["kernel_args"][-1]
        token = last["key"] if last["value"] is None else f"{last['key']}={last['value']}"
        without = f"sed 's/ {token}//'"
        yield overlaid("an argument is not in force", "/proc/cmdline", without, "010", token)
        yield overlaid("an argument is not in the menu", "/boot/grub/grub.cfg", without, "011", token)
        yield overlaid("an argument is only in the menu", "/etc/default/grub.d/90-nfvcap.cfg", without, "012", token)
        boot = [pool for pool in self.desired["hugepages"] if pool["when"] == "boot" and pool["size_bytes"] == 1 << 30]
        if boot:
            more = f"sed 's/ hugepagesz=1G/ hugepagesz=1G hugepages={boot[0]['node']}:9&/'"
            yield overlaid(
                "an argument before ours wins", "/boot/grub/grub.cfg", more, "032", f"node{boot[0]['node']} 1 GiB"
            )

    def iommu(self) -> Iterator[Break]:
        yield covered("no IOMMU", "/sys/class/iommu", "020")
        group = self.host.run(f"readlink -f {self.vf_device}/iommu_group").strip() + "/devices"
        stranger = (
            "/sys/bus/pci/devices/"
            + self.host.run("basename $(ls -d /sys/bus/pci/drivers/ahci/0000:* | head -1)").strip()
        )
        share = f"ln -s $(readlink -f {self.vf_device}) $(readlink -f {stranger}) {group}/"
        yield broken("a group is shared", f"mount -t tmpfs none {group}; {share}", f"umount {group}", "021", self.vf)
        # One in use cannot be unloaded.
        yield covered("no module is loaded", "/sys/module", "022", *self.desired["vfio"]["modules"])
        yield gone("a module is not loaded at boot", "/etc/modules-load.d/nfvcap.conf", "023", "vfio-pci")
        for options in self.desired["vfio"]["options"]:
            for key in options["options"]:
                path, subject = f"/sys/module/vfio_pci/parameters/{key}", f"{options['module']} {key}"
                yield broken(
                    "an option is off",
                    f"cat {path} > {SPARE}/o; echo N > {path}",
                    f"cat {SPARE}/o > {path}",
                    "024",
                    subject,
                )
                yield gone("an option is not set at boot", "/etc/modprobe.d/nfvcap.conf", "025", subject)

    def memory(self) -> Iterator[Break]:
        path, count = self.host.hugepage_file(self.pool), self.pool["count"]
        subject = f"node{self.pool['node']} {self.pool['size_bytes'] >> 20} MiB"
        yield broken("pages are given back", f"echo {count - 4} > {path}", f"echo {count} > {path}", "030", subject)
        yield edited("fewer pages at boot", RECORD, "d['hugepages'][0]['count'] -= 1", "031", subject)

    def cpus(self) -> Iterator[Break]:
        if self.desired["cpus"]["isolated"]:
            yield overlaid("a CPU is not isolated", f"{CPU}/isolated", "sed s/.*/1/", "040")
            yield overlaid("the tick is on", f"{CPU}/nohz_full", "sed s/.*/1/", "041")
            path = "/proc/irq/default_smp_affinity"
            yield broken(
                "interrupts everywhere", f"cat {path} > {SPARE}/o; echo 3ff > {path}", f"cat {SPARE}/o > {path}", "042"
            )
        if self.desired["irqbalance"]["manage"]:
            drop_in, restart = "/etc/systemd/system/irqbalance.service.d/nfvcap.conf", "systemctl restart irqbalance"
            reload = "systemctl daemon-reload"
            blind = f"mv {drop_in} {SPARE}/i; {reload}; {restart}; mv {SPARE}/i {drop_in}; {reload}"
            yield broken("irqbalance was not restarted", blind, restart, "043")
            yield gone("irqbalance is not told at its start", drop_in, "044")
        yield overlaid("a CPU is offline", f"{CPU}/online", "sed s/.*/0-8/", "045")

    def pfs(self) -> Iterator[Break]:
        device = self.host.run(f"readlink -f {self.device}").strip()
        yield covered("a PF is gone", device, "050", self.address)
        yield edited("fewer VFs at boot", RECORD, f"{self._record}['num_vfs'] -= 1", "053", self.address)
        yield broken("a PF is down", f"ip link set {self.net} down", f"ip link set {self.net} up", "054", self.address)
        node = f"{self.vf_device}/numa_node"
        yield overlaid("a VF is on another node", f"$(readlink -f {node})", "sed s/.*/7/", "055", self.address)
        # The lab has no port that the plan does not speak of: it has to forget one.
        pfs = "next(iter(d['nfvcap_plan'].values()))['desired']['pfs']"
        forget = f"{pfs}[:] = [pf for pf in {pfs} if pf['address'] == '{self.address}']"
        others = [pf["address"] for pf in self.desired["pfs"] if pf["address"] != self.address and pf["num_vfs"]]
        yield edited("VFs left of another plan", PLAN, forget, "056", *others)

    @property
    def _record(self) -> str:
        return f"next(p for p in d['pfs'] if p['address'] == '{self.address}')"

    def vfs(self) -> Iterator[Break]:
        vf = self.pf["vfs"][0]
        set_vf = f"ip link set {self.net} vf 0"
        mac = (
            vf["mac"]
            or self.host.run(
                f"ip -j link show {self.net} | python3 -c "
                '\'import json, sys; print(json.load(sys.stdin)[0]["vfinfo_list"][0]["address"])\''
            ).strip()
        )
        if vf["mac"]:
            yield broken("a MAC address", f"{set_vf} mac 02:00:00:00:00:99", f"{set_vf} mac {mac}", "060", self.vf)
        back = f"{set_vf} vlan {vf['vlan']} qos {vf['qos']}"
        yield broken("a VLAN", f"{set_vf} vlan 7 qos {vf['qos']}", back, "061", self.vf)
        yield broken(
            "trust", f"{set_vf} trust {_not(vf['trust'])}", f"{set_vf} trust {_not(not vf['trust'])}", "063", self.vf
        )
        checked = f"{set_vf} spoofchk"
        yield broken(
            "the spoof check",
            f"{checked} {_not(vf['spoofchk'])}",
            f"{checked} {_not(not vf['spoofchk'])}",
            "064",
            self.vf,
        )
        rate = vf["max_tx_rate_mbps"]
        yield broken("the rate limit", f"{set_vf} max_tx_rate 300", f"{set_vf} max_tx_rate {rate}", "066", self.vf)
        yield from self.tags_and_rates()
        # The emulated card has neither a minimum rate nor a link state of VFs.
        for key, value, number in (("rate", {"max_tx": rate, "min_tx": 5}, "065"), ("link_state", "disable", "067")):
            first = f"d.get('ifname') == '{self.net}' and d.get('vfinfo_list') and d['vfinfo_list'][0]"
            yield lying_ip(f"another {key}", f"{first}.update({key}={value!r})", number, self.vf)
        yield edited("another VLAN at boot", RECORD, f"{self._record}['vfs'][0]['vlan'] = 7", "068", self.vf)

    def tags_and_rates(self) -> Iterator[Break]:
        """The port whose VFs have a VLAN and a rate that the inventory names."""
        net = self.host.run(f"ls /sys/bus/pci/devices/{self.tagged['address']}/net").strip()
        for vf in self.tagged["vfs"]:
            set_vf, subject = f"ip link set {net} vf {vf['index']}", f"{self.tagged['address']} vf{vf['index']}"
            back = f"{set_vf} vlan {vf['vlan']} qos {vf['qos']}"
            if vf["vlan"]:
                yield broken("a VLAN is taken off", f"{set_vf} vlan 0 qos {vf['qos']}", back, "061", subject)
                yield broken("a VLAN priority", f"{set_vf} vlan {vf['vlan']} qos {vf['qos'] ^ 5}", back, "062", subject)
            if rate := vf["max_tx_rate_mbps"]:
                other = f"{set_vf} max_tx_rate {rate // 2}"
                yield broken("a rate is halved", other, f"{set_vf} max_tx_rate {rate}", "066", subject)

    def drivers(self) -> Iterator[Break]:
        name = self.vf_device.rsplit("/", 1)[-1]
        probe = f"echo {name} > /sys/bus/pci/drivers_probe"
        yield broken("a VF is unbound", f"echo {name} > {self.vf_device}/driver/unbind", probe, "070", self.vf)
        override = f"{self.vf_device}/driver_override"
        yield broken("an override is cleared", f"echo > {override}", f"echo vfio-pci > {override}", "071", self.vf)
        yield edited("another driver at boot", RECORD, f"{self._record}['vfs'][0]['driver'] = ''", "072", self.vf)
        stray = f"/etc/driverctl.d/pci-{name}"
        yield broken(
            "driverctl says otherwise",
            f"mkdir -p /etc/driverctl.d; echo igbvf > {stray}",
            f"rm {stray}",
            "072",
            self.vf,
        )

    def kvm(self) -> Iterator[Break]:
        yield gone("KVM", "/dev/kvm", "080")
        package = self.desired["kvm"]["packages"][0]
        # Paragraph by paragraph: only this package's state changes.
        change = 'sub(/install ok installed/, "deinstall ok config-files")'
        removed = f"awk -v RS= -v ORS='\\n\\n' '/^Package: {package}\\n/ {{ {change} }} 1'"
        yield overlaid("a package", "/var/lib/dpkg/status", removed, "081", package)
        service = self.desired["kvm"]["services"][0]
        parts = "libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket"
        if service.startswith("libvirtd"):
            yield broken(
                "a service is stopped",
                f"systemctl stop libvirtd.service {parts}",
                f"systemctl start {parts}",
                "082",
                service,
            )
        yield broken(
            "a service is disabled", f"systemctl -q disable {service}", f"systemctl -q enable {service}", "083", service
        )

    def safety(self) -> Iterator[Break]:
        entry = f"d['entries']['driver:{self.protected}'] = dict(kind='driver', before='')"
        yield edited("a protected NIC was changed", LEDGER, entry, "090", self.protected)
        # Taken down for real, it would take the connection along.
        net = self.host.run(f"find /sys/bus/pci/devices/{self.protected}/ -path '*/net/*' -prune -printf '%f '").split()
        down = f"d.get('ifname') in {net} and d['flags'].remove('UP')"
        yield lying_ip("a protected NIC is down", down, "091", self.protected)
        route = f"ip route %s default dev {self.net} metric 4000"
        yield broken("the way in goes over a PF", route % "add", route % "del", "092")

    def last(self) -> Iterator[Break]:
        """What the boot-time restore has to mend: it takes the longest, and proves the unit on the way."""
        restore = f"systemctl restart {SRIOV}"
        yield broken("no VFs", f"echo 0 > {self.device}/sriov_numvfs", restore, "052", self.address)
        driver = self.host.run(f"readlink -f {self.device}/driver").strip()
        yield broken(
            "a PF is unbound", f"echo {self.address} > {driver}/unbind",
            f"echo {self.address} > {driver}/bind; {restore}", "051", self.address,
        )  # fmt: skip

    def breaks(self) -> list[Break]:
        parts: tuple[Callable[[], Iterator[Break]], ...] = (
            self.records, self.kernel, self.iommu, self.memory, self.cpus, self.pfs, self.vfs, self.drivers, self.kvm,
            self.safety, self.last,
        )  # fmt: skip
        return [one for part in parts for one in part()]


def _not(value: bool) -> str:
    return "off" if value else "on"


def never_broken(breaks: list[Break], known: set[str]) -> set[str]:
    """Numbers of checks that neither a break makes red nor the table above excuses; and excuses for no reason."""
    return (known - {number for one in breaks for number, _ in one.red}) ^ set(NOT_HERE)
