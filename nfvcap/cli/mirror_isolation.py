# SPDX-License-Identifier: Apache-2.0
"""``nfvcap mirror isolation``: numbered frames to guests while a monitor comes and goes, and what they lost by it."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import click

from nfvcap.apply.hearing import hear
from nfvcap.cli.guest_host import find_place, host_options
from nfvcap.cli.mirror_try import sending_options
from nfvcap.cli.options import format_option
from nfvcap.cli.output import emit, paint, plural, say
from nfvcap.cli.packet_options import Duration
from nfvcap.cli.table import columns
from nfvcap.errors import ExitCode, worst
from nfvcap.mirror.isolation import Isolation, Share
from nfvcap.mirror.sender import source
from nfvcap.mirror.stream import Sent, Stream
from nfvcap.mirror.trial import words
from nfvcap.mirror.watched import address, guests_on_one_port, has_vf
from nfvcap.verify.packets.sources.origin import origin

_STEP_S, _STDERR = 0.1, 2
_LONGEST_S, _MORE_S = 12 * 3600.0, 900.0


@click.command("isolation")
@click.argument("guests", metavar="GUEST...", nargs=-1, required=True)
@host_options
@sending_options
@click.option("--rate", "rate_pps", type=click.FloatRange(1), default=100, show_default=True,
              help="Frames a second to each guest.")  # fmt: skip
@click.option("--for", "for_s", type=Duration(), default="1m", show_default=True, metavar="TIME",
              help="How long; Ctrl-C ends it earlier, and it is counted all the same.")  # fmt: skip
@click.option("--while", "command", default="", metavar="COMMAND",
              help="Instead of a time: for as long as this runs (a line for sh), as in "
              "'nfvcap attach-vf vm3 --mirror vm1; nfvcap detach-vf vm3'.")  # fmt: skip
@format_option("text", "json")
def mirror_isolation(
    *, guests: tuple[str, ...], host: str, inventory: tuple[Path, ...], from_: str, size_bytes: int, rate_pps: float,
    for_s: float, command: str, fmt: str,
) -> int:  # fmt: skip
    """Send numbered frames to each GUEST the whole time, and count what it lost, or got twice.

    Meanwhile a monitor comes and goes: in another terminal, or as the COMMAND of --while. Exit code 4: a guest lost a
    frame or got one twice. 5: a guest got none at all, or COMMAND failed.
    """
    place = find_place("mirror-isolation", guests[0], host, inventory, also=has_vf(guests[0]))
    spots = guests_on_one_port(guests, place.facts)
    pf = spots[0].pf
    streams = [Stream(*address(place.facts, pf, spot.index), size_bytes) for spot in spots]
    longest_s = _LONGEST_S if command else for_s + _MORE_S
    sender = source(origin(from_, place.loaded), pf)
    run = _Run(lambda stop: sender.send(streams, rate_pps, stop, longest_s), for_s, command)
    say(f"{place.host}: {rate_pps:g} frames a second to each of {', '.join(spot.label for spot in spots)}")
    sent, heard = hear(
        place.target, pf, [spot.as_place() for spot in spots], range(len(spots)), run.go,
        longest_s=longest_s,
    )  # fmt: skip
    found = Isolation(tuple(Share(one.count, ear) for one, ear in zip(sent, heard, strict=True)), run.took_s)
    if fmt == "json":
        emit(json.dumps({"host": place.host, "while": command, **found.as_dict()}, indent=2))
    else:
        for line in lines(found):
            emit(line)
    if run.status:
        say(f"the command of --while ended with {run.status}")
    return int(worst(found.code, *[ExitCode.INCONCLUSIVE] * bool(run.status)))


class _Run:
    """Sends in a thread of its own for a time, or as long as a command runs."""

    def __init__(self, send: Callable[[threading.Event], list[Sent]], for_s: float, command: str) -> None:
        self._send_until = send
        self._for_s, self._command = for_s, command
        self._stop, self._done = threading.Event(), threading.Event()
        self._sent: list[Sent] = []
        self._error: BaseException | None = None
        self.took_s, self.status = 0.0, 0

    def go(self) -> list[Sent]:
        """Raises what the source raised."""
        say(f"sending, {f'while this runs: {self._command}' if self._command else f'for {self._for_s:g} s'}")
        began = time.monotonic()
        thread = threading.Thread(target=self._send)
        try:
            with suppress(KeyboardInterrupt):
                thread.start()
                if self._command:
                    # What it says is chatter: standard output is for the figure.
                    done = subprocess.run(["sh", "-c", self._command], stdout=_STDERR, check=False)
                    self.status = done.returncode
                else:
                    # In short steps: a signal that comes just before a wait would be seen only after it. And not by
                    # join: an interrupted one takes the thread for ended.
                    while time.monotonic() - began < self._for_s and not self._done.wait(min(_STEP_S, self._for_s)):
                        pass
        finally:
            self._stop.set()
            thread.join()
            self.took_s = time.monotonic() - began
        if self._error is not None:
            raise self._error
        return self._sent

    def _send(self) -> None:
        try:
            self._sent = self._send_until(self._stop)
        except BaseException as error:  # told by the thread that waits
            self._error = error
        finally:
            self._done.set()


def lines(found: Isolation) -> Iterator[str]:
    """The outcome for people; its last line is the figure."""
    rows = [("guest", "sent", "received", "lost", "duplicated", "missing")]
    for share in found.shares:
        rows.append((
            share.heard.label, str(share.sent), str(share.heard.received), str(share.lost),
            str(share.heard.duplicates), words(share.missing),
        ))  # fmt: skip
    yield from columns(rows, wide=5, indent="  ", paint=lambda row, _column, text: text if row else paint(text, "dim"))
    style = {ExitCode.OK: "PASS", ExitCode.INCONCLUSIVE: "WARN"}.get(found.code, "FAIL")
    took = f"{found.duration_s:.0f} s"
    frames = plural(found.sent, "frame")
    yield paint(f"isolation: lost {found.lost}, duplicated {found.duplicated} of {frames} in {took}", style)
