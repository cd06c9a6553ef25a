# SPDX-License-Identifier: Apache-2.0
"""A PF lent to DPDK for a while, with VFs that DPDK has as well.

A transient unit of the host's systemd holds it: whatever ends the unit (a stop, a failure, its time limit after the
controller is gone) gives the PF back to its kernel driver and makes the VFs of the plan again. After a reboot nothing
of it is left anyway.
"""

from __future__ import annotations

import shlex
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from nfvcap.door.door import Door, must, shell
from nfvcap.errors import NfvcapError
from nfvcap.model.facts import Nic

UNIT = "nfvcap-dpdk-pf"
PLACE = f"/run/{UNIT}"
LOCK = "/run/lock/nfvcap.lock"
"""That of nfvcap_lock: whoever changes the host has it."""
PAGES = 64
"""Huge pages of 2 MiB that two programs need there beside those that the plan has for others."""
_STOP_S = 180
_READY_S = 180

# PF, its NUMA node, number of VFs. What it is going to change is written down for _GIVE, `override` last.
_TAKE = """
set -eu
exec 9>>{lock}
flock -w 60 9 || {{ echo "another nfvcap is changing this host: $(cat {lock})" >&2; exit 1; }}
echo "the loan of a PF to DPDK (pid $$)" >{lock}
pf=$1 node=$2 vfs=$3
d=/sys/bus/pci/devices/$pf
pages=/sys/devices/system/node/node$node/hugepages/hugepages-2048kB/nr_hugepages
before=$(cat "$pages")
cd {place}
echo "$pf" >pf
echo "$node" >node
echo "$before" >pages
cat /sys/module/vfio_pci/parameters/enable_sriov >enable_sriov
cat "$d/sriov_drivers_autoprobe" >autoprobe
cat "$d/driver_override" >override
echo $((before + {pages})) >"$pages"
if [ "$(cat "$pages")" != $((before + {pages})) ]; then
  echo "node $node has no memory for {pages} huge pages" >&2; exit 1
fi
echo 0 >"$d/sriov_numvfs"
echo vfio-pci >"$d/driver_override"
[ ! -e "$d/driver" ] || echo "$pf" >"$d/driver/unbind"
echo "$pf" >/sys/bus/pci/drivers_probe
[ "$vfs" = 0 ] && exit 0
echo Y >/sys/module/vfio_pci/parameters/enable_sriov
echo 0 >"$d/sriov_drivers_autoprobe"
echo "$vfs" >"$d/sriov_numvfs"
for v in "$d"/virtfn*; do
  v=$(basename "$(readlink "$v")")
  echo vfio-pci >"/sys/bus/pci/devices/$v/driver_override"
  echo "$v" >/sys/bus/pci/drivers_probe
done
"""
# Goes on after what fails, be it the lock: each line puts back another thing. What was written down stays until the PF
# is back, so that it can be run again, by hand too.
_GIVE = """
cd {place} 2>/dev/null && [ -e override ] || exit 0
command exec 9>>{lock}
flock -w 60 9 && echo "the return of a PF from DPDK (pid $$)" >{lock}
pf=$(cat pf) node=$(cat node)
d=/sys/bus/pci/devices/$pf
echo 0 >"$d/sriov_numvfs"
o=$(cat override)
[ "$o" = "(null)" ] && o=
echo "$o" >"$d/driver_override"
[ ! -e "$d/driver" ] || echo "$pf" >"$d/driver/unbind"
cat autoprobe >"$d/sriov_drivers_autoprobe"
echo "$pf" >/sys/bus/pci/drivers_probe
cat enable_sriov >/sys/module/vfio_pci/parameters/enable_sriov
cat pages >"/sys/devices/system/node/node$node/hugepages/hugepages-2048kB/nr_hugepages"
udevadm settle
exec 9>&-
/usr/bin/python3 -IB /usr/local/lib/nfvcap/nfvcap-restore sriov || exit 1
[ "$(basename "$(readlink "$d/driver")")" != vfio-pci ] && rm -rf {place}
"""
# What a PF is like: its driver, how many VFs, what is set for them.
_LIKE = """
d=/sys/bus/pci/devices/$1
basename "$(readlink "$d/driver")"
cat "$d/sriov_numvfs"
for v in "$d"/virtfn*; do
  [ ! -e "$v" ] || echo "$(basename "$(readlink "$v")") $(basename "$(readlink "$v/driver")")"
done
n=$(ls "$d/net" 2>/dev/null | head -n 1)
[ -z "$n" ] || { cat "/sys/class/net/$n/flags"; ip link show dev "$n" | grep "^ *vf"; }
"""
_VFS = """
n=0
while [ -e "/sys/bus/pci/devices/$1/virtfn$n" ]; do
  basename "$(readlink "/sys/bus/pci/devices/$1/virtfn$n")"; n=$((n + 1))
done
"""


