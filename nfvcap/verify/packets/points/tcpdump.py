# SPDX-License-Identifier: Apache-2.0
"""A capture by tcpdump: by the libpcap that it is linked with there, which is PF_RING's where that is installed so.

Its file is recounted by the agent, as its own files are. What tcpdump counts only attributes, as always.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from nfvcap.agent.remote import remove
from nfvcap.door.door import Door, must, shell
from nfvcap.errors import NfvcapError
from nfvcap.run import pasteable, tail
from nfvcap.verify.packets.path import Captured
from nfvcap.verify.packets.points.away import FILE, INTERVAL_S, READY_S
from nfvcap.verify.packets.points.timeline import Point, samples

LIBPCAP, PF_RING = "libpcap", "PF_RING"
NONE = "NFV-PKT-219"
_BUFFER_KIB = 16384  # as much as the agent has between ring and storage in a guest
_LATE_S = 3.0  # without any progress; libpcap hands out what its ring has after a second at the latest
_STOP_S = 60.0
_RESERVE_BYTES = 65536
_ENDED_BY_ITSELF = "limit"
# tcpdump tells its counters whenever it gets SIGUSR1, which ends it before it has said that it listens. Each time the
# machine's clock stands in front of them: a program that stands still answers several signals once. What is reserved is
# for the status, where the file has taken all other room.
_CLOCK = 'read up rest </proc/uptime; echo "$up $(date +%s)"'
_START = (
    """
umask 077
d=$1 tick=$2 ticks=$3; shift 3
mkdir -p "$d" && cd "$d" && head -c RESERVE /dev/zero >reserve || exit 1
setsid sh -c '
  d=$1 tick=$2 ticks=$3; shift 3
  "$@" 2>>"$d/messages" </dev/null &
  p=$!
  echo $p >"$d/pid"
  (
    trap "kill \\$z; exit" TERM
    until grep -q "listening on" "$d/messages"; do sleep 0.1; done
    while [ "$ticks" -gt 0 ]; do
      read up rest </proc/uptime; echo "at $up" >>"$d/messages"
      kill -USR1 $p || exit
      sleep "$tick" & z=$!
      wait $z; ticks=$((ticks - 1))
    done
    : >"$d/limit"; kill -TERM $p
  ) 2>/dev/null &
  t=$!
  wait $p; s=$?
  kill $t 2>/dev/null; wait $t
  rm "$d/reserve"
  echo $s >"$d/status"' sh "$d" "$tick" "$ticks" "$@" >/dev/null 2>&1 </dev/null &
n=$((READY_S * 10))
while [ "$n" -gt 0 ]; do
  grep -q "listening on" "$d/messages" 2>/dev/null && { CLOCK >"$d/clock"; exit 0; }
  [ -s "$d/status" ] && break
  sleep 0.1; n=$((n - 1))
done
cat "$d/messages" >&2; exit 3
""".replace("READY_S", f"{READY_S:.0f}")
    .replace("CLOCK", _CLOCK)
    .replace("RESERVE", str(_RESERVE_BYTES))
)
_ALIVE = '[ -s "$1/pid" ] && [ ! -s "$1/status" ] && [ -e "/proc/$(cat "$1/pid")" ]'
_STOP = """
d=$1; n=$2
[ -s "$d/status" ] || kill -TERM "$(cat "$d/pid")" 2>/dev/null
while [ ! -s "$d/status" ] && [ "$n" -gt 0 ]; do sleep 0.1; n=$((n - 1)); done
[ -s "$d/status" ] || exit 4
[ -e "$d/limit" ] && echo limit || echo told
cat "$d/clock"; CLOCK
df -Pk "$d" | tail -n 1 | while read -r _ _ _ free _; do echo "$free"; done
cat "$d/status" "$d/messages"
""".replace("CLOCK", _CLOCK)
_USUAL = 4  # times the interval: a longer silence is one
_STEP_S = 1.5  # of a clock that is read in whole seconds
# Whatever else it may be told says what is in the file, or where that is.
_VALUED, _PLAIN = {"-B", "-j"}, {"-p", "-U", "--immediate-mode"}
_COUNTS = re.compile(
    r"(?:at (\d+\.\d+)\ntcpdump: )?(\d+) packets? captured[,\n]\s*(\d+) packets? received by filter[,\n]\s*"
    r"(\d+) packets? dropped by kernel"
    r"(?:[,\n]\s*\d+ packets? dropped by interface)?\n"  # which the interface's own row has
)
# PF_RING shows each socket of its own there, which is the proof that the libpcap of tcpdump has opened one.
_LOOK = """
command -v tcpdump >/dev/null || { echo "tcpdump is not installed there"; exit 3; }
tcpdump --version 2>&1 | head -n 2
[ -e "$2/info" ] || exit 0
tcpdump -p -i "$1" -w /dev/null 2>/dev/null & p=$!
n=20
while [ "$n" -gt 0 ]; do
  ls "$2" | grep -q "^$p-" && { echo PF_RING; break; }
  sleep 0.1; n=$((n - 1))
