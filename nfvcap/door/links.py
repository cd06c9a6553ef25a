# SPDX-License-Identifier: Apache-2.0
"""Network interfaces of the machine behind a door, set up and down: from one that is down nothing can be captured."""

from __future__ import annotations

from collections.abc import Sequence

from nfvcap.door.door import Door, must, shell

# Prints those that were down. An odd number at the end of the flags is IFF_UP; a carrier is waited for, 20 s each.
_UP = """
for i in "$@"; do
  case $(cat "/sys/class/net/$i/flags") in *[13579bdf]) ;; *) ip link set dev "$i" up && echo "$i" ;; esac
done
for i in "$@"; do
  n=200
  while [ "$(cat "/sys/class/net/$i/carrier" 2>/dev/null)" != 1 ] && [ "$n" -gt 0 ]; do sleep 0.1; n=$((n - 1)); done
done
"""
_DOWN = 'for i in "$@"; do ip link set dev "$i" down; done'


def up(door: Door, names: Sequence[str]) -> list[str]:
    """Set up those that are down, and wait for the carriers of all; which ones were down.

    Raises:
        NfvcapError: the machine is not reached, or the script does not run there.
    """
    return must(shell(door, _UP, *names), door).split() if names else []


def down(door: Door, names: Sequence[str]) -> None:
    """Set interfaces down again."""
    if names:
        shell(door, _DOWN, *names)
