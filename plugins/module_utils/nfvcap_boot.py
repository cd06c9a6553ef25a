# SPDX-License-Identifier: Apache-2.0
"""What does not survive a boot by itself: huge pages, VFs, their attributes and drivers; set again from
/etc/nfvcap/host.json by the same functions that set them the first time.

Called by ``nfvcap-restore`` from nfvcap-hugepages.service and nfvcap-sriov.service.
"""

from __future__ import annotations

import json
from typing import Any

from .nfvcap_failure import Failure
from .nfvcap_host import Host
from .nfvcap_lock import HostLock
from .nfvcap_outcome import Outcome, unforeseen

DEVICES = "/sys/bus/pci/devices"
CONFIGURATION = "/etc/nfvcap/host.json"
SCHEMA = "nfvcap/host/1"
# Network drivers may load firmware, on machines with many cards one after the other.
PF_TIMEOUT_S = 90.0
SETTLE_TIMEOUT_S = 30


def main(argv: list[str], host: Host | None = None) -> int:
    """Set one part again; what happened goes to standard output with the journal's priorities. 0 on success."""
    parts = {"hugepages": restore_hugepages, "sriov": restore_sriov}
    if len(argv) != 2 or argv[1] not in parts:
        print(f"usage: nfvcap-restore {'|'.join(parts)}")
        return 2
    host = host or Host()
    outcome = Outcome()
    try:
        configuration = read_configuration(host)
        with HostLock(host, f"nfvcap-restore {argv[1]}"):
            parts[argv[1]](host, configuration, outcome)
    except (Failure, OSError) as error:
        failure = error if isinstance(error, Failure) else unforeseen(error)
        print(f"<3>nfvcap: {failure}", flush=True)
        return 1
    for change in outcome.changes:
        print(f"<6>nfvcap: {change['id']}: {change['before']} -> {change['after']}")
    print(f"<6>nfvcap: {argv[1]}: {len(outcome.changes)} changes", flush=True)
    return 0


def read_configuration(host: Host) -> dict[str, Any]:
    """host.json.

    Raises:
        Failure: NFV-LEDGER-009 when it is missing or of another schema.
    """
    text = host.read(CONFIGURATION)
    try:
        document: dict[str, Any] = json.loads(text or "")
        if document["schema"] != SCHEMA:
            raise ValueError(f"the schema is {document['schema']!r}, not {SCHEMA!r}")
    except (ValueError, KeyError, TypeError) as error:
        raise Failure(
            "NFV-LEDGER-009",
            f"{CONFIGURATION} does not say what to set at boot",
            "there is no such file" if text is None else str(error),
            "run `nfvcap provision` for this host again",
        ) from error
    return document


def restore_hugepages(host: Host, configuration: dict[str, Any], outcome: Outcome) -> None:
    """Pools that are made at run time."""
    # Imported where needed: early at boot, each file that is not read counts.
    from .nfvcap_hugepages import Pool, set_pools

    set_pools(host, [Pool(**pool) for pool in configuration["hugepages"]], outcome, check=False)


def restore_sriov(host: Host, configuration: dict[str, Any], outcome: Outcome) -> None:
    """PFs up, VFs, attributes, drivers; as soon as the PFs are there."""
    from .nfvcap_sriov import PfWanted, set_pfs
    from .nfvcap_vfattr import VfWanted
    from .nfvcap_vfdriver import set_vf_drivers

    pfs = [
        PfWanted(pf["address"], pf["num_vfs"], tuple(VfWanted(**vf) for vf in pf["vfs"]), pf["admin_up"])
        for pf in configuration["pfs"]
    ]
    _wait_for(host, [pf.address for pf in pfs])
    set_pfs(host, pfs, [], outcome, check=False)
    set_vf_drivers(host, pfs, [], outcome, check=False)


def _wait_for(host: Host, addresses: list[str]) -> None:
    """Wait for the PFs' drivers, then for udev: an interface that is up cannot be renamed any more.

    Raises:
        Failure: NFV-SRIOV-012.
    """

    def missing() -> list[str]:
        return [address for address in addresses if not host.listdir(f"{DEVICES}/{address}/net")]

    host.wait_until(lambda: not missing(), PF_TIMEOUT_S)
    host.run(["udevadm", "settle", f"--timeout={SETTLE_TIMEOUT_S}"], SETTLE_TIMEOUT_S + 10)
    late = [address for address in missing() if host.link_name(f"{DEVICES}/{address}/driver") is None]
    if late:
        raise Failure(
            "NFV-SRIOV-012",
            f"{', '.join(late)} did not come within {PF_TIMEOUT_S:g} s after the boot",
            "the card has no driver, so there are no VFs",
            "see `lspci -k` and `dmesg`, then `systemctl restart nfvcap-sriov`",
        )
