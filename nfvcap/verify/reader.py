# SPDX-License-Identifier: Apache-2.0
"""Runs on the judged host: returns files, links and command output as they are, and interprets none of it.

It travels as one argument of ``python3 -c``, is told by another what to read, and needs nothing but Python 3.9 and its
standard library. It changes nothing. One JSON document goes to standard output; what could not be read is named there
with the reason.
"""

# pathlib is left out: its import alone is felt on a slow host.

from __future__ import annotations

import _socket  # the module socket is slow to import for one ioctl
import array
import fcntl
import glob
import json
import os
import select
import signal
import struct
import sys
import time
from typing import Any

SCHEMA = "nfvcap/snapshot/1"
PLAN = "/var/lib/nfvcap/plan.json"
MAX_BYTES = 512 * 1024
COMMAND_TIMEOUT_S = 30
BOOT_TIMEOUT_S = 25

NIC_FILES = ("vendor", "device", "numa_node", "driver_override", "sriov_numvfs", "sriov_totalvfs")
OWN_UNITS = ("nfvcap-hugepages.service", "nfvcap-sriov.service")
UNIT_PROPERTIES = (
    "Id,LoadState,ActiveState,SubState,UnitFileState,Result,TriggeredBy,MainPID,InvocationID,ExecStart,Environment"
)


class Snapshot:
    """Collects; a thing that does not exist is None, one that could not be read is also named in ``unreadable``."""

    def __init__(self) -> None:
        self.files: dict[str, str | None] = {}
        self.links: dict[str, str] = {}
        self.lists: dict[str, list[str]] = {}
        self.commands: dict[str, dict[str, Any]] = {}
        self.unreadable: dict[str, str] = {}
        self._running: dict[str, Running] = {}

    def file(self, path: str) -> str | None:
        text = None
        try:
            with open(path, "rb") as stream:
                text = stream.read(MAX_BYTES).decode("utf-8", "replace")
        except FileNotFoundError:
            pass
        except OSError as error:
            self.unreadable[path] = error.strerror or str(error)
        self.files[path] = text
        return text

    def pattern(self, pattern: str) -> None:
        for path in sorted(glob.glob(pattern)) if "*" in pattern else [pattern]:
            if not os.path.isdir(path):
                self.file(path)

    def link(self, path: str) -> None:
        if os.path.islink(path):
            self.links[path] = os.path.realpath(path)

    def names(self, pattern: str) -> None:
        for path in sorted(glob.glob(pattern)) if "*" in pattern else [pattern]:
            try:
                self.lists[path.rstrip("/")] = sorted(os.listdir(path))
            except (FileNotFoundError, NotADirectoryError):
                pass
            except OSError as error:
                self.unreadable[path] = error.strerror or str(error)

    def start(self, name: str, argv: list[str]) -> None:
        """Start a command; all of them run while the files are read."""
        try:
            self._running[name] = Running(argv)
        except OSError as error:
            self.commands[name] = {"argv": argv, "rc": 127, "stdout": "", "stderr": str(error)}

    def finish(self) -> None:
        for name, running in self._running.items():
            self.commands[name] = running.finish()
        self._running = {}


