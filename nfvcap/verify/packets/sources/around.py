# SPDX-License-Identifier: Apache-2.0
"""What the machine that sends is like, with its port, as far as it decides about figures."""

from __future__ import annotations

import re

from nfvcap.door.command import CommandDoor
from nfvcap.door.door import Door, must, shell
from nfvcap.verify.packets.sources.origin import Origin

_PCI = re.compile(r"[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
# $1: the directory of the port's device, "" without a port; $2: its interface, "" where the kernel has none.
_LOOK = """
echo "kernel $(uname -r)"
echo "cmdline $(cat /proc/cmdline)"
sed -n 's/^model name[^:]*: */cpu /p; s/^microcode[^:]*: */microcode /p' /proc/cpuinfo | sort -u
[ -n "$1" ] || exit 0
echo "device $(cat "$1/vendor" 2>/dev/null) $(cat "$1/device" 2>/dev/null)"
echo "driver $(basename "$(readlink "$1/driver")")"
[ -n "$2" ] || exit 0
ethtool -i "$2" 2>/dev/null | sed -n 's/^version: */driver_version /p; s/^firmware-version: */firmware /p'
"""


def around_source(source: Origin) -> dict[str, str]:
    """Part of the environment of a measurement: figures of another sender, or of one that was changed, are not
    compared. Of the wire of a lab server the sender is this machine, which makes its frames.

    Raises:
        NfvcapError: the machine cannot be asked.
    """
    door: Door = source.door or CommandDoor("this machine")
    port = source.what if source.kind == "agent" else ""
    name = port.removeprefix("af_packet:").removeprefix("af_xdp:")
    interface = name if name and ":" not in name else ""
    device = f"/sys/class/net/{interface}/device" if interface else ""
    if _PCI.fullmatch(name):
        device = f"/sys/bus/pci/devices/{name}"
    said = must(shell(door, _LOOK, device, interface), door).splitlines()
    words = [" ".join(line.split()) for line in said]
    return {"source": "; ".join([f"port {port}" if port else source.kind, *(w for w in words if " " in w)])}
