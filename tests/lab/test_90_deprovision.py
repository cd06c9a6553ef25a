# SPDX-License-Identifier: Apache-2.0
"""The way back. Takes over: provisioned. Leaves: as before the first provision."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.conftest import HOST, Controller, ProvisionedLab
from tests.lab.host import Host

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1800)]

PACKAGE = "nfvcap-test"
# The host's only source of packages is a directory with one package in it.
_SOURCE = f"""
set -e
d=/srv/{PACKAGE}; rm -rf $d; mkdir -p $d/p/DEBIAN $d/kept
printf 'Package: {PACKAGE}\nVersion: 1\nArchitecture: all\nMaintainer: a <a@example.org>\nDescription: empty\n' \
  >$d/p/DEBIAN/control
dpkg-deb -b $d/p $d/p.deb
sum=$(sha256sum $d/p.deb | cut -d' ' -f1)
{{ cat $d/p/DEBIAN/control; echo "Filename: ./p.deb"; echo "Size: $(stat -c %s $d/p.deb)"; echo "SHA256: $sum"; }} \
  >$d/Packages
mv /etc/apt/sources.list* $d/kept
mkdir /etc/apt/sources.list.d
echo "deb [trusted=yes] file:$d ./" >/etc/apt/sources.list.d/test.list
"""
_FORMER = f"rm -rf /etc/apt/sources.list.d; mv /srv/{PACKAGE}/kept/* /etc/apt/; rm -rf /srv/{PACKAGE}"


def different(host: Host, pristine: dict[str, str]) -> dict[str, tuple[str | None, str | None]]:
    after = host.fingerprint()
    paths = sorted({path for path in pristine | after if pristine.get(path) != after.get(path)})
    return {path: (pristine.get(path), after.get(path)) for path in paths}


@pytest.fixture
def new_package(provisioned_lab: ProvisionedLab, nfvcap: Controller, host: Host) -> Iterator[None]:
    """A package that came by nfvcap, as no package of the lab's plan does: they are all in its image."""
    host.run(_SOURCE)
    try:
        nfvcap.module("nfvcap_packages", names=[PACKAGE])
        assert installed(host)
        yield
    finally:
        host.run(f"[ ! -e /srv/{PACKAGE} ] || {{ {_FORMER}; }}")


def installed(host: Host) -> bool:
    return "ok installed" in host.run(f"dpkg-query -W -f '${{Status}}' {PACKAGE} 2>/dev/null || true")


def test_deprovision_restores_the_original_byte_for_byte(
    new_package: None, nfvcap: Controller, host: Host, pristine: dict[str, str]
) -> None:
    """Without a reboot, which would hide whatever is not restored at run time; then with one."""
    nfvcap("deprovision", HOST, "--yes", "--reboot", "never", "--remove-packages", expect=7)
    assert not installed(host)
    host.run(_FORMER)
    # What the kernel's arguments have made at the last boot is there until the next one.
    by_boot = [path for path in different(host, pristine) if "hugepages-1048576kB" in path or "/proc/irq/" in path]
    assert list(different(host, pristine)) == by_boot
    host.reboot()
    assert different(host, pristine) == {}
    assert "iommu" not in host.read("/proc/cmdline")


def test_deprovision_of_a_host_without_a_ledger_changes_nothing(
    nfvcap: Controller, host: Host, pristine: dict[str, str]
) -> None:
    nfvcap("deprovision", HOST, "--yes", "--reboot", "never")
    assert host.fingerprint() == pristine


@pytest.mark.soak  # two minutes; `make demo` does it as well
def test_provision_again_in_one_go(nfvcap: Controller) -> None:
    nfvcap("provision", HOST, "--yes", "--reboot", "auto")
    nfvcap("verify", HOST, "--state-only")


@pytest.mark.soak  # a boot
def test_and_back_in_one_go(nfvcap: Controller, host: Host, pristine: dict[str, str]) -> None:
    nfvcap("deprovision", HOST, "--yes", "--reboot", "auto")
    assert different(host, pristine) == {}
    assert "iommu" not in host.read("/proc/cmdline")