class Running:
    """A command under way. What the module subprocess would do for its import takes longer than the command."""

    def __init__(self, argv: list[str]) -> None:
        self._argv = argv
        path = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
        out, out_end = os.pipe()
        err, err_end = os.pipe()
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, out_end, 1),
            (os.POSIX_SPAWN_DUP2, err_end, 2),
        ]
        try:
            environment = {**os.environ, "LC_ALL": "C", "PATH": path}
            self._pid = os.posix_spawnp(argv[0], argv, environment, file_actions=actions)
        finally:
            os.close(out_end)
            os.close(err_end)
        self._pipes = (out, err)

    def finish(self) -> dict[str, Any]:
        deadline = time.monotonic() + COMMAND_TIMEOUT_S
        texts = dict.fromkeys(self._pipes, b"")
        unfinished = list(self._pipes)
        while unfinished and time.monotonic() < deadline:
            for pipe in select.select(unfinished, [], [], 1)[0]:
                data = os.read(pipe, 1 << 16)
                texts[pipe] += data
                if not data:
                    unfinished.remove(pipe)
        if unfinished:
            os.kill(self._pid, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        out, err = (texts[pipe].decode("utf-8", "replace") for pipe in self._pipes)
        return {"argv": self._argv, "rc": code, "stdout": out, "stderr": err}


def wait_for_boot() -> None:
    """A host that has just booted is judged when nfvcap's units have run, which takes them some seconds."""
    deadline = time.monotonic() + BOOT_TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            jobs = Running(["systemctl", "list-jobs", "--no-legend", "--plain", "nfvcap-*"]).finish()
        except OSError:
            return
        if jobs["rc"] != 0 or "nfvcap-" not in jobs["stdout"]:
            return
        time.sleep(0.5)


def planned(text: str | None) -> dict[str, set[str]]:
    """Names to ask the system about, from the plan on the host; a damaged plan is the judge's business."""
    wanted: dict[str, set[str]] = {"packages": set(), "units": set(), "files": set(), "lists": set()}
    try:
        for host in json.loads(text or "{}").get("nfvcap_plan", {}).values():
            wanted["packages"].update(host["desired"]["kvm"]["packages"])
            wanted["units"].update(host["desired"]["kvm"]["services"])
            wanted["files"].update(host["files"])
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    return wanted


def start_commands(snapshot: Snapshot, wanted: dict[str, set[str]]) -> None:
    # Patterns match loaded units only; those that restore the state after a boot must show up even when they are gone.
    units = {"irqbalance.service", "nfvcap-*", *OWN_UNITS, *wanted["units"]}
    units |= {unit[: -len(".service")] + ".socket" for unit in wanted["units"] if unit.endswith(".service")}
    snapshot.start("units", ["systemctl", "show", "--no-pager", "-p", UNIT_PROPERTIES, "--", *sorted(units)])
    journal = ["journalctl", "-q", "--no-pager", "-b", "-p", "err", "-n", "50", "-o", "json"]
    # Not as a pattern: journalctl fails on one that matches nothing.
    journal += [f"--unit={unit}" for unit in OWN_UNITS]
    snapshot.start("journal", [*journal, "--output-fields", "MESSAGE,_SYSTEMD_INVOCATION_ID"])
    snapshot.start("links", ["ip", "-j", "-d", "link", "show"])
    snapshot.start("addresses", ["ip", "-j", "addr", "show"])
    packages = sorted(wanted["packages"])
    if packages and os.path.exists("/usr/bin/dpkg-query"):
        shape = "${Package} ${db:Status-Status} ${Version}\\n"
        snapshot.start("packages", ["dpkg-query", "-W", "-f", shape, *packages])
    elif packages:
        snapshot.start("packages", ["rpm", "-q", "--qf", "%{NAME} installed %{VERSION}\\n", *packages])
    if os.path.exists("/etc/default/grub"):
        snapshot.start("grub_defaults", ["sh", "-c", GRUB_DEFAULTS])


# What grub-mkconfig will see: it sources the same files in the same order.
GRUB_DEFAULTS = (
    ". /etc/default/grub; for x in /etc/default/grub.d/*.cfg; do [ -e $x ] && . $x; done; "
    'printf "%s\\n%s\\n" "$GRUB_CMDLINE_LINUX" "$GRUB_CMDLINE_LINUX_DEFAULT"'
)


def read_nics(snapshot: Snapshot) -> None:
    """Network devices of the PCI bus, and the drivers of whatever shares an IOMMU group with one of them."""
    base = "/sys/bus/pci/devices/"
    companions = set()
    for device in sorted(glob.glob(base + "*")):
        if not (snapshot.file(device + "/class") or "").startswith("0x02"):
            del snapshot.files[device + "/class"]
            continue
        for name in NIC_FILES:
            snapshot.file(f"{device}/{name}")
        for name in ("driver", "physfn", "iommu_group", *(n for n in os.listdir(device) if n.startswith("virtfn"))):
            snapshot.link(f"{device}/{name}")
        snapshot.names(device + "/net")
        companions.update(glob.glob(device + "/iommu_group/devices/*"))
    for path in sorted(companions):
        device = base + os.path.basename(path)
        snapshot.file(device + "/class")
        snapshot.link(device + "/driver")


def read_interfaces(snapshot: Snapshot) -> dict[str, dict[str, str]]:
    """Interface → driver, version, firmware by ETHTOOL_GDRVINFO; and the links that lead from a bridge to its ports."""
    drivers = {}
    sock = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
    for name in sorted(os.listdir("/sys/class/net")):
        for lower in glob.glob(f"/sys/class/net/{name}/lower_*"):
            snapshot.link(lower)
        if not os.path.exists(f"/sys/class/net/{name}/device"):
            continue
        snapshot.link(f"/sys/class/net/{name}/device")
        # The ioctl wants an address that stays where it is, which an array has.
        data = array.array("B", struct.pack("I", 3) + bytes(192))
        try:
            fcntl.ioctl(sock.fileno(), 0x8946, struct.pack("16sP16x", name.encode()[:15], data.buffer_info()[0]))
        except OSError:
            continue
        fields = [data[at : at + 32].tobytes().split(b"\0")[0].decode("ascii", "replace") for at in (4, 36, 68)]
        drivers[name] = dict(zip(("driver", "version", "firmware"), fields))  # noqa: B905 - strict= needs 3.10
    sock.close()
    return drivers


def read_irqbalance(snapshot: Snapshot) -> None:
    """The environment of the running daemon: what it was really told."""
    for block in snapshot.commands.get("units", {}).get("stdout", "").split("\n\n"):
        fields = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if fields.get("Id") == "irqbalance.service" and fields.get("MainPID", "0") != "0":
            snapshot.file(f"/proc/{fields['MainPID']}/environ")


def probe_kvm() -> dict[str, Any]:
    """Does the kernel really answer on /dev/kvm? (the file alone proves nothing)"""
    if not os.path.exists("/dev/kvm"):
        return {"exists": False, "api_version": None, "error": "No such file or directory"}
    try:
        handle = os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC)
        try:
            return {"exists": True, "api_version": fcntl.ioctl(handle, 0xAE00), "error": ""}
        finally:
            os.close(handle)
    except OSError as error:
        return {"exists": True, "api_version": None, "error": error.strerror or str(error)}


