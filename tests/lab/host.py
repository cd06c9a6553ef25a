# SPDX-License-Identifier: Apache-2.0
"""The lab server as the tests look at it: plain files and third-party tools, none of nfvcap's own reading."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nfvcap.errors import NfvcapError
from nfvcap.lab import Lab

_SICK_FILE = Path(__file__).with_name("sick_file.py")
# One process on the server walks the trees: a fork for each file would take minutes under emulation.
_FINGERPRINT = """
import glob, hashlib, json, os
# Changes by itself: leases, ids, caches that the system rewrites whether nfvcap runs or not.
volatile = ("/etc/resolv.conf", "/etc/mtab", "/etc/adjtime", "/etc/.updated", "/boot/grub/grubenv",
            "/root/.ansible", "/root/.cache")
found = {}
for tree in ("/etc", "/usr/local", "/boot/grub", "/var/lib/nfvcap", "/usr/lib/systemd/system", "/root"):
    for folder, folders, files in os.walk(tree):
        for name in files + [each for each in folders if os.path.islink(os.path.join(folder, each))]:
            path = os.path.join(folder, name)
            if path.startswith(volatile):
                continue
            if os.path.islink(path):
                found[path] = "link " + os.readlink(path)
            elif os.path.isfile(path):
                about = os.stat(path)
                with open(path, "rb") as stream:
                    digest = hashlib.sha256(stream.read()).hexdigest()
                found[path] = "%o %d:%d %s" % (about.st_mode, about.st_uid, about.st_gid, digest)
