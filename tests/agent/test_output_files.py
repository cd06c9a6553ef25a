# SPDX-License-Identifier: Apache-2.0
"""Files that a run leaves beside its packets: refused at the start where they cannot be, at the end whole or absent."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import time
from pathlib import Path

import pytest

from tests.agent.support import Agent, write_pcap

NULL_PORT = ("--port", "vdev:net_null0,size=64", "--huge-pages", "off")
LONG = ("capture", *NULL_PORT, "--write", "@/x.pcap", "--duration", "30", "--rotate-size", "1M", "--max-files", "2")
"""A capture that must be refused before it begins; if it is not, it fills no disk. @ is the test's directory."""
ONE = ("capture", *NULL_PORT, "--count-only", "--packets", "10")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((*LONG, "--json=/no/such/report"), "--json=FILE"),
        ((*LONG, "--json=@"), "directory"),
        ((*LONG, "--json="), "without a name"),
        ((*LONG, "--ready-file", "/no/such/file"), "--ready-file"),
        ((*LONG, "--ready-file", "/dev/null"), "not a regular file"),
        ((*LONG, "--metrics-file", "/no/such/file"), "--metrics-file"),
        ((*LONG, "--metrics-file", "@"), "directory"),
        ((*LONG, "--pipe", "/no/such/pipe"), "--pipe"),
        ((*LONG, "--pipe", "@"), "not a pipe"),
        (("bench", "--only", "floor-count-64", "--json", "/no/such/report"), "--json"),
        (("bench", "--only", "floor-count-64", "--memory", "/no/such"), "--memory"),
        (("bench", "--only", "dd", "--disk", "/no/such"), "--disk"),
        (("merge", "/no/such/out.pcap", "@/in.pcap"), "choose another OUT"),
        (("merge", "@", "@/in.pcap"), "directory"),
        (("merge", "/dev/null", "@/in.pcap"), "- for standard output"),
    ],
)
def test_what_cannot_be_written_is_refused_before_the_work(
    agent: Agent, tmp_path: Path, args: tuple[str, ...], words: str
) -> None:
    write_pcap(tmp_path / "in.pcap", [bytes(60)])
    before = time.monotonic()
    done = agent.run(*(word.replace("@", str(tmp_path)) for word in args))
    assert time.monotonic() - before < 20
    assert done.returncode == 2, done.stderr
    assert words in done.stderr and "  fix: " in done.stderr
    assert done.stderr.count("error:") == 1
    assert done.stdout == ""
    assert [path.name for path in tmp_path.iterdir()] == ["in.pcap"]
    assert Path("/dev/null").is_char_device()


def test_a_start_that_fails_takes_its_pipe_away(agent: Agent, tmp_path: Path) -> None:
    done = agent.run("capture", *NULL_PORT, "--write", "/no/such/x.pcap", "--pipe", str(tmp_path / "live"))
    assert done.returncode == 2
    assert list(tmp_path.iterdir()) == []


def test_a_report_replaces_the_one_before_it_in_one_piece(agent: Agent, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    report.write_text("of the capture before\n")
    with report.open() as held:
        assert agent.run(*ONE, f"--json={report}").returncode == 0
        assert held.read() == "of the capture before\n"
    assert json.loads(report.read_text())["total"]["counted"] == 10
    assert list(tmp_path.iterdir()) == [report]


def test_a_report_goes_where_a_link_or_a_device_leads(agent: Agent, tmp_path: Path) -> None:
    shown = agent.run(*ONE, "--json=/dev/stdout")
    assert json.loads(shown.stdout)["total"]["counted"] == 10
    (tmp_path / "there").write_text("")
    (tmp_path / "link").symlink_to("there")
    assert agent.run(*ONE, f"--json={tmp_path / 'link'}").returncode == 0
    assert (tmp_path / "link").is_symlink()
    assert json.loads((tmp_path / "there").read_text())["total"]["counted"] == 10


def test_no_room_for_the_report_at_the_end(agent: Agent, small_tmpfs: Path, tmp_path: Path) -> None:
    report = small_tmpfs / "report.json"
    report.write_text("of the capture before\n")
    with (small_tmpfs / "filling").open("wb", buffering=0) as filling:
        while filling.write(bytes(1 << 20)) == 1 << 20:
            pass
    write = ("--port", "vdev:net_null0,size=64", "--packets", "10", "--write", str(tmp_path / "x.pcap"))
    done = agent.run("capture", *write, f"--json={report}")
    assert done.returncode == 1, done.stderr
    assert "No space left" in done.stderr
    assert report.read_text() == "of the capture before\n"
    assert {path.name for path in small_tmpfs.iterdir()} == {"report.json", "filling"}
    assert (tmp_path / "x.pcap").stat().st_size == 24 + 10 * (16 + 64)


@pytest.mark.parametrize(
    "args",
    [
        (*ONE, "--json"),
        (*ONE, "--json=/dev/full"),
        ("generate", "--port", "vdev:net_null0", "--count", "10", "--rate", "max", "--huge-pages", "off", "--json"),
        ("merge", "--json", "@/out.pcap", "@/in.pcap"),
        ("check", "--json", "@/in.pcap"),
        ("check", "@/in.pcap"),
        ("bench", "--list"),
    ],
)
def test_a_report_that_did_not_arrive_is_no_success(agent: Agent, tmp_path: Path, args: tuple[str, ...]) -> None:
    write_pcap(tmp_path / "in.pcap", [bytes(60)])
    words = [word.replace("@", str(tmp_path)) for word in args]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [str(agent.binary), *words], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
    assert done.returncode == 1, (done.returncode, done.stderr)
    assert "No space left on device" in done.stderr or "standard output" in done.stderr


def lines_on_a_terminal(agent: Agent, *args: str) -> list[str]:
    """What a capture of 2.5 s says on standard error, when that is a terminal, of its counters."""
    ours, its = pty.openpty()
    command = [str(agent.binary), "capture", *NULL_PORT, "--count-only", "--duration", "2.5", *args]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=its)
    os.close(its)
    said = b""
    try:
        while chunk := os.read(ours, 65536):
            said += chunk
    except OSError:  # the terminal's other end has been closed
        pass
    finally:
        os.close(ours)
    assert process.wait(60) == 0
    return [line for line in said.decode().splitlines() if line.startswith("received ")]


def test_a_terminal_gets_a_line_per_second(agent: Agent) -> None:
    lines = lines_on_a_terminal(agent)
    assert len(lines) == 2, lines
    first, second = (int(line.split()[1]) for line in lines)
    assert 0 < first < second


@pytest.mark.parametrize(
    ("args", "lines"), [(("--quiet",), 0), (("--stats-interval", "0"), 0), (("--stats-interval", "500ms"), 4)]
)
def test_a_terminal_gets_what_was_asked_for(agent: Agent, args: tuple[str, ...], lines: int) -> None:
    assert abs(len(lines_on_a_terminal(agent, *args)) - lines) <= (lines > 0)


def test_no_terminal_no_line(agent: Agent) -> None:
    done = agent.run("capture", *NULL_PORT, "--count-only", "--duration", "1.5")
    assert done.returncode == 0
    assert "received " not in done.stderr
