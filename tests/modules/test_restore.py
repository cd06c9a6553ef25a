# SPDX-License-Identifier: Apache-2.0
"""The way back from the ledger, whole and in pieces; and what the boot units set again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible.module_utils import nfvcap_restore
from ansible.module_utils.nfvcap_boot import CONFIGURATION, main
from ansible.module_utils.nfvcap_failure import Failure
from ansible.module_utils.nfvcap_hostfile import WantedFile, set_files
from ansible.module_utils.nfvcap_hugepages import Pool, set_pools
from ansible.module_utils.nfvcap_ledger import PATH, PLAN_PATH
from ansible.module_utils.nfvcap_outcome import Outcome
from ansible.module_utils.nfvcap_packages import set_packages
from ansible.module_utils.nfvcap_record import record_originals
from ansible.module_utils.nfvcap_restore import restore_state
from ansible.module_utils.nfvcap_sriov import PfWanted, set_pfs
from ansible.module_utils.nfvcap_unitset import WantedUnits, set_units
from ansible.module_utils.nfvcap_vfattr import VfWanted
from ansible.module_utils.nfvcap_vfdriver import set_vf_drivers

from tests.modules.fakecard import PCI, FakeCard, card
from tests.modules.test_units import DROP_IN, FOLDER, Apt, Systemd

POOL = "/sys/devices/system/node/node1/hugepages/hugepages-2048kB"


class Server:
    """A host with everything that can be changed."""

    def __init__(self, tree: Path) -> None:
        self.card: FakeCard = card(tree)
        self.host = self.card.host
        self.systemd = Systemd(self.host)
        self.systemd.package("irqbalance.service")
        self.systemd.package("libvirtd.socket", enabled=False, running=False)
        self.apt = Apt(self.host, {"bash"})
        self.host.plant("/etc/modprobe.d/nfvcap.conf", "# the user's own\n", 0o600)
        self.host.reactions[f"{POOL}/nr_hugepages"] = self.pages
        self.pages("16\n")
        self.host.plant("/proc/cmdline", "root=/dev/sda1\n")

    def pages(self, text: str) -> None:
        """The kernel gives what it is asked for, and nobody uses any of it."""
        self.host.plant(f"{POOL}/nr_hugepages", text)
        self.host.plant(f"{POOL}/free_hugepages", text)

    def provision(self) -> None:
        host, outcome = self.host, Outcome()
        set_packages(host, ["qemu-system-x86"], outcome, False)
        set_units(host, WantedUnits(("libvirtd.socket",), enabled=True, started=True), Outcome(), False)
        set_files(host, [WantedFile("/etc/modprobe.d/nfvcap.conf", "options vfio-pci x=1\n")], outcome, False)
        drop_in = WantedFile(f"{FOLDER}/irqbalance.service.d/nfvcap.conf", DROP_IN)
        set_units(host, WantedUnits(("irqbalance.service",), (drop_in,)), Outcome(), False)
        set_files(host, [WantedFile("/etc/nfvcap/host.json", "{}\n")], outcome, False)
        unit = WantedFile(f"{FOLDER}/nfvcap-sriov.service", "[Service]\n")
        set_units(host, WantedUnits(("nfvcap-sriov.service",), (unit,), enabled=True), Outcome(), False)
        set_pools(host, [Pool(1, 2 << 20, 512)], outcome, False)
        vfs = (VfWanted(0, mac="02:00:00:00:00:01", driver="vfio-pci"), VfWanted(1, trust=True, driver=""))
        pf = PfWanted(self.card.address, 2, vfs)
        set_pfs(host, [pf], [], outcome, False)
        set_vf_drivers(host, [pf], [], outcome, False)
        set_files(host, [WantedFile(PLAN_PATH, "{}\n", 0o600)], outcome, False)

    def state(self) -> dict[str, object]:
        tree = {
            name: text
            for name, text in self.host.tree().items()
            # Processes and what drivers leave in a directory of their own are no state of the host's configuration.
            if not name.startswith(("/proc/1", "/run", "/sys/bus/pci/drivers/", "/sys/kernel/iommu_groups"))
            and name not in ("/var", "/var/lib", "/sys/kernel", "/sys/module", f"{POOL}/free_hugepages")
        }
        environment = [self.systemd.environment(name) for name in self.systemd.pids]
        return {
            "tree": tree, "up": self.card.up, "enabled": set(self.systemd.enabled), "running": set(self.systemd.pids),
            "environment": environment,
        }  # fmt: skip


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path)


def undo(server: Server, check: bool = False, packages: bool = False) -> Outcome:
    outcome = Outcome()
    restore_state(server.host, packages, outcome, check)
    return outcome


def test_everything_is_back_and_the_ledger_is_gone(server: Server) -> None:
    before = server.state()
    server.provision()
    assert server.state() != before
    outcome = undo(server)
    assert server.state() == before
    assert not server.host.exists("/var/lib/nfvcap")
    # Folders of ours went with the ledger; packages need consent.
    assert outcome.extra["left_packages"] == ["qemu-system-x86", "seabios"]
    assert "qemu-system-x86" in server.apt.installed


def test_packages_go_with_consent(server: Server) -> None:
    server.provision()
    assert undo(server, packages=True).extra["left_packages"] == []
    assert server.apt.installed == {"bash"}


def test_check_mode_foretells_the_run_and_touches_nothing(server: Server) -> None:
    server.provision()
    tree = server.host.tree()
    foretold = undo(server, check=True)
    assert server.host.tree() == tree
    assert undo(server).changes == foretold.changes


def test_second_run_finds_nothing(server: Server) -> None:
    server.provision()
    undo(server)
    server.host.commands.clear()
    assert not undo(server).changes and not server.host.commands


def test_only_the_copy_of_the_plan_is_there(server: Server) -> None:
    set_files(server.host, [WantedFile(PLAN_PATH, "{}\n")], Outcome(), False)
    undo(server)
    assert not server.host.exists("/var/lib/nfvcap")


def test_nothing_outside_the_ledger_is_touched(server: Server) -> None:
    server.provision()
    server.host.plant("/etc/nfvcap/mine.conf", "of the user\n")
    server.host.plant("/var/lib/nfvcap/mine.txt", "of the user\n")
    notes = undo(server).notes
    assert server.host.read("/etc/nfvcap/mine.conf") == "of the user\n"
    assert any("/etc/nfvcap stays" in note for note in notes)
    assert any("/var/lib/nfvcap/mine.txt stays" in note for note in notes)


@pytest.mark.parametrize("kind", ["restore_pf", "restore_pool", "restore_file", "restore_unit"])
def test_a_run_that_was_stopped_goes_on_where_it_stopped(
    server: Server, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    before = server.state()
    server.provision()
    real: Callable[..., object] = getattr(nfvcap_restore, kind)

    def stopped(*words: object) -> object:
        real(*words)
        raise KeyboardInterrupt  # after the deed, before the ledger knows of it: the worst moment

    for _ in range(20):
        monkeypatch.setattr(nfvcap_restore, kind, stopped)
        try:
            undo(server)
            break
        except KeyboardInterrupt:
            monkeypatch.setattr(nfvcap_restore, kind, real)
    undo(server)
    assert server.state() == before


def test_a_vf_in_use_stops_the_way_back_with_its_users_name(server: Server) -> None:
    before = server.state()
    server.provision()
    server.card.hold(0)
    with pytest.raises(Failure) as caught:
        undo(server)
    assert caught.value.code == "NFV-SRIOV-005" and "dpdk-testpmd" in caught.value.why
    assert json.loads(server.host.read(PATH) or "")["entries"], "the ledger still knows the rest"
    server.host.unlink("/proc/4711/fd/7")
    server.host.unlink("/proc/4711/comm")
    undo(server)
    for name in ("/proc/4711/fd", "/proc/4711"):
        server.host.remove_folder(name)
    assert server.state() == before


def test_vfs_that_were_there_come_back_with_attributes_and_drivers(server: Server) -> None:
    igb = server.card
    igb._numvfs("1")
    igb.vfs[0].update(address="02:00:00:00:00:aa", trust=True)
    server.provision()
    assert len(igb.vfs) == 2
    undo(server)
    assert len(igb.vfs) == 1 and igb.vfs[0]["address"] == "02:00:00:00:00:aa" and igb.vfs[0]["trust"] is True
    assert igb.drivers() == {0: "igbvf"}


def test_the_same_number_of_vfs_is_not_made_anew(server: Server) -> None:
    igb = server.card
    igb._numvfs("2")
    igb.vfs[1]["spoofchk"] = False
    pf = PfWanted(igb.address, 2, (VfWanted(0, driver="vfio-pci"), VfWanted(1, spoofchk=True)))
    set_pfs(igb.host, [pf], [], Outcome(), False)
    set_vf_drivers(igb.host, [pf], [], Outcome(), False)
    assert igb.drivers() == {0: "vfio-pci", 1: "igbvf"}
    undo(server)
    assert igb.drivers() == {0: "igbvf", 1: "igbvf"} and igb.vfs[1]["spoofchk"] is False
    assert not igb.numvfs_writes()


def test_a_card_that_is_gone_does_not_stop_the_way_back(server: Server) -> None:
    server.provision()
    server.host.plant(f"{PCI}/{server.card.address}/class", "0xff0000\n")
    assert any("is gone" in note for note in undo(server).notes)
    assert not server.host.exists("/var/lib/nfvcap")


def test_originals_are_those_of_the_running_system_not_of_the_early_boot(server: Server) -> None:
    server.card.up = True
    pf = PfWanted(server.card.address, 2, (VfWanted(0, driver="vfio-pci"),))
    record_originals(server.host, [Pool(1, 2 << 20, 512)], [pf], [], check=False)
    server.card.up = False  # early at boot
    server.pages("0\n")
    server.host.plant(CONFIGURATION, json.dumps(HOST_JSON))
    assert main(["nfvcap-restore", "hugepages"], server.host) == main(["nfvcap-restore", "sriov"], server.host) == 0
    undo(server)
    assert server.card.up and server.host.number(f"{POOL}/nr_hugepages") == 16


def test_a_card_that_must_not_be_touched_is_not_prepared_for_the_next_boot_either(server: Server) -> None:
    server.card.default_routes = [{"dst": "default", "dev": server.card.name}]
    with pytest.raises(Failure, match="is not touched"):
        record_originals(server.host, [], [PfWanted(server.card.address, 2)], [], check=True)


# The boot.

HOST_JSON = {
    "schema": "nfvcap/host/1",
    "kernel_args": ["intel_iommu=on"],
    "hugepages": [{"node": 1, "size_bytes": 2 << 20, "count": 512}],
    "vfio": {"modules": ["vfio-pci"]},
    "pfs": [
        {
            "address": "0000:81:00.0", "admin_up": True, "num_vfs": 2,
            "vfs": [
                {"index": 0, "mac": "02:00:00:00:00:01", "vlan": 0, "qos": 0, "trust": False, "spoofchk": True,
                 "min_tx_rate_mbps": 0, "max_tx_rate_mbps": 0, "link_state": "auto", "driver": "vfio-pci"},
                {"index": 1, "mac": None, "vlan": 7, "qos": 0, "trust": False, "spoofchk": True,
                 "min_tx_rate_mbps": 0, "max_tx_rate_mbps": 0, "link_state": "auto", "driver": ""},
            ],
        }
    ],
}  # fmt: skip


def test_boot_sets_pages_and_vfs_as_provisioning_does(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    server.host.plant(CONFIGURATION, json.dumps(HOST_JSON))
    assert main(["nfvcap-restore", "hugepages"], server.host) == 0
    assert server.host.number(f"{POOL}/nr_hugepages") == 512
    assert main(["nfvcap-restore", "sriov"], server.host) == 0
    assert server.card.drivers() == {0: "vfio-pci", 1: "igbvf"}
    assert server.card.vfs[1]["vlan_list"][0]["vlan"] == 7 and server.card.up
    assert "sriov_numvfs" not in capsys.readouterr().err
    server.host.writes.clear()
    assert main(["nfvcap-restore", "sriov"], server.host) == 0
    assert not server.host.writes


def test_boot_waits_for_a_card_whose_driver_comes_late(server: Server) -> None:
    server.host.plant(CONFIGURATION, json.dumps(HOST_JSON))
    name = server.card.name
    folder = Path(server.host.real(f"{PCI}/{server.card.address}/net"))
    folder.rename(folder.with_name("not-yet"))

    def come(now_s: float) -> None:
        if now_s > 20 and not folder.exists():
            folder.with_name("not-yet").rename(folder)

    server.host.on_sleep = come
    assert main(["nfvcap-restore", "sriov"], server.host) == 0
    assert folder.joinpath(name).exists() and len(server.card.vfs) == 2


def test_failure_at_boot_is_one_line_with_code_what_why_fix(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    server.host.plant(CONFIGURATION, json.dumps(HOST_JSON))
    server.card.create_fails = 12
    assert main(["nfvcap-restore", "sriov"], server.host) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 and lines[0].startswith("<3>nfvcap: ")
    assert all(part in lines[0] for part in ("[NFV-SRIOV-007]", "why: ", "pci=realloc", "fix: "))


@pytest.mark.parametrize("text", [None, "{", '{"schema": "nfvcap/host/2"}'])
def test_configuration_that_cannot_be_read(
    server: Server, text: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    if text is not None:
        server.host.plant(CONFIGURATION, text)
    assert main(["nfvcap-restore", "hugepages"], server.host) == 1
    assert "NFV-LEDGER-009" in capsys.readouterr().out
