# SPDX-License-Identifier: Apache-2.0
"""One host before the judge: the plan for it, the raw snapshot, and the views of both that checks share."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pytest

from nfvcap.model.plan import Desired, HostPlan, PfTarget, Plan, VfTarget
from nfvcap.verify.guests import lent_devices
from nfvcap.verify.links import Links
from nfvcap.verify.pci import Device, Pci
from nfvcap.verify.snapshot import CannotJudge, Snapshot
from nfvcap.verify.units import Unit, units

PLAN = "/var/lib/nfvcap/plan.json"
LEDGER = "/var/lib/nfvcap/ledger.json"
RESTORE = "/etc/nfvcap/host.json"


@dataclass(frozen=True)
class Vf:
    """A VF that the plan wants, with its PF."""

    pf: PfTarget
    target: VfTarget

    @property
    def subject(self) -> str:
        return f"{self.pf.address} vf{self.target.index}"


@dataclass(frozen=True)
class Case:
    """Everything that the checks of one host may look at."""

    host: str
    plan: HostPlan
    snapshot: Snapshot
    recorded: HostPlan | None  # the plan in the host's own /var/lib/nfvcap/plan.json
    options: str = ""  # what has to follow a command line that is proposed as a fix: " -i lab.yml"

    @property
    def desired(self) -> Desired:
        return self.plan.desired

    @cached_property
    def pci(self) -> Pci:
        return Pci(self.snapshot)

    @cached_property
    def links(self) -> Links:
        return Links(self.snapshot)

    @cached_property
    def units(self) -> dict[str, Unit]:
        return units(self.snapshot)

    @property
    def vfs(self) -> list[Vf]:
        """VFs of all planned PFs; those without a target of their own have nothing to be checked but their number."""
        return [Vf(pf, target) for pf in self.desired.pfs for target in pf.vfs]

    def wanted(self, vf: Vf) -> VfTarget:
        """What the VF shall have now: what the plan says, unless ``attach-vf`` gave it to a guest as something else."""
        for entry in self.ledger.values():
            if not isinstance(entry, dict) or entry.get("kind") != "attach" or entry.get("state") != "attached":
                continue
            lasting = entry.get("config") or self.lent_to(str(entry.get("address")))
            if (entry.get("pf"), entry.get("index")) == (vf.pf.address, vf.target.index) and lasting:
                return self._as_monitor(vf, vf.target.model_copy(update=dict(entry.get("wanted", {}))))
        return self._as_monitor(vf, vf.target)

    def _as_monitor(self, vf: Vf, target: VfTarget) -> VfTarget:
        """A monitor may have the address of the VF that it watches; then the ledger says so."""
        for entry in self.ledger.values():
            rule = entry.get("rule") if isinstance(entry, dict) and entry.get("kind") == "mirror" else None
            if not rule or rule.get("backend") != "igbmac" or rule.get("pf") != vf.pf.address:
                continue
            if rule.get("monitor", {}).get("index") == vf.target.index and target.mac is not None:
                return target.model_copy(update={"mac": rule["detail"]["mac"]})
        return target

    def provision(self, by_hand: str = "") -> str:
        """The fix that puts everything back, and the single step where there is one."""
        command = f"nfvcap provision {self.host}{self.options}"
        return f"{command}   # or, on the host: {by_hand}" if by_hand else command

    def pf(self, address: str) -> Device:
        """The PF, or skip: that it is there at all is another check."""
        device = self.pci.devices.get(address)
        if device is None:
            pytest.skip(f"the PF {address} is not there (NFV-STATE-050)")
        return device

    def pf_interface(self, address: str) -> str:
        """The interface that administers the VFs, or skip."""
        interfaces = self.pf(address).interfaces
        if not interfaces:
            pytest.skip(f"no network driver has the PF {address} (NFV-STATE-051)")
        return interfaces[0]

    def vf(self, vf: Vf) -> Device:
        """The VF's PCI device, or skip: that all VFs are there is another check."""
        address = self.pf(vf.pf.address).vfs.get(vf.target.index)
        device = self.pci.devices.get(address) if address else None
        if device is None:
            pytest.skip(f"{vf.subject} is not there (NFV-STATE-052)")
        return device

    def lent_to(self, address: str) -> str | None:
        """The running libvirt guest that has the device; libvirt binds it to vfio-pci and gives it back afterwards."""
        return self._lent.get(address)

    @cached_property
    def _lent(self) -> dict[str, str]:
        texts = self.snapshot.matching("/run/libvirt/qemu/*.xml").values()
        return {address: guest for text in texts for address, guest in lent_devices(text).items()}

    def json_file(self, path: str) -> Any:
        """A JSON file of the host; None when it does not exist."""
        text = self.snapshot.text(path)
        if text is None:
            return None
        try:
            return json.loads(text)
        except ValueError as error:
            raise CannotJudge(f"{path} is not JSON: {error}") from error

    @cached_property
    def restore(self) -> dict[str, Any]:
        """What is put back at each boot (/etc/nfvcap/host.json); empty when the file is missing."""
        document = self.json_file(RESTORE)
        return document if isinstance(document, dict) else {}

    def restored_vf(self, vf: Vf) -> dict[str, Any] | None:
        """What the boot record holds for a VF; None when its PF is not recorded with all VFs."""
        for pf in self.restore.get("pfs", ()):
            if pf.get("address") == vf.pf.address and pf.get("num_vfs") == vf.pf.num_vfs:
                found = [entry for entry in pf.get("vfs", ()) if entry.get("index") == vf.target.index]
                return found[0] if found else {}
        return None

    @cached_property
    def ledger(self) -> dict[str, Any]:
        """Entries of the host's ledger; empty when it is missing or damaged, which a check of its own reports."""
        try:
            document = self.json_file(LEDGER)
        except CannotJudge:
            return {}
        entries = document.get("entries") if isinstance(document, dict) else None
        return entries if isinstance(entries, dict) else {}


def recorded_plan(snapshot: Snapshot, host: str) -> HostPlan | None:
    """The plan that the host was provisioned with last; None when it has none.

    Raises:
        ValueError: the file is no plan of a version that this program understands.
    """
    text = snapshot.text(PLAN)
    if text is None:
        return None
    plans = Plan.model_validate_json(text).nfvcap_plan
    # The inventory name may have changed since; the file is about this machine only.
    return plans.get(host) or next(iter(plans.values()), None)
