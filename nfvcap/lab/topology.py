# SPDX-License-Identifier: Apache-2.0
"""What the lab server is made of, and the QEMU command line that says so. Pure: nothing is started here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

NODES = 2
CORES_PER_NODE = 5  # node 1: one for the host, four for the vCPUs of three guests
MEMORY_PER_NODE_GIB = 4
MANAGEMENT_MAC = "52:54:00:6e:66:01"
MANAGEMENT_ADDRESS = "10.0.2.15"


@dataclass(frozen=True)
class Port:
    """One 82576 port of the lab server.

    Args:
        index: number of the port, and of its wire.
        node: NUMA node it hangs on.
        bus: PCI bus number of the expander bridge of that node.
        mac: its burned-in address.
    """

    index: int
    node: int
    bus: int
    mac: str

    @property
    def address(self) -> str:
        """PCI address inside the lab server; the firmware numbers the bus behind the root port next."""
        return f"0000:{self.bus + 1:02x}:00.0"


PORTS = (Port(0, 0, 0x40, "52:54:00:6e:66:10"), Port(1, 1, 0x80, "52:54:00:6e:66:11"))


@dataclass(frozen=True)
class Paths:
    """Files of one lab, all in its directory."""

    directory: Path

    @property
    def lock(self) -> Path:
        """Held by whoever changes this lab; beside the directory, which may be removed."""
        return self.directory.with_name(f".{self.directory.name}.lock")

    @property
    def overlay(self) -> Path:
        return self.directory / "disk.qcow2"

    @property
    def variables(self) -> Path:
        """The firmware's variables (boot entries)."""
        return self.directory / "firmware-variables.qcow2"

    @property
    def pid(self) -> Path:
        return self.directory / "qemu.pid"

    @property
    def qmp(self) -> Path:
        return self.directory / "qmp.sock"

    @property
    def serial(self) -> Path:
        return self.directory / "serial.sock"

    @property
    def console(self) -> Path:
        """Log of the serial console since the machine was started."""
        return self.directory / "console.log"

    @property
    def watchdog(self) -> Path:
        """What the watchdog did since the machine was started."""
        return self.directory / "watchdog.log"

    @property
    def state(self) -> Path:
        return self.directory / "state.json"

    @property
    def ssh_config(self) -> Path:
        return self.directory / "ssh_config"

    @property
    def known_hosts(self) -> Path:
        return self.directory / "known_hosts"

    @property
    def connection(self) -> Path:
        """What ssh clients share one connection by."""
        return self.directory / "ssh"

    def nic(self, port: Port) -> Path:
        """The machine's end of a port's wire."""
        return self.directory / f"port{port.index}.nic"

    def wire(self, port: Port) -> Path:
        """The other end, where frames are sent and received by programs of this machine."""
        return self.directory / f"port{port.index}.wire"

    def sockets(self) -> list[Path]:
        """Everything that exists only while the machine runs."""
        return [self.pid, self.qmp, self.serial, self.watchdog, *(self.nic(port) for port in PORTS)]


@dataclass(frozen=True)
class Machine:
    """Everything that the command line depends on.

    Args:
        name: name of the lab.
        paths: its files.
        accelerator: ``kvm`` or ``tcg``.
        firmware: OVMF code, read only.
    """

    name: str
    paths: Paths
    accelerator: str
    firmware: Path


def process_name(lab: str) -> str:
    """The ``-name`` of a lab's QEMU, by which its process is recognised."""
    return f"nfvcap-lab-{lab}"


def arguments(machine: Machine) -> list[str]:
    """Arguments of QEMU, without the program itself."""
    return [*_base(machine), *_nodes(), *_disk(machine), *_management(), *_ports(machine.paths), *_control(machine)]