for pattern in ("/sys/devices/system/node/node*/hugepages/*/nr_hugepages", "/sys/bus/pci/devices/*/sriov_numvfs",
                "/sys/bus/pci/devices/*/sriov_drivers_autoprobe", "/sys/bus/pci/devices/*/driver_override",
                "/sys/bus/pci/devices/*/net/*/flags", "/proc/irq/default_smp_affinity"):
    for path in glob.glob(pattern):
        with open(path) as stream:
            found[path] = stream.read().strip()
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Host:
    lab: Lab

    def run(self, line: str, timeout_s: float = 120) -> str:
        """A shell line on the server; fails when it fails."""
        return self.lab.ssh(["sh", "-c", shlex.quote(line)], timeout_s=timeout_s).stdout

    def read(self, path: str) -> str:
        return self.run(f"cat {shlex.quote(path)}")

    def write(self, path: str, text: str) -> None:
        self.run(f"printf %s {shlex.quote(text)} > {shlex.quote(path)}")

    def exists(self, path: str) -> bool:
        return self.run(f"test -e {shlex.quote(path)} && echo yes || true").strip() == "yes"

    def boot_id(self) -> str:
        return self.read("/proc/sys/kernel/random/boot_id").strip()

    def reboot(self) -> None:
        """Reboot in an orderly way and wait until root can log in again and all services have been started."""
        before = self.boot_id()
        self.lab.ssh(["systemctl", "--no-block", "reboot"], check=False)
        self._wait_new_boot(before)

    def settle(self, boot: str, within_s: float = 15) -> None:
        """Wait until the server is calm after whoever changed it was killed.

        A reboot that was asked for in the last moment begins within this time or not at all; then it is waited for.

        Args:
            boot: the boot id before; another one, or no answer, is a reboot.
        """
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            if self._answer() != (boot, False):
                return self._wait_new_boot(boot)
            time.sleep(1)

    def _answer(self) -> tuple[str, bool]:
        """The boot id and whether it is on its way down; no boot id while it does not answer."""
        words = ["cat", "/proc/sys/kernel/random/boot_id", ";", "systemctl", "is-system-running"]
        try:
            said = [*self.lab.ssh(words, check=False, timeout_s=30).stdout.split(), "", ""]
        except NfvcapError:  # a server on its way down takes connections that it no longer serves
            return "", False
        return said[0], said[1] == "stopping"

    def _wait_new_boot(self, before: str) -> None:
        deadline = time.monotonic() + 300
        while self._answer()[0] in ("", before):
            assert time.monotonic() < deadline, "the lab server did not come back:\n" + self.lab.console_text()[-2000:]
            time.sleep(1)
        self.wait_started()

    def wait_started(self) -> None:
        """Wait until all services have been started: ssh answers before those that restore pages and VFs are done."""
        self.run("systemctl is-system-running --wait || true", timeout_s=300)

    def wait_idle(self, within_s: int = 60) -> None:
        """Wait until no module of nfvcap is at work: one goes on when its controller has been killed."""
        self.run(f"flock -w {within_s} /run/lock/nfvcap.lock true")

    def fingerprint(self) -> dict[str, str]:
        """Path → mode and digest of every file that provisioning could touch; values of the run-time settings."""
        found: dict[str, str] = json.loads(self.lab.ssh(["python3", "-"], stdin=_FINGERPRINT, timeout_s=300).stdout)
        return found

    def sriov_pfs(self) -> list[str]:
        return self.run("cd /sys/bus/pci/devices && ls -d */sriov_numvfs | cut -d/ -f1").split()

    def num_vfs(self, pf: str) -> int:
        return int(self.read(f"/sys/bus/pci/devices/{pf}/sriov_numvfs"))

    def vfs(self, pf: str, driver: str | None = None) -> list[str]:
        """PCI addresses of a PF's VFs, of one driver only if asked for."""
        out = self.run(
            f"cd /sys/bus/pci/devices/{pf} && for v in virtfn*; do [ -e $v ] || continue; "
            'echo "$(basename $(readlink $v)) $(basename $(readlink $v/driver) 2>/dev/null)"; done'
        )
        pairs = [[*line.split(), ""][:2] for line in out.splitlines()]
        return sorted(vf for vf, bound in pairs if driver is None or bound == driver)

    def desired(self) -> Any:
        """The desired state of the plan that was applied last."""
        plan = json.loads(self.read("/var/lib/nfvcap/plan.json"))
        (only,) = plan["nfvcap_plan"].values()
        return only["desired"]

    def hugepage_file(self, pool: Any) -> str:
        size_kib = pool["size_bytes"] // 1024
        return f"/sys/devices/system/node/node{pool['node']}/hugepages/hugepages-{size_kib}kB/nr_hugepages"

    def sicken(self, path: str, *illness: str) -> str:
        """Like :meth:`sick`, until the next boot; returns the process id of what answers for the file."""
        program = _SICK_FILE.read_text(encoding="utf-8")
        return self.lab.ssh(["python3", "-", path, *illness], stdin=program).stdout.strip()

    @contextmanager
    def sick(self, path: str, *illness: str) -> Iterator[None]:
        """A file that blocks or fails half way when it is written to: see sick_file.py for ``illness``."""
        pid = self.sicken(path, *illness)
        try:
            yield
        finally:
            # Whoever hangs in a write is released first; until then the file is in use.
            self.run(f"kill {pid}; for i in $(seq 50); do umount {path} && break; sleep 0.1; done")

    @contextmanager
    def read_only(self, *paths: str) -> Iterator[None]:
        """These files answer every write with EROFS: a read-only bind mount of each on itself."""
        mounted = []
        try:
            for path in paths:
                self.run(f"mount --bind {path} {path} && mount -o remount,bind,ro {path}")
                mounted.append(path)
            yield
        finally:
            for path in mounted:
                self.run(f"umount {path}")

    @contextmanager
    def memory_taken(self, node: int) -> Iterator[None]:
        """Somebody else holds the memory of a node, but for 600 MiB."""
        hog = "/run/nfvcap-hog"
        bound = f"mkdir -p {hog} && mount -t tmpfs -o size=100%,mpol=bind:{node} none {hog}"
        free = f"awk '/MemFree/ {{print int($4 / 1024)}}' /sys/devices/system/node/node{node}/meminfo"
        fill = f"echo 3 > /proc/sys/vm/drop_caches; head -c $(($({free}) - 600))M /dev/zero > {hog}/taken"
        self.run(f"sync; {bound}; {fill}", timeout_s=300)
        try:
            yield
        finally:
            self.run(f"umount {hog}; rmdir {hog}")

    @contextmanager
    def guest_holding(self, vf: str) -> Iterator[str]:
        """A libvirt guest that has the VF; it needs no operating system for that. Yields its name."""
        name = "nfvcap-test-holder"
        domain, bus, rest = vf.split(":")
        slot, function = rest.split(".")
        xml = f"""<domain type='kvm'><name>{name}</name><memory unit='MiB'>128</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type></os>
<devices><hostdev mode='subsystem' type='pci' managed='no'><source>
<address domain='0x{domain}' bus='0x{bus}' slot='0x{slot}' function='0x{function}'/></source></hostdev></devices>
</domain>"""
        self.run(f"printf %s {shlex.quote(xml)} > /run/{name}.xml && virsh -q create /run/{name}.xml", timeout_s=180)
        try:
            yield name
        finally:
            self.run(f"virsh -q destroy {name}; rm -f /run/{name}.xml", timeout_s=180)