done
kill $p 2>/dev/null
exit 0
"""


class Counts(NamedTuple):
    """What tcpdump has told: packets in the file, those and what the ring has or had no room for, and the latter.

    Args:
        at_s: since the machine's boot; None: when it ended.
    """

    captured: int
    received: int
    dropped: int
    at_s: float | None = None


@dataclass(frozen=True)
class There:
    """What tcpdump is like where it captures.

    Args:
        versions: of itself and of its libpcap, as it says.
        engine: "PF_RING" where its libpcap captures by that, else "libpcap".
    """

    versions: str
    engine: str


def look(door: Door, interface: str, proc: str = "/proc/net/pf_ring") -> There:
    """What captures from an interface there.

    Raises:
        NfvcapError: NFV-PKT-219 there is no tcpdump; the door's own.
    """
    done = shell(door, _LOOK, interface, proc)
    lines = done.stdout.splitlines()
    if not done.ok or not lines:
        raise NfvcapError(NONE, f"tcpdump cannot capture on {door.name}", tail(done.stdout + done.stderr),
                          "install tcpdump there, or --engine kernel")  # fmt: skip
    engine = PF_RING if lines[-1] == PF_RING else LIBPCAP
    return There("; ".join(line for line in lines if line != PF_RING), engine)


@dataclass(frozen=True)
class TcpdumpAway:
    """See :class:`nfvcap.verify.packets.points.away.Away`.

    Args:
        door: the way to the machine.
        interface: of its kernel.
        longest_s: it ends by itself after so long, if nobody ends it.
        options: further words for tcpdump.
        directory: there.
    """

    door: Door
    interface: str
    longest_s: float
    options: tuple[str, ...]
    directory: str

    def argv(self) -> list[str]:
        """As root, because the directory is root's alone."""
        buffer = () if "-B" in self.options else ("-B", str(_BUFFER_KIB))
        return ["tcpdump", "-n", "-Z", "root", "-i", self.interface, "-w", f"{self.directory}/{FILE}", *buffer,
                *self.options]  # fmt: skip

    def start(self) -> None:
        """Raises NfvcapError: NFV-PKT-219 it refused; the door's own."""
        ticks = max(1, round(self.longest_s / INTERVAL_S))
        done = shell(self.door, _START, self.directory, f"{INTERVAL_S:g}", str(ticks), *self.argv(),
                     timeout_s=READY_S + 30)  # fmt: skip
        if not done.ok:
            raise NfvcapError(NONE, f"tcpdump cannot capture on {self.door.name}", tail(done.stderr),
                              f"try it there: {pasteable(self.argv())}")  # fmt: skip

    def received(self) -> int:
        return self.come()

    def come(self) -> int:
        """By the socket's counter, which is ahead of the file by what the ring has."""
        last = self._counts()
        return max(last.captured, last.received)

    def alive(self) -> bool:
        return shell(self.door, _ALIVE, self.directory).ok

    def messages(self) -> str:
        return shell(self.door, 'cat "$1/messages"', self.directory).stdout

    def stop(self) -> Captured:
        """Raises NfvcapError: NFV-PKT-219 it failed or does not end."""
        self._let_the_ring_run_dry()
        done = shell(self.door, _STOP, self.directory, str(round(_STOP_S * 10)), timeout_s=_STOP_S + 30)
        by, began, ended, free_kib, status, said = [*done.stdout.split("\n", 5), *[""] * 6][:6]
        counts = counted(said)
        if not done.ok or status != "0" or not counts:
            raise NfvcapError(NONE, f"tcpdump on {self.door.name} did not end well", tail(said or done.stderr),
                              f"try it there: {pasteable(self.argv())}")  # fmt: skip
        if int(free_kib) * 1024 <= 2 * _RESERVE_BYTES:
            raise NfvcapError(NONE, f"the file system of {self.directory} on {self.door.name} is full",
                              "tcpdump goes on then and tells nobody, so its counters say nothing",
                              "--directory on a larger one, or a lower --rate")  # fmt: skip
        (up_s, clock_s), (up_now_s, clock_now_s) = (tuple(map(float, words.split())) for words in (began, ended))
        made = Captured(
            driver=LIBPCAP, received=counts[-1].captured, stored=counts[-1].captured, nic_missed=counts[-1].dropped,
            clock_steps=int(abs((clock_now_s - up_now_s) - (clock_s - up_s)) > _STEP_S),
            timeline=samples(evenly(counts, up_s, up_now_s), INTERVAL_S),
        )  # fmt: skip
        late = "tcpdump was ended by its limit before it was told to: the controller was late"
        return made.ended(late) if by == _ENDED_BY_ITSELF else made

    def remove(self) -> None:
        remove(self.door, [self.directory])

    def _let_the_ring_run_dry(self) -> None:
        """What is in the ring when tcpdump is told to end, is lost: as long as it gets on with that, it may."""
        last, since = self._counts(), time.monotonic()
        while last.captured + last.dropped < last.received and time.monotonic() < since + _LATE_S:
            time.sleep(INTERVAL_S)
            now = self._counts()
            if now.captured > last.captured:
                since = time.monotonic()
            last = now

    def _counts(self) -> Counts:
        said = must(shell(self.door, 'tail -c 4096 "$1/messages"', self.directory), self.door)
        return [Counts(0, 0, 0), *counted(said)][-1]


