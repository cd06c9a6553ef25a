# SPDX-License-Identifier: Apache-2.0
"""Units, packages and kernel modules against programs that behave as systemctl, apt and modprobe do (hand-made)."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest
from ansible.module_utils.nfvcap_command import Completed
from ansible.module_utils.nfvcap_failure import Failure
from ansible.module_utils.nfvcap_hostfile import WantedFile
from ansible.module_utils.nfvcap_ledger import Ledger
from ansible.module_utils.nfvcap_modules import restore_module, set_modules
from ansible.module_utils.nfvcap_outcome import Outcome
from ansible.module_utils.nfvcap_packages import remove_packages, set_packages
from ansible.module_utils.nfvcap_unit import restore_unit
from ansible.module_utils.nfvcap_unitset import WantedUnits, set_units

from tests.modules.fakehost import FakeHost

FOLDER = "/etc/systemd/system"


class Systemd:
    """Units in two directories; reads files only at daemon-reload, gives processes the environment of that moment."""

    def __init__(self, host: FakeHost) -> None:
        self.host, self.enabled, self.pids = host, set[str](), dict[str, int]()
        self.known: dict[str, str] = {}
        self.masked: set[str] = set()
        host.answers["systemctl"] = self.answer

    def package(self, name: str, enabled: bool = True, running: bool = True) -> None:
        self.host.plant(f"/usr/lib/systemd/system/{name}", "[Service]\n[Install]\n")
        self.reload()
        if enabled:
            self.enabled.add(name)
        if running:
            self.start(name)

    def text(self, name: str) -> str:
        own = self.host.read(f"{FOLDER}/{name}") or self.host.read(f"/usr/lib/systemd/system/{name}")
        if own is None:
            return ""
        drop_ins = [self.host.read(f"{FOLDER}/{name}.d/{one}") for one in self.host.listdir(f"{FOLDER}/{name}.d")]
        return "".join([own, *(text or "" for text in drop_ins)])

    def reload(self) -> None:
        names = self.host.listdir(FOLDER) + self.host.listdir("/usr/lib/systemd/system")
        self.known = {name: self.text(name) for name in names if not name.endswith(".d")}

    def environment(self, name: str) -> str:
        lines = self.known.get(name, "").splitlines()
        return " ".join(line.split("=", 1)[1] for line in lines if line.startswith("Environment="))

    def start(self, name: str) -> None:
        self.pids[name] = 100 + len(self.pids)
        self.host.plant(f"/proc/{self.pids[name]}/environ", self.environment(name).replace(" ", "\0") + "\0PATH=/bin")

    def answer(self, words: list[str]) -> Completed | str:
        verb, *rest = words[1:]
        if verb == "show":
            return "\n".join(self.show(name) for name in rest[rest.index("--") + 1 :])
        if verb == "daemon-reload":
            self.reload()
            return ""
        name = rest[-1]
        if name not in self.known and verb != "try-restart":
            return Completed(words, 5, "", f"Unit {name} not found.")
        if verb == "enable":
            self.enabled.add(name)
        elif verb == "disable":
            self.enabled.discard(name)
        if verb in ("stop", "disable") and (verb == "stop" or "--now" in rest):
            self.pids.pop(name, None)
        if verb == "start" or (verb in ("restart", "try-restart") and name in self.pids):
            self.start(name)
        return ""

    def show(self, name: str) -> str:
        known = name in self.known
        load = "masked" if name in self.masked else "loaded" if known else "not-found"
        state = "enabled" if name in self.enabled else "disabled" if known else ""
        return (
            f"MainPID={self.pids.get(name, 0)}\nEnvironment={self.environment(name)}\nLoadState={load}\n"
            f"ActiveState={'active' if name in self.pids else 'inactive'}\nUnitFileState={state}\n"
            f"NeedDaemonReload={'yes' if known and self.known[name] != self.text(name) else 'no'}\n"
        )


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return FakeHost(tmp_path)


@pytest.fixture
def systemd(host: FakeHost) -> Systemd:
    return Systemd(host)


def apply(host: FakeHost, wanted: WantedUnits, check: bool = False, tolerate: bool = False) -> list[str]:
    outcome = Outcome()
    set_units(host, wanted, outcome, check, tolerate)
    return [change["id"] for change in outcome.changes]


def own(*contents: str | None) -> WantedUnits:
    names = ("nfvcap-hugepages.service", "nfvcap-sriov.service")
    files = tuple(WantedFile(f"{FOLDER}/{name}", text) for name, text in zip(names, contents, strict=True))
    return WantedUnits(names, files, enabled=True)


def test_units_with_their_files_are_written_and_enabled(host: FakeHost, systemd: Systemd) -> None:
    foretold = apply(host, own("a\n", "b\n"), check=True)
    assert not host.exists(FOLDER)
    assert apply(host, own("a\n", "b\n")) == foretold
    assert systemd.enabled == {"nfvcap-hugepages.service", "nfvcap-sriov.service"}
    host.commands.clear()
    assert apply(host, own("a\n", "b\n")) == []
    assert len(host.commands) == 1, "one question, no reload"


def test_a_unit_that_is_wanted_no_more_is_disabled_before_its_file_goes(host: FakeHost, systemd: Systemd) -> None:
    apply(host, own("a\n", "b\n"))
    foretold = apply(host, own(None, "b\n"), check=True)
    assert apply(host, own(None, "b\n")) == foretold
    assert systemd.enabled == {"nfvcap-sriov.service"}
    assert not host.exists(f"{FOLDER}/nfvcap-hugepages.service")
    assert apply(host, own(None, "b\n")) == []


def drop_in(text: str | None) -> WantedUnits:
    path = f"{FOLDER}/irqbalance.service.d/nfvcap.conf"
    return WantedUnits(("irqbalance.service",), (WantedFile(path, text),))


DROP_IN = "[Service]\nEnvironment=IRQBALANCE_BANNED_CPULIST=4-5\n"


def test_a_running_unit_is_restarted_with_its_drop_in(host: FakeHost, systemd: Systemd) -> None:
    systemd.package("irqbalance.service")
    foretold = apply(host, drop_in(DROP_IN), check=True)
    assert apply(host, drop_in(DROP_IN)) == foretold
    pid = systemd.pids["irqbalance.service"]
    assert "IRQBALANCE_BANNED_CPULIST=4-5" in (host.read(f"/proc/{pid}/environ") or "")
    assert apply(host, drop_in(DROP_IN)) == []


def test_a_run_killed_after_the_file_or_after_the_reload_is_made_good(host: FakeHost, systemd: Systemd) -> None:
    for reload in (False, True):
        systemd.package("irqbalance.service")
        host.plant(f"{FOLDER}/irqbalance.service.d/nfvcap.conf", DROP_IN.replace("4-5", "4-5" if reload else "6"))
        if reload:
            systemd.reload()
        text = host.read(f"{FOLDER}/irqbalance.service.d/nfvcap.conf")
        assert apply(host, drop_in(text)) == ["unit:irqbalance.service:settings"]
        assert apply(host, drop_in(text)) == []


def test_a_process_that_has_not_become_the_program_yet_is_waited_for(host: FakeHost, systemd: Systemd) -> None:
    systemd.package("irqbalance.service")

    def become(now_s: float) -> None:
        pid = systemd.pids["irqbalance.service"]
        host.plant(f"/proc/{pid}/environ", systemd.environment("irqbalance.service"))

    start = systemd.start

    def slow_start(name: str) -> None:
        start(name)
        host.plant(f"/proc/{systemd.pids[name]}/environ", "SYSTEMD=1")

    systemd.start, host.on_sleep = slow_start, become  # type: ignore[method-assign]
    apply(host, drop_in(DROP_IN))
    assert host.clock_s > 0


def test_a_unit_that_is_not_installed_needs_no_restart(host: FakeHost, systemd: Systemd) -> None:
    assert apply(host, drop_in(DROP_IN)) == [f"file:{FOLDER}/irqbalance.service.d/nfvcap.conf"]


def test_unknown_and_masked_units_are_explained(host: FakeHost, systemd: Systemd) -> None:
    wanted = WantedUnits(("libvirtd.socket",), enabled=True, started=True)
    assert apply(host, wanted, check=True, tolerate=True) == []
    with pytest.raises(Failure) as caught:
        apply(host, wanted)
    assert caught.value.code == "NFV-LEDGER-007"
    systemd.package("libvirtd.socket", enabled=False)
    systemd.masked.add("libvirtd.socket")
    with pytest.raises(Failure) as caught:
        apply(host, wanted)
    assert caught.value.code == "NFV-LEDGER-008"


def test_units_go_back_to_what_they_were(host: FakeHost, systemd: Systemd) -> None:
    systemd.package("libvirtd.socket", enabled=False, running=False)
    apply(host, WantedUnits(("libvirtd.socket",), enabled=True, started=True))
    assert "libvirtd.socket" in systemd.enabled and "libvirtd.socket" in systemd.pids
    restore_unit(host, "libvirtd.socket", Ledger(host).entry("unit:libvirtd.socket")["before"])  # type: ignore[index]
    assert not systemd.enabled and not systemd.pids


class Apt:
    """dpkg-query and apt-get with a handful of packages."""

    needs: ClassVar[dict[str, list[str]]] = {
        "qemu-system-x86": ["seabios"],
        "libvirt-daemon-system": ["libvirt-daemon", "libvirt0"],
    }

    def __init__(self, host: FakeHost, installed: set[str], lists: bool = True) -> None:
        self.host, self.installed, self.lists, self.foreign = host, installed, lists, dict[str, str]()
        host.plant("/usr/bin/apt-get")
        host.answers.update({"dpkg-query": self.query, "apt-get": self.get, "dpkg": lambda words: ""})

    def query(self, words: list[str]) -> str:
        return "".join(f"{name} installed\n" for name in words if name in self.installed)

    def get(self, words: list[str]) -> Completed | str:
        if "update" in words:
            self.lists = True
            return ""
        verb = next(word for word in words if word in ("install", "remove"))
        names = [word for word in words[words.index(verb) + 1 :] if not word.startswith("-")]
        if verb == "remove":
            along = [user for user, need in self.foreign.items() if need in names]
            if "-s" in words:
                return "".join(f"Remv {name} [1.0]\n" for name in [*names, *along])
            self.installed -= set(names)
            return ""
        if not self.lists:
            return Completed(words, 100, "", f"E: Unable to locate package {names[0]}")
        new = [one for name in names for one in [name, *self.needs.get(name, [])] if one not in self.installed]
        if "-s" in words:
            return "Inst libc6 [2.41] (2.42 Debian:13)\n" + "".join(f"Inst {name} (1.0 Debian:13)\n" for name in new)
        self.installed |= set(new)
        return ""


def packages(host: FakeHost, names: list[str], check: bool = False) -> list[str]:
    outcome = Outcome()
    set_packages(host, names, outcome, check)
    return [change["id"] for change in outcome.changes]


def test_missing_packages_come_in_one_transaction_and_all_that_is_new_is_recorded(host: FakeHost) -> None:
    apt = Apt(host, {"qemu-utils"}, lists=False)
    wanted = ["qemu-utils", "qemu-system-x86", "libvirt-daemon-system"]
    foretold = packages(host, wanted, check=True)
    assert packages(host, wanted) == foretold == ["package:qemu-system-x86", "package:libvirt-daemon-system"]
    assert set(wanted) <= apt.installed
    new = {"qemu-system-x86", "libvirt-daemon-system", "libvirt-daemon", "libvirt0", "seabios"}
    assert {entry_id.split(":")[1] for entry_id in Ledger(host).ids()} == new
    installs = [words for words in host.commands if "install" in words and "-s" not in words]
    assert len(installs) == 1
    assert packages(host, wanted) == []


def test_packages_that_others_need_by_now_stay(host: FakeHost) -> None:
    apt = Apt(host, {"seabios", "qemu-system-x86", "virt-manager"})
    apt.foreign = {"virt-manager": "qemu-system-x86"}
    assert remove_packages(host, ["seabios", "qemu-system-x86"]) == ["seabios", "qemu-system-x86"]
    apt.foreign = {}
    assert remove_packages(host, ["seabios", "qemu-system-x86", "gone"]) == []
    assert apt.installed == {"virt-manager"}


def test_a_package_that_does_not_exist_is_explained(host: FakeHost) -> None:
    Apt(host, set())
    host.answers["apt-get"] = lambda words: (
        "" if "update" in words else Completed(words, 100, "", "E: Unable to locate package nonsense")
    )
    with pytest.raises(Failure) as caught:
        packages(host, ["nonsense"])
    assert caught.value.code == "NFV-KVM-001" and "Unable to locate" in caught.value.why
    assert not Ledger(host).ids()


class Modprobe:
    """modprobe for vfio-pci, with one parameter."""

    def __init__(self, host: FakeHost) -> None:
        self.host, self.value = host, "N"
        host.answers["modprobe"] = self.answer

    def answer(self, words: list[str]) -> Completed | str:
        folder = "/sys/module/vfio_pci"
        if "-r" in words:
            for path in ("/parameters/disable_idle_d3", "/parameters", ""):
                target = Path(self.host.real(folder + path))
                target.unlink() if target.is_file() else target.rmdir()
        else:
            self.host.plant(f"{folder}/parameters/disable_idle_d3", f"{self.value}\n")
        return ""


def modules(host: FakeHost, check: bool = False) -> Outcome:
    outcome = Outcome()
    set_modules(host, ["vfio-pci"], {"vfio-pci": {"disable_idle_d3": "1"}}, outcome, check)
    return outcome


def test_module_is_loaded_with_its_options_and_unloaded_on_the_way_back(host: FakeHost) -> None:
    Modprobe(host).value = "Y"
    assert modules(host, check=True).changes == modules(host).changes
    assert not modules(host).changes
    assert restore_module(host, "vfio-pci", was_loaded=False) is None
    assert not host.exists("/sys/module/vfio_pci")


def test_module_with_other_options_is_loaded_anew_unless_it_is_in_use(host: FakeHost) -> None:
    modprobe = Modprobe(host)
    modprobe.answer(["modprobe", "vfio-pci"])
    modprobe.value = "Y"
    host.plant("/sys/bus/pci/drivers/vfio-pci/0000:81:10.0")
    outcome = modules(host)
    assert not outcome.changes and outcome.extra["reboot_required"] and "0000:81:10.0" in outcome.notes[0]
    host.unlink("/sys/bus/pci/drivers/vfio-pci/0000:81:10.0")
    assert modules(host).changes and not modules(host).changes


def test_module_whose_option_does_not_take_is_reported(host: FakeHost) -> None:
    Modprobe(host)
    with pytest.raises(Failure) as caught:
        modules(host)
    assert caught.value.code == "NFV-IOMMU-001" and "disable_idle_d3" in caught.value.why
