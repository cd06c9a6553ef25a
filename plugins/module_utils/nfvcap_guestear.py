# SPDX-License-Identifier: Apache-2.0
"""An ear inside a guest: a tcpdump that the guest's agent starts, stops and hands the capture of out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .nfvcap_failure import Failure
from .nfvcap_guestagent import GuestAgent
from .nfvcap_guests import read_guests
from .nfvcap_host import Host
from .nfvcap_ledger import Ledger
from .nfvcap_libvirt import connect, domain
from .nfvcap_mirror_port import Port

START_TIMEOUT_S = 40.0
_PATH = "PATH=$PATH:/usr/sbin:/usr/bin:/sbin:/bin"
# Starts listening, in the background, and tells the process; an interface that is down is set up for that time.
# -Z root: Debian's tcpdump becomes the user "tcpdump" by itself, whom a small guest does not have.
_OPEN = (
    _PATH
    + """
i=$1 f=$2 n=$3 e=$4 l=$5
was=down; case $(cat /sys/class/net/$i/flags) in *[13579bdf]) was=up ;; esac
ip link set dev "$i" up && echo "$was" >"$f.was" || exit 1
timeout "$l" tcpdump -n -U --immediate-mode -Z root -i "$i" -s "$n" -w "$f" "$e" >"$f.log" 2>&1 &
echo $! >"$f.pid"
for t in $(seq 60); do [ -s "$f" ] && exit 0; sleep 0.5; done
cat "$f.log" >&2; exit 1
"""
)
_CLOSE = (
    _PATH
    + """
i=$1 f=$2
kill $(cat "$f.pid") 2>/dev/null
for t in $(seq 20); do kill -0 $(cat "$f.pid") 2>/dev/null || break; sleep 0.2; done
[ "$(cat "$f.was")" = up ] || ip link set dev "$i" down
"""
)


def holder(host: Host, address: str) -> str:
    """Name of the running guest that has a VF; "" for none."""
    running = [guest for guest in read_guests(host) if guest["state"] == "running"]
    return next((str(guest["name"]) for guest in running if address in guest["hostdevs"]), "")


def open_in_guest(host: Host, guest: str, pf: str, index: int, words: dict[str, Any]) -> dict[str, Any]:
    """Start listening at the guest's interface of a VF.

    Args:
        words: ``path`` of the capture in the guest, ``snap_bytes`` and ``filter`` for tcpdump, ``longest_s`` after
            which it ends by itself.

    Raises:
        Failure: NFV-MIRROR-030 it has no such interface, -031 tcpdump does not start, NFV-GUEST-… nobody answers.
    """
    with _agent(guest) as agent:
        interface = _interface(host, agent, pf, index)
        order = (words["path"], words["snap_bytes"], words["filter"], words["longest_s"])
        done = agent.run(["sh", "-c", _OPEN, "sh", interface, *map(str, order)], START_TIMEOUT_S)
        if not done.ok:
            said = done.stderr.strip() or done.complaint
            what = f"nobody listens at {interface} in guest {guest}"
            raise Failure("NFV-MIRROR-031", what, said, "install tcpdump there")
        return {"guest": guest, "interface": interface, "path": words["path"]}


def close_in_guest(ear: dict[str, Any]) -> bytes:
    """Stop listening; the capture."""
    with _agent(str(ear["guest"])) as agent:
        agent.run(["sh", "-c", _CLOSE, "sh", str(ear["interface"]), str(ear["path"])])
        data = agent.read_file(str(ear["path"]))
        agent.run(["sh", "-c", 'rm -f "$1" "$1".*', "sh", str(ear["path"])])
        return data


@contextmanager
def _agent(guest: str) -> Iterator[GuestAgent]:
    connection = connect()
    try:
        yield GuestAgent(domain(connection, guest))
    finally:
        connection.close()


def _interface(host: Host, agent: GuestAgent, pf: str, index: int) -> str:
    """The guest's name of a VF: by the address that it was attached with, or that the host gives it."""
    entry = Ledger(host).entry(f"attach:{pf}:{index}") or {}
    known = {str(entry.get("mac", "")).lower(), Port(host, pf).vf_mac(index)} - {""}
    interfaces = agent.interfaces()
    found = [one["name"] for one in interfaces if str(one["mac"]).lower() in known]
    if not found:
        have = ", ".join(f"{one['name']} {one['mac']}" for one in interfaces) or "no interfaces"
        raise Failure(
            "NFV-MIRROR-030", f"guest {agent.name} shows no interface of vf{index} to listen at", f"it has {have}",
            "a program of DPDK counts by itself; give the VF back to the guest's kernel driver",
        )  # fmt: skip
    return str(found[0])
