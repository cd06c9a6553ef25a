# SPDX-License-Identifier: Apache-2.0
"""Packages through the distribution's own package manager: what is missing, in one transaction."""

from __future__ import annotations

import re

from .nfvcap_failure import Failure
from .nfvcap_host import Host
from .nfvcap_ledger import Ledger
from .nfvcap_outcome import Outcome

# Hundreds of megabytes through a slow mirror, unpacked on a slow disk.
TRANSACTION_TIMEOUT_S = 1800.0
_FIX = "run the command on the host, mend what it complains about (sources, proxy, free space), then run again"


class Manager:
    """One package manager; subclasses say how it is asked."""

    name = ""

    def __init__(self, host: Host) -> None:
        self.host = host

    def missing(self, names: list[str]) -> list[str]:
        """Those of ``names`` that are not installed."""
        raise NotImplementedError

    def closure(self, names: list[str]) -> list[str]:
        """``names`` and everything else that installing them would newly bring, as far as it can be foretold."""
        return names

    def install(self, names: list[str]) -> None:
        """Install in one transaction."""
        raise NotImplementedError

    def also_removed(self, names: list[str]) -> list[str]:
        """What could not stay if ``names`` went: other people's packages that need them by now."""
        raise NotImplementedError

    def remove(self, names: list[str]) -> None:
        """Remove in one transaction; configuration that people may have edited stays."""
        raise NotImplementedError

    def _transact(self, argv: list[str], what: str) -> None:
        self.host.must(argv, "NFV-KVM-001", what, _FIX, TRANSACTION_TIMEOUT_S)


class Apt(Manager):
    """Debian, Ubuntu."""

    name = "apt"
    _GET = (
        "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=300",
        "-o", "Dpkg::Options::=--force-confold",
    )  # fmt: skip

    def missing(self, names: list[str]) -> list[str]:
        done = self.host.run(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *names])
        lines = [line.split() for line in done.stdout.splitlines()]
        present = {line[0] for line in lines if len(line) == 2 and line[1] == "installed"}
        return [name for name in names if name not in present]

    def closure(self, names: list[str]) -> list[str]:
        argv = [*self._GET, "-s", "install", "--no-install-recommends", *names]
        done = self.host.run(argv, TRANSACTION_TIMEOUT_S)
        if not done.ok:
            # A fresh machine has no lists, an old one has stale ones.
            self._transact([*self._GET, "update"], "the package lists could not be fetched")
            done = self.host.must(
                argv, "NFV-KVM-001", f"{', '.join(names)} cannot be installed", _FIX, TRANSACTION_TIMEOUT_S
            )
        # "Inst name (1.0 Debian …)" is new, "Inst name [0.9] (1.0 …)" replaces an older version.
        return sorted({*names, *re.findall(r"^Inst (\S+) \(", done.stdout, re.M)})

    def install(self, names: list[str]) -> None:
        # After a power cut in the middle of an earlier transaction apt refuses everything until this has run.
        self._transact(["env", "DEBIAN_FRONTEND=noninteractive", "dpkg", "--configure", "-a"], "dpkg is not in order")
        self._transact(
            [*self._GET, "install", "--no-install-recommends", *names], f"{', '.join(names)} could not be installed"
        )

    def also_removed(self, names: list[str]) -> list[str]:
        done = self.host.must(
            [*self._GET, "-s", "remove", *names], "NFV-KVM-001", "apt cannot say what a removal would take along", _FIX
        )
        return sorted(set(re.findall(r"^Remv (\S+)", done.stdout, re.M)) - set(names))

    def remove(self, names: list[str]) -> None:
        self._transact([*self._GET, "remove", *names], f"{', '.join(names)} could not be removed")


class Rpm(Manager):
    """What the managers of RPM distributions share: the questions go to rpm."""

    def missing(self, names: list[str]) -> list[str]:
        # Asked one by one: the answers for several carry other names (qemu-kvm is provided by qemu-kvm-core).
        return [name for name in names if not self.host.run(["rpm", "-q", "--whatprovides", name]).ok]

    def also_removed(self, names: list[str]) -> list[str]:
        done = self.host.run(["rpm", "-e", "--test", *names])
        return sorted(set(re.findall(r"is needed by \(installed\) (\S+)", done.stderr + done.stdout)))


class Dnf(Rpm):
    """Fedora, RHEL and its relatives."""

    name = "dnf"

    def install(self, names: list[str]) -> None:
        argv = ["dnf", "-y", "install", "--setopt=install_weak_deps=False", *names]
        self._transact(argv, f"{', '.join(names)} could not be installed")

    def remove(self, names: list[str]) -> None:
        self._transact(["dnf", "-y", "remove", *names], f"{', '.join(names)} could not be removed")


class Zypper(Rpm):
    """SUSE."""

    name = "zypper"

    def install(self, names: list[str]) -> None:
        argv = ["zypper", "--non-interactive", "install", "--no-recommends", *names]
        self._transact(argv, f"{', '.join(names)} could not be installed")

    def remove(self, names: list[str]) -> None:
        argv = ["zypper", "--non-interactive", "remove", "--clean-deps", *names]
        self._transact(argv, f"{', '.join(names)} could not be removed")


MANAGERS = (("/usr/bin/apt-get", Apt), ("/usr/bin/dnf", Dnf), ("/usr/bin/zypper", Zypper))


def manager_of(host: Host) -> Manager:
    """The host's package manager.

    Raises:
        Failure: NFV-KVM-002 when there is none that is known here.
    """
    for program, kind in MANAGERS:
        if host.exists(program):
            return kind(host)
    raise Failure(
        "NFV-KVM-002",
        "this host has no package manager that nfvcap knows",
        "looked for " + ", ".join(program for program, _ in MANAGERS),
        "install QEMU and libvirt by hand and set `kvm: false`",
    )


def set_packages(host: Host, names: list[str], outcome: Outcome, check: bool) -> None:
    """Install what is missing; everything that comes new is in the ledger before it comes.

    Raises:
        Failure: NFV-KVM-001, NFV-KVM-002.
    """
    if not names:
        return
    manager = manager_of(host)
    missing = manager.missing(names)
    for name in missing:
        outcome.add(f"package:{name}", None, "installed")
    if check or not missing:
        return
    ledger = Ledger(host)
    outcome.begun = True
    ledger.record_all([(f"package:{name}", "package", None) for name in manager.closure(missing)])
    manager.install(missing)
    left = manager.missing(missing)
    if left:
        raise Failure(
            "NFV-KVM-001",
            f"{', '.join(left)} still missing after the installation",
            f"{manager.name} reported success",
            _FIX,
        )


def remove_packages(host: Host, names: list[str]) -> list[str]:
    """Remove what of ``names`` is installed; returns what has to stay, because something else needs it."""
    if not names:
        return []
    manager = manager_of(host)
    gone = set(manager.missing(names))
    present = [name for name in names if name not in gone]
    if not present:
        return []
    if manager.also_removed(present):
        return present
    manager.remove(present)
    return [name for name in present if name not in manager.missing(present)]