def ssh_server_address() -> str:
    """The address of this machine that the ssh connection came in by; sudo hides it, so ask the parents."""
    pid = os.getpid()
    while pid > 1:
        try:
            with open(f"/proc/{pid}/environ", "rb") as stream:
                for entry in stream.read().split(b"\0"):
                    if entry.startswith(b"SSH_CONNECTION="):
                        return entry.decode("ascii", "replace").split("=", 1)[1].split()[2]
            with open(f"/proc/{pid}/stat") as stat:
                pid = int(stat.read().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError, ValueError):
            return ""
    return ""


def main() -> None:
    started = time.time()
    request = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
    snapshot = Snapshot()
    wait_for_boot()
    wanted = planned(snapshot.file(PLAN))
    for kind, names in request.items():
        wanted[kind].update(names)
    start_commands(snapshot, wanted)
    for pattern in sorted(wanted["files"]):
        snapshot.pattern(pattern)
    for pattern in sorted(wanted["lists"]):
        snapshot.names(pattern)
    read_nics(snapshot)
    drivers = read_interfaces(snapshot)
    with open("/proc/cpuinfo") as stream:
        snapshot.files["/proc/cpuinfo"] = stream.read().split("\n\n")[0]
    builtin = f"/lib/modules/{os.uname().release}/modules.builtin"
    lines = (snapshot.file(builtin) or "").splitlines()
    # The whole list is long and only virtualisation matters here.
    snapshot.files[builtin] = "".join(line + "\n" for line in lines if "vfio" in line or "/kvm/" in line)
    snapshot.finish()
    read_irqbalance(snapshot)
    document = {
        "schema": SCHEMA,
        "taken_at_s": started,
        "seconds": round(time.time() - started, 3),
        "euid": os.geteuid(),
        "hostname": os.uname().nodename,
        "kernel": os.uname().release,
        "ssh_server_address": ssh_server_address(),
        "kvm": probe_kvm(),
        "net_drivers": drivers,
        "files": snapshot.files,
        "links": snapshot.links,
        "lists": snapshot.lists,
        "commands": snapshot.commands,
        "unreadable": snapshot.unreadable,
    }
    json.dump(document, sys.stdout)


if __name__ == "__main__":
    main()