def refused(options: Sequence[str]) -> str:
    """The first word among options for tcpdump that says what is in the file, or where that is; "" for none."""
    words = iter(options)
    for word in words:
        if word in _VALUED:
            next(words, "")
        elif word not in _PLAIN:
            return word
    return ""


def counted(said: str) -> list[Counts]:
    """Each time that tcpdump told its counters."""
    return [
        Counts(int(captured), int(received), int(dropped), float(at) if at else None)
        for at, captured, received, dropped in _COUNTS.findall(said)
    ]


def evenly(counts: Sequence[Counts], begin_s: float, end_s: float) -> list[Point]:
    """Points at equal distances. Between two tellings of the usual distance it went on evenly; behind a longer silence
    everything came at its end."""
    told = [(begin_s, 0, 0), *((one.at_s or end_s, one.captured, one.dropped) for one in counts)]
    points, place = [], 0
    for number in range(1, max(1, math.ceil((end_s - begin_s) / INTERVAL_S)) + 1):
        at = begin_s + number * INTERVAL_S
        while place + 1 < len(told) and told[place + 1][0] <= at:
            place += 1
        here = told[place]
        after = told[min(place + 1, len(told) - 1)]
        span = after[0] - here[0]
        share = (at - here[0]) / span if 0 < span < _USUAL * INTERVAL_S else 0.0
        stored, lost = (round(one + share * (other - one)) for one, other in zip(here[1:], after[1:], strict=True))
        points.append((stored, stored, lost))
    return points