def _base(machine: Machine) -> list[str]:
    # Five-level paging makes nested guests of an emulated SVM unreliable; nothing in a lab needs it.
    # MWAIT is emulated by spinning: the firmware's idle processors would take this machine's time from the busy one.
    # The emulated x2APIC loses an end of interrupt now and then (seen: CPU 0 with its timer's vector in service for
    # ever after a boot with interrupt remapping); the emulated xAPIC does not.
    model = "host,la57=off" if machine.accelerator == "kvm" else "max,la57=off,monitor=off,x2apic=off"
    # A thread for each processor loses an interrupt in 1 boot of 30 (seen: the timer's vector in service for ever on
    # one processor, its handler not running), for which there is the watchdog. One thread for all boots as fast on two
    # cores, but nested guests then hang: their one processor spins with interrupts off on a lock that nobody holds.
    accelerator = "kvm" if machine.accelerator == "kvm" else "tcg,thread=multi,tb-size=1024"
    cpus = NODES * CORES_PER_NODE
    return [
        "-nodefaults", "-no-user-config", "-name", process_name(machine.name),
        # The split interrupt controller is what interrupt remapping of the IOMMU needs.
        "-machine", "q35,kernel-irqchip=split", "-accel", accelerator, "-cpu", model,
        "-smp", f"{cpus},sockets={NODES},cores={CORES_PER_NODE},threads=1",
        # Has to come before every device that is to be behind it.
        "-device", "intel-iommu,intremap=on,caching-mode=on,device-iotlb=on",
    ]  # fmt: skip


def _nodes() -> list[str]:
    words = ["-m", f"{NODES * MEMORY_PER_NODE_GIB}G"]
    for node in range(NODES):
        first = node * CORES_PER_NODE
        # A page costs memory of this machine only once the lab server has written to it.
        words += ["-object", f"memory-backend-ram,id=memory{node},size={MEMORY_PER_NODE_GIB}G"]
        words += ["-numa", f"node,nodeid={node},memdev=memory{node},cpus={first}-{first + CORES_PER_NODE - 1}"]
    return [*words, "-numa", "dist,src=0,dst=1,val=20"]


def _disk(machine: Machine) -> list[str]:
    overlay = f"driver=qcow2,node-name=disk,file.driver=file,file.filename={_quoted(machine.paths.overlay)}"
    return [
        "-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={_quoted(machine.firmware)}",
        "-drive", f"if=pflash,unit=1,format=qcow2,file={_quoted(machine.paths.variables)}",
        # The default cache mode: what the lab server has synced survives a power cut, the rest may be lost.
        "-blockdev", f"{overlay},discard=unmap,detect-zeroes=unmap",
        "-device", "virtio-blk-pci,drive=disk,bootindex=0,addr=0x3",
        "-device", "virtio-rng-pci,addr=0x4",
    ]  # fmt: skip


def _management() -> list[str]:
    # Port 0 lets the kernel choose a free one; it is asked for after the start.
    return [
        "-netdev", f"user,id=management,hostfwd=tcp:127.0.0.1:0-{MANAGEMENT_ADDRESS}:22",
        "-device", f"virtio-net-pci,netdev=management,mac={MANAGEMENT_MAC},addr=0x2,romfile=",
    ]  # fmt: skip


def _ports(paths: Paths) -> list[str]:
    words = []
    for port in PORTS:
        bridge, wire, number = f"node{port.node}", f"wire{port.index}", port.index + 1
        local, remote = _quoted(paths.nic(port)), _quoted(paths.wire(port))
        # Without bus= QEMU would plug the second bridge into the first one.
        place = f"bus=pcie.0,addr={8 + port.index:#x},bus_nr={port.bus},numa_node={port.node}"
        words += [
            "-device", f"pxb-pcie,id={bridge},{place}",
            "-device", f"pcie-root-port,id=slot{port.index},bus={bridge},chassis={number},slot={number}",
            "-netdev", f"dgram,id={wire},local.type=unix,local.path={local},remote.type=unix,remote.path={remote}",
            "-device", f"igb,netdev={wire},bus=slot{port.index},mac={port.mac}",
        ]  # fmt: skip
    return words


def _control(machine: Machine) -> list[str]:
    paths = machine.paths
    serial = f"socket,id=serial,path={_quoted(paths.serial)},server=on,wait=off,logfile={_quoted(paths.console)}"
    return [
        "-display", "none", "-vga", "none", "-chardev", f"{serial},logappend=off", "-serial", "chardev:serial",
        "-chardev", f"socket,id=qmp,path={_quoted(paths.qmp)},server=on,wait=off", "-mon", "chardev=qmp,mode=control",
        "-pidfile", str(paths.pid), "-daemonize",
    ]  # fmt: skip


def _quoted(path: Path) -> str:
    """A path inside a comma-separated option: a comma is written twice."""
    return str(path).replace(",", ",,")
