# SPDX-License-Identifier: Apache-2.0
"""The transaction against a real libvirt, a real QEMU and a real guest with its agent.

What is not real is the VF: a virtio network card is plugged in its place, and its attributes are not set.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

sys.path.insert(0, "/opt/kit")
from module_utils import nfvcap_attachmirror  # type: ignore[import-not-found]  # noqa: F401
from module_utils import nfvcap_attachsteps as steps
from module_utils.nfvcap_attachxml import find, free_ports  # type: ignore[import-not-found]
from module_utils.nfvcap_failure import Failure  # type: ignore[import-not-found]
from module_utils.nfvcap_host import Host  # type: ignore[import-not-found]
from module_utils.nfvcap_hypervisor import Hypervisor  # type: ignore[import-not-found]
from module_utils.nfvcap_ledger import Ledger  # type: ignore[import-not-found]
from module_utils.nfvcap_transaction import Work, begin, resume, run, unwind  # type: ignore[import-not-found]

UUID, MAC = "6f1b0a52-6a7e-4a5e-9a58-3f0f5a3b1c11", "02:00:00:81:00:33"
CYCLES = int(os.environ.get("CYCLES", "50"))
host = Host()
model = "virtio"


def card(entry: dict[str, Any], guest_address: dict[str, str] | None = None) -> str:
    device = ElementTree.Element("interface", type="user")
    ElementTree.SubElement(device, "mac", address=entry["mac"])
    ElementTree.SubElement(device, "model", type=model if guest_address else "virtio")
    ElementTree.SubElement(device, "rom", enabled="no")
    ElementTree.SubElement(device, "alias", name=entry["alias"])
    if guest_address:
        ElementTree.SubElement(device, "address", guest_address)
    return ElementTree.tostring(device, encoding="unicode")


steps.device_xml = card
steps.dress = lambda *_: None
steps.restore_vf = lambda *_: []


def work(timeout_s: float = 60, names: tuple[str, ...] = ("vf", "config", "live", "sight"), **other: Any) -> Any:
    entry = {
        "pf": "0000:81:00.0", "index": 2, "address": "0000:81:10.4", "guest": {"name": "vm1", "uuid": UUID},
        "alias": "ua-nfvcap-0000-81-00-0-vf2", "mac": MAC, "wanted": {}, "live": True, "config": True, "by": "trial",
        "steps": list(names), **other,
    }  # fmt: skip
    ledger = Ledger(host)
    return Work(host, ledger, begin(ledger, entry, {}), Hypervisor(host), timeout_s)


def failing(action: Any, argument: Any) -> Failure:
    try:
        action(argument)
    except Failure as failure:
        return failure
    raise AssertionError("it did not fail")


guest = Hypervisor(host).guest(UUID)
assert Hypervisor(host).guest("0" * 8 + UUID[8:]) is None
assert guest.running and not guest.paused and guest.persistent and free_ports(guest.live_xml()) == [2, 3, 4]
assert host.wait_until(guest.agent.answers, 180), "the guest did not come up"
before = (guest.config_xml(secrets=True), guest.live_xml())


def as_before() -> None:
    # Looked up anew: libvirtd ends a connection that was silent for half a minute.
    now = Hypervisor(host).guest(UUID)
    assert (now.config_xml(secrets=True), now.live_xml()) == before
    assert not len(Ledger(host)) and os.listdir("/var/lib/nfvcap") == ["ledger.json"]


def there_and_back() -> None:
    done = work()
    run(done)
    assert done.found["sight"]["channel"] == "QEMU guest agent", done.found
    unwind(done)
    done.hypervisor.close()


there_and_back()
as_before()

# A guest that is paused does not answer, and keeps its device wholly.
held = work(8)
run(held)
subprocess.run(["virsh", "-q", "suspend", "vm1"], check=True)
failure = failing(unwind, held)
assert failure.code == "NFV-ATTACH-014" and "did not answer within 8 s" in failure.why
resume(held)
assert held.entry["state"] == "attached" and held.entry["begun"] == held.entry["steps"]
subprocess.run(["virsh", "-q", "resume", "vm1"], check=True)
held.timeout_s = 60
unwind(held)
as_before()

# QEMU refuses after the definition was changed.
model = "nosuchmodel"
failure = failing(run, work())
assert failure.code == "NFV-ATTACH-010" and "nosuchmodel" in failure.why and "was undone" in failure.why
model = "virtio"
as_before()

# The guest says that it has no such interface.
look = steps.look
steps.look = lambda on, whose, mac, had, timeout_s: look(on, whose, "02:ff:ff:ff:ff:ff", None, timeout_s)
failure = failing(run, work(6))
assert failure.code == "NFV-ATTACH-013" and "eth0" in failure.why
steps.look = look
as_before()


def handles() -> dict[str, int]:
    """Open files of libvirtd, of QEMU, and of this process."""
    pids = {Path(f"/proc/{pid}/comm").read_text().strip(): pid for pid in os.listdir("/proc") if pid.isdigit()}
    names = [name for name in pids if name == "libvirtd" or name.startswith("qemu-system")]
    return {
        name: len(os.listdir(f"/proc/{pid}/fd")) for name, pid in [*((n, pids[n]) for n in names), ("self", "self")]
    }


opened, began = handles(), time.monotonic()
for _ in range(CYCLES):
    there_and_back()
took_s = time.monotonic() - began
as_before()
time.sleep(1)
now = handles()
# Fewer: libvirtd had a connection of before open when they were counted first. A leak would be one for each cycle.
assert all(now[name] <= count for name, count in opened.items()), f"{opened} became {now}"
print(f"{CYCLES} cycles of attach and detach, {took_s / CYCLES:.2f} s each; open files {opened}, then {now}")

# The way of last resort, and a guest that is off.
guest = Hypervisor(host).guest(UUID)
forced = work()
run(forced)
forced.force = True
unwind(forced)
assert not guest.running and "powered off" in forced.notes[0] and guest.config_xml(secrets=True) == before[0]
off = work(names=("vf", "config"), live=False)
run(off)
assert find(guest.config_xml(), off.entry["alias"]) is not None
unwind(off)
assert guest.config_xml(secrets=True) == before[0]
print("all as before")
