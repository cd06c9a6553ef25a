# SPDX-License-Identifier: Apache-2.0
"""README and manual name the counters and the ends that the program has, no more and no fewer, and their sum holds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.agent.support import Agent

NULL_PORT = ("--port", "vdev:net_null0,size=64")
SUM = re.compile(r"^ *(received = [a-z_ +]+)$", re.M)


@pytest.fixture(scope="module")
def report(agent: Agent, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Of a capture with a filter, a snap length and old files that go."""
    where = tmp_path_factory.mktemp("counters")
    return agent.capture(
        *NULL_PORT, "--write", str(where / "x.pcap"), "--packets", "200000", "--snaplen", "32", "--filter", "not arp",
        "--rotate-size", "1M", "--max-files", "2",
    ).report  # fmt: skip


def readme(source: Path) -> str:
    return (source / "README.md").read_text().split("## What is counted")[1].split("\n## ")[0]


def manual(source: Path) -> str:
    page = (source / "man" / "nfvcap-agent-capture.1").read_text().replace("\\-", "-")
    return page.split(".SH COUNTERS")[1].split("\n.SH ")[0]


def has(report: dict[str, Any]) -> list[str]:
    """The program's own names, in its own order: those of a queue, then those of a port."""
    (port,) = report["ports"]
    (queue,) = port["queues"]
    return [
        *(key for key in queue if key != "queue"),
        *(key for key in port if key.startswith("nic_") and key != "nic_clock"),
    ]


def test_the_readme_explains_every_counter(agent_source: Path, report: dict[str, Any]) -> None:
    rows = [line.split("|")[1] for line in readme(agent_source).splitlines() if line.startswith("| `")]
    named = [name for row in rows for name in re.findall(r"`([a-z_]+)`", row)]
    assert sorted(named) == sorted(has(report))
    losses = [row for row in readme(agent_source).splitlines() if row.startswith("| `") and "**lost**" in row]
    lost = [name for name in has(report) if name.startswith("lost_") or name.startswith("nic_")]
    assert sorted(name for row in losses for name in re.findall(r"^\| `([a-z_]+)`", row)) == sorted(lost)


def test_the_manual_explains_every_counter_in_the_same_order(agent_source: Path, report: dict[str, Any]) -> None:
    assert re.findall(r"^\.TP\n\.B ([a-z_]+)\n(?!\.)\S", manual(agent_source), re.M) == has(report)


@pytest.mark.parametrize("document", [readme, manual])
def test_the_documented_sum_holds(agent_source: Path, report: dict[str, Any], document: Any) -> None:
    (equation,) = SUM.findall(document(agent_source))
    left, right = equation.split(" = ")
    parts = right.split(" + ")
    for counters in (report["total"], report["ports"][0]["queues"][0]):
        assert counters[left] == sum(counters[part] for part in parts)
    assert report["total"]["stored"] == 200000 and report["total"]["truncated"] == 200000
    assert report["total"]["files_removed"] > 0
    every = {name for name in has(report) if name.startswith("lost_")} | {"stored", "counted", "filtered", "buffered"}
    assert set(parts) == every, "a loss that is in no sum would be nowhere"


def test_the_metrics_have_the_same_counters(agent: Agent, tmp_path: Path, report: dict[str, Any]) -> None:
    agent.capture(*NULL_PORT, "--count-only", "--packets", "10", "--metrics-file", str(tmp_path / "metrics"))
    named = re.findall(r"^# TYPE nfvcap_([a-z_]+) ", (tmp_path / "metrics").read_text(), re.M)
    assert set(has(report)) <= set(named)


def test_every_way_to_end_is_in_the_manual(agent_source: Path) -> None:
    source = (agent_source / "src/capture/monitor.c").read_text()
    finished = source.split("static const char *finished(")[1].split("\n}")[0]
    reasons = {*re.findall(r'return "([^"]+)";', finished), *re.findall(r'"(SIG(?:INT|TERM))"', source)}
    page = (agent_source / "man" / "nfvcap-agent-capture.1").read_text().replace("\\-", "-")
    status = page.split(".SH EXIT STATUS")[1].split("\n.SH ")[0]
    (listed,) = re.findall(r"stop_reason in the report: ([^.]+)\.", status)
    assert set(re.split(r",\s+(?:or\s+)?", listed)) == reasons
    assert re.search(r"\.B 4\n[^.]*\bstorage failed\b", status) and "taken away" in status


@pytest.mark.parametrize("command", ["capture", "generate", "check", "merge", "bench"])
def test_manual_and_help_know_the_same_exit_codes(agent: Agent, agent_source: Path, command: str) -> None:
    said = " ".join(agent.run(command, "--help").stdout.split("Exit codes:")[1].split("An output file")[0].split())
    in_help = {int(code) for code in re.findall(r"(?:^|[,;] )(\d+) [a-z]", said)}
    page = (agent_source / "man" / f"nfvcap-agent-{command}.1").read_text()
    in_page = [
        int(code) for code in re.findall(r"^\.B (\d+)$", page.split(".SH EXIT STATUS")[1].split("\n.SH ")[0], re.M)
    ]
    assert in_page == sorted(in_help)
    main_page = (agent_source / "man" / "nfvcap-agent.1").read_text().split(".SH EXIT STATUS")[1].split("\n.SH ")[0]
    assert in_help <= {int(code) for code in re.findall(r"^\.B (\d+)$", main_page, re.M)}
