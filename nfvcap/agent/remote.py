# SPDX-License-Identifier: Apache-2.0
"""A capture on another machine: started in the background there, watched through files in a directory of its own.

Files in it: ``pid``, ``ready`` (while packets are stored), ``messages``, ``report.json`` and ``status`` (at the end).
The capture ends by itself after ``duration_s``, so one whose controller is gone does not go on for ever.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from nfvcap.agent.failures import failure
from nfvcap.agent.options import CaptureOptions
from nfvcap.agent.reports import CaptureReport
from nfvcap.door.door import Door, must, shell
from nfvcap.errors import ExitCode, NfvcapError
from nfvcap.run import pasteable, tail

# $1 is what takes the capture out of the session that starts it: `setsid`, or a unit of systemd, which also keeps it
# apart from the service that the guest's agent is. What an earlier capture in the same directory wrote stays there.
_START = """
umask 077
away=$1 d=$2; shift 2
mkdir -p "$d" && cd "$d" && rm -f pid ready status report.json messages metrics || exit 1
case $away in
  unit) if [ -d /run/systemd/system ] && command -v systemd-run >/dev/null; then
      away="systemd-run --quiet --collect --property=LimitMEMLOCK=infinity --property=KillMode=mixed"
    else away=$(command -v setsid); fi ;;
  *) away=$(command -v setsid) ;;
esac
$away sh -c 'd=$1; shift
  sh -c '"'"'echo $$ >"$1/pid"; shift; exec "$@"'"'"' sh "$d" "$@" >"$d/report.json" 2>"$d/messages"
  echo $? >"$d/status"' sh "$d" "$@" >/dev/null 2>&1 </dev/null &
"""
_ALIVE = '[ ! -s "$1/status" ] && grep -q nfvcap-agent "/proc/$(cat "$1/pid")/cmdline" 2>/dev/null'
# Looks for itself, so that waiting costs one round trip.
_READY = """
d=$1; n=$2
while [ "$n" -gt 0 ]; do
  [ -s "$d/ready" ] && { cat "$d/ready"; exit 0; }
  [ -s "$d/status" ] && exit 3
  sleep 0.1; n=$((n - 1))
done
exit 4
"""
_STOP = """
d=$1; n=$2
[ -s "$d/status" ] || kill -TERM "$(cat "$d/pid")" 2>/dev/null
while [ ! -s "$d/status" ] && [ "$n" -gt 0 ]; do sleep 0.1; n=$((n - 1)); done
[ -s "$d/status" ] || exit 4
cat "$d/status"; cat "$d/report.json"
"""
_KILL = """
for d in "$@"; do
  [ -e "$d/pid" ] && [ ! -s "$d/status" ] && {
    p=$(cat "$d/pid")
    case $(tr '\\0' ' ' <"/proc/$p/cmdline" 2>/dev/null) in
      *"$d"/*) kill -TERM "$p"; n=100
        while [ ! -s "$d/status" ] && [ "$n" -gt 0 ]; do sleep 0.1; n=$((n - 1)); done
        [ -s "$d/status" ] || kill -KILL "$p" ;;
    esac
  }
  rm -rf "$d"
done
"""
_STOP_S = 60.0


class RemoteCapture:
    """One capture in ``directory`` of the machine behind ``door``."""

    def __init__(self, door: Door, program: str, directory: str) -> None:
        self._door, self._program, self.directory = door, program, directory

    def start(self, options: CaptureOptions, *, ready_s: float = 60, lasting: bool = False) -> None:
        """Start it and wait until packets would be stored; ``ready_file`` is filled in.

        Args:
            lasting: it shall outlive whatever starts it, as a unit of systemd where there is one.

        Raises:
            NfvcapError: NFV-AGENT-003 it ended early, NFV-AGENT-005 it did not become ready; the door's own.
        """
        given = dataclasses.replace(options, ready_file=f"{self.directory}/ready", json_file=None)
        argv = [self._program, *given.argv()]
        away = "unit" if lasting else "session"
        must(shell(self._door, _START, away, self.directory, *argv), self._door)
        done = shell(self._door, _READY, self.directory, str(round(ready_s * 10)), timeout_s=ready_s + 10)
        if done.ok:
            return
        said = self.messages()
        if done.returncode == 3:
            raise failure(argv, int(self._text("status") or "1"), said)
        raise NfvcapError(
            "NFV-AGENT-005", f"the capture on {self._door.name} was not ready after {ready_s:g} s", tail(said),
            f"try it there: {pasteable(argv)}",
        )  # fmt: skip

    def messages(self) -> str:
        """What it has said until now."""
        return self._text("messages")

    def last_words(self) -> str:
        """The last line of that."""
        return shell(self._door, 'tail -n 1 "$1/messages"', self.directory).stdout

    def alive(self) -> bool:
        """Is it going on?"""
        return shell(self._door, _ALIVE, self.directory).ok

    def stop(self) -> CaptureReport:
        """End it with whole files and return its report; of one that has ended, the report.

        Raises:
            NfvcapError: NFV-AGENT-003 it failed or does not end, NFV-AGENT-004 its report cannot be read.
        """
        done = shell(self._door, _STOP, self.directory, str(round(_STOP_S * 10)), timeout_s=_STOP_S + 30)
        status, _, report = done.stdout.partition("\n")
        words: Sequence[str] = [self._program, "capture"]
        if not done.ok or not status.strip():
            raise NfvcapError(
                "NFV-AGENT-003", f"the capture on {self._door.name} did not end within {_STOP_S:g} s",
                tail(self.messages()), f"look there: {self.directory}",
            )  # fmt: skip
        if int(status) not in {ExitCode.OK, ExitCode.CHECK_FAILED} or not report.strip():
            raise failure(words, int(status), self.messages())
        return CaptureReport.parse(report)

    def remove(self) -> None:
        """End it, whatever it does, and remove its directory with everything in it."""
        remove(self._door, [self.directory])

    def _text(self, name: str) -> str:
        return shell(self._door, 'cat "$1"', f"{self.directory}/{name}").stdout


def remove(door: Door, directories: Sequence[str]) -> None:
    """End captures that were started in these directories, and remove the directories."""
    must(shell(door, _KILL, *directories, timeout_s=30.0 + 20 * len(directories)), door)