@dataclass
class Lent:
    """A PF that DPDK has.

    Attributes:
        token: what programs have to say to get its VFs.
        vfs: PCI addresses by number.
        given_back: afterwards: "" when everything is as before, else what is not, or what went wrong.
    """

    token: str
    vfs: tuple[str, ...] = ()
    given_back: str = field(default="it is not given back yet")


def left(door: Door) -> bool:
    """Does DPDK have a PF there, of this run or of one that was killed?"""
    return shell(door, f"systemctl is-active -q {UNIT} || [ -e {PLACE}/override ]").ok


def give_back(door: Door) -> None:
    """End the unit, whose end gives the PF back; where that went wrong it is tried again.

    Raises:
        NfvcapError: NFV-GUEST-030 DPDK still has it.
    """
    # A unit that has ended by itself is unknown, and has given the PF back.
    back = f"systemctl stop {UNIT} 2>/dev/null; [ ! -e {PLACE}/give ] || sh {PLACE}/give; [ ! -e {PLACE}/override ]"
    must(shell(door, back, timeout_s=_STOP_S), door)


@contextmanager
def lent(door: Door, nic: Nic, num_vfs: int, agent: str, longest_s: int) -> Iterator[Lent]:
    """The PF is DPDK's as long as the block.

    Args:
        door: the way into the host, as root.
        nic: the PF; nobody has VFs of it.
        num_vfs: how many VFs DPDK gets as well; with 0 the PF is left to whoever captures from it.
        agent: the capture agent's path there; it drives the PF and answers its VFs.
        longest_s: the host takes the PF back after so long, if nobody does.

    Raises:
        NfvcapError: NFV-PKT-218 the host did not give it away. It has it then, as before. Or another PF is lent.
    """
    if left(door):
        # What is written down about that one must not be touched.
        raise NfvcapError("NFV-PKT-218", f"{door.name} did not give {nic.address} to DPDK", "it has lent a PF already",
                          f"end the other run, or on the host: systemctl stop {UNIT}")  # fmt: skip
    made = Lent(str(uuid.uuid4()))
    before = _like(door, nic)
    try:
        _start(door, nic, num_vfs, _program(nic, num_vfs, agent, made.token), longest_s)
        made.vfs = tuple(must(shell(door, _VFS, nic.address), door).split())
        yield made
    finally:
        made.given_back = _given_back(door, nic, before)


def _given_back(door: Door, nic: Nic, before: list[str]) -> str:
    """Give it back; what is not as before. What was measured counts, whatever comes of this."""
    try:
        give_back(door)
        after = _like(door, nic)
    except NfvcapError as error:
        return f"{error.what} [{error.code}]: {error.why}"
    return "" if after == before else f"it was {' | '.join(before)}, it is {' | '.join(after)}"


def _program(nic: Nic, num_vfs: int, agent: str, token: str) -> list[str]:
    if num_vfs == 0:
        return ["/usr/bin/sleep", "infinity"]
    return [
        agent, "capture", "--port", f"{nic.address},vf-token={token}", "--count-only", "--quiet", "--rx-desc", "256",
        "--burst-buffer", "1M", "--idle-sleep", "1ms", "--no-promiscuous",
    ]  # fmt: skip


def _start(door: Door, nic: Nic, num_vfs: int, program: list[str], longest_s: int) -> None:
    node = max(0, nic.node or 0)
    must(shell(door, f"rm -rf {PLACE} && mkdir -m 700 {PLACE}"), door)
    door.put(_TAKE.format(place=PLACE, lock=LOCK, pages=PAGES).encode(), f"{PLACE}/take")
    door.put(_GIVE.format(place=PLACE, lock=LOCK).encode(), f"{PLACE}/give")
    words = [
        "systemd-run", "--quiet", "--collect", f"--unit={UNIT}", f"--property=Type={'notify' if num_vfs else 'exec'}",
        f"--property=RuntimeMaxSec={longest_s}", f"--property=TimeoutStartSec={_READY_S}",
        f"--property=ExecStartPre=/bin/sh {PLACE}/take {nic.address} {node} {num_vfs}",
        f"--property=ExecStopPost=/bin/sh {PLACE}/give",
        "--property=TimeoutStopSec=120", *program,
    ]  # fmt: skip
    done = door.run(words, _READY_S + 60)
    if not done.ok:
        said = shell(door, f"journalctl -u {UNIT} -o cat -n 12 --no-pager").stdout.strip() or done.stderr.strip()
        raise NfvcapError(
            "NFV-PKT-218", f"{door.name} did not give {nic.address} to DPDK", f"it said: {said}",
            f"try it there: {shlex.join(words)}",
        )  # fmt: skip


def _like(door: Door, nic: Nic) -> list[str]:
    return must(shell(door, _LIKE, nic.address), door).splitlines()
