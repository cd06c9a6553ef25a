# SPDX-License-Identifier: Apache-2.0
"""nfvcap.agent: building once, asking by typed options, reading typed reports."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from nfvcap.agent import build
from nfvcap.agent.build import Variant, build_agent, locate
from nfvcap.agent.client import Agent
from nfvcap.agent.failures import failure
from nfvcap.agent.options import CaptureOptions, CheckOptions, GenerateOptions, MergeOptions
from nfvcap.agent.reports import CaptureReport, CheckReport, GenerateReport, MergeReport, Report
from nfvcap.errors import ExitCode, NfvcapError, UsageError
from tests.agent.captures import numbered, pcap, write

NULL = "vdev:net_null0,size=64"


@pytest.fixture
def client(agent_binary: Path) -> Agent:
    return Agent(agent_binary)


def keys_of(kind: type[BaseModel]) -> dict[str, type[BaseModel] | None]:
    """JSON keys of a model → the model of a value that is an object or a list of them."""
    found: dict[str, type[BaseModel] | None] = {}
    for name, field in kind.model_fields.items():
        inner = [field.annotation, *get_args(field.annotation)]
        models = [one for one in inner if isinstance(one, type) and issubclass(one, BaseModel)]
        found[field.alias or name] = models[0] if models else None
    return found


def unknown_keys(value: object, kind: type[BaseModel], path: str = "") -> list[str]:
    """What the agent says and the model does not know."""
    if isinstance(value, list):
        return [key for one in value for key in unknown_keys(one, kind, path)]
    assert isinstance(value, dict)
    known = keys_of(kind)
    missing = [f"{path}{key}" for key in value if key not in known]
    for key, inner in value.items():
        model = known.get(key)
        if model is not None and inner is not None:
            missing += unknown_keys(inner, model, f"{path}{key}.")
    return missing


@pytest.mark.parametrize("kind", [CaptureReport, GenerateReport, CheckReport, MergeReport])
def test_models_know_every_key_of_the_reports(
    agent_binary: Path, client: Agent, tmp_path: Path, kind: type[Report]
) -> None:
    """And nothing else: a key that the agent no longer says is missed by the model."""
    said: list[str] = []
    client = Agent(agent_binary, lambda argv, timeout_s: _kept(argv, timeout_s, said))
    file = write(tmp_path / "a.pcap", pcap(numbered([0, 1, 3])))
    if kind is CaptureReport:
        client.capture(
            CaptureOptions(ports=(NULL,), packets=500, huge_pages="off", extra=("--warm-up", "1us")), timeout_s=60
        )
    elif kind is GenerateReport:
        client.generate(
            GenerateOptions(port="vdev:net_null0", replay=file, renumber=True, rate="max", huge_pages="off")
        )
    elif kind is CheckReport:
        assert not client.check(CheckOptions(files=(file,), expect=4)).ok
    else:
        client.merge(MergeOptions(out=tmp_path / "out.pcapng", files=(file,)))
    assert unknown_keys(json.loads(said[0]), kind) == []


def _kept(argv: object, timeout_s: float, said: list[str]) -> object:
    from nfvcap.agent.client import here

    done = here(argv, timeout_s)  # type: ignore[arg-type]
    said.append(done.stdout)
    return done


def test_build_is_made_once_and_is_what_guests_need(tmp_path: Path, agent_binary: Path, client: Agent) -> None:
    assert build_agent() == build_agent()
    if "NFVCAP_AGENT" not in os.environ:
        assert locate() == build_agent()
        assert agent_binary.stat().st_size < 16_000_000, "stripped, it fits any guest"
        sections = subprocess.run(["readelf", "-SW", str(agent_binary)], capture_output=True, text=True, check=True)
        assert ".text" in sections.stdout and ".debug_" not in sections.stdout and ".symtab" not in sections.stdout
    assert client.version() == "0.1.0"


def test_digest_follows_sources_options_and_tools(tmp_path: Path) -> None:
    source = tmp_path / "agent"
    (source / "src").mkdir(parents=True)
    main = source / "src" / "main.c"
    main.write_text("int main(void) { return 0; }\n")

    def key(variant: Variant = build.RELEASE, tools: str = "cc 1") -> str:
        return build._digest(variant, tools, *build._contents(source))

    first = key()
    assert key() == first
    (source / "README.md").write_text("words change no program\n")
    assert key() == first
    seen = {first, key(Variant("x", ("-Da=b",))), key(tools="cc 2")}
    main.write_text("int main(void) { return 1; }\n")
    seen.add(key())
    main.rename(source / "src" / "other.c")
    seen.add(key())
    assert len(seen) == 5


def test_missing_tool_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("NFVCAP_AGENT", raising=False)
    with pytest.raises(NfvcapError, match="cannot be built here") as caught:
        locate()
    assert caught.value.code == "NFV-AGENT-001"
    assert "meson" in caught.value.why and "libdpdk-dev" in caught.value.fix


def test_broken_source_shows_the_compilers_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, agent_source: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    source = tmp_path / "agent"
    source.mkdir()
    (source / "meson.build").write_text("project('x', 'c')\nexecutable('nfvcap-agent', 'no-such-file.c')\n")
    with pytest.raises(NfvcapError, match="building the capture agent failed") as caught:
        build_agent(source)
    assert caught.value.code == "NFV-AGENT-002"
    assert "no-such-file.c" in caught.value.why and "meson setup" in caught.value.fix


def test_override_names_a_program(monkeypatch: pytest.MonkeyPatch, agent_binary: Path, tmp_path: Path) -> None:
    monkeypatch.setenv("NFVCAP_AGENT", str(agent_binary))
    assert locate() == agent_binary
    monkeypatch.setenv("NFVCAP_AGENT", str(tmp_path))
    with pytest.raises(UsageError, match="names no program"):
        locate()


def test_every_option_is_known_to_the_program(client: Agent, memory_dir: Path, tmp_path: Path) -> None:
    report = client.capture(
        CaptureOptions(
            ports=(NULL,), write=memory_dir / "x.pcapng", lcores="0", format="pcapng", engine="mmap", snaplen=60,
            filter="less 1500", rotate_size=4_000_000, rotate_s=3600, max_files=4, disk_quota=64_000_000,
            burst_buffer="8M", duration_s=20, packets=1000, stop_idle_s=5, idle_sleep_s=1e-6, wait_link_s=0.5,
            huge_pages="off", ready_file=tmp_path / "ready", metrics_file=tmp_path / "metrics",
        ),
        timeout_s=60,
    )  # fmt: skip
    assert report.stop_reason == "packets"
    assert report.total.stored == 1000 and report.total.residual == 0 and report.total.lost == 0
    assert report.nic_missed is None
    sent = client.generate(
        GenerateOptions(
            port="vdev:net_null0", size="64,128", untagged_size=True, rate="1Mpps", count=100, duration_s=5, flows=2,
            first=7, seed=3, vlan=("5", "none"), dst_mac=("02:00:00:00:00:09", "02:00:00:00:00:0a"),
            src_mac="02:00:00:00:00:08", burst=8, link_mbps=10000, cpu=0, when_full="drop", omit_every=10,
            linger_s=0.01, huge_pages="off",
        )
    )  # fmt: skip
    assert (sent.numbered, sent.sent, sent.omitted, [flow.sent for flow in sent.flows]) == (100, 90, 10, [50, 50])
    counted = client.capture(
        CaptureOptions(ports=(NULL,), queues=2, duration_s=0.05, huge_pages="off", json_file=None), timeout_s=60
    )
    assert counted.total.counted == counted.total.received > 0


def test_check_gives_its_verdict(client: Agent, tmp_path: Path) -> None:
    file = write(tmp_path / "a.pcap", pcap(numbered([0, 1, 3, 3])))
    report = client.check(
        CheckOptions(files=(file,), expect_flows=((0, 5),), flows=1, first=0, ranges=10, threads=1, memory=1 << 30)
    )
    assert not report.ok and "missing" in report.problems
    assert (report.numbers.missing, report.numbers.duplicates) == (2, 1)
    assert report.numbers.flows[0].missing_ranges == ((2, 2), (4, 4))
    assert report.files[0].state == "whole" and report.totals.packets == 4
    with pytest.raises(NfvcapError) as caught:
        client.check(CheckOptions(files=(tmp_path / "none",)))
    assert (caught.value.code, caught.value.exit_code) == ("NFV-AGENT-003", ExitCode.USAGE)
    assert "none" in caught.value.what and caught.value.why == "No such file or directory"


def test_a_background_capture_ends_with_its_block(client: Agent, memory_dir: Path, tmp_path: Path) -> None:
    options = CaptureOptions(
        ports=(NULL,), write=memory_dir / "x.pcap", rotate_size=4_000_000, max_files=4, huge_pages="off"
    )
    with client.start(options, tmp_path) as capture:
        report = capture.stop()
    assert report.stop_reason == "SIGTERM" and report.total.residual == 0
    assert client.check(CheckOptions(files=tuple(sorted(memory_dir.iterdir())))).problems == ()
    with pytest.raises(RuntimeError), client.start(options, tmp_path) as capture:
        pid = capture.pid
        raise RuntimeError
    with pytest.raises(ProcessLookupError):
        os.kill(pid, signal.SIG_DFL)


def test_a_capture_that_cannot_start_says_why(client: Agent, tmp_path: Path) -> None:
    options = CaptureOptions(ports=("af_packet:nosuch0",), write=tmp_path / "x.pcap", huge_pages="off")
    with pytest.raises(NfvcapError, match="nosuch0") as caught, client.start(options, tmp_path):
        pass
    assert (caught.value.code, caught.value.exit_code) == ("NFV-AGENT-003", ExitCode.USAGE)
    with pytest.raises(NfvcapError) as caught, Agent(tmp_path / "no").start(options, tmp_path):
        pass
    assert caught.value.code == "NFV-AGENT-003"


def test_reports_of_another_version_are_refused() -> None:
    with pytest.raises(NfvcapError, match="cannot be read") as caught:
        CheckReport.parse('{"schema": "nfvcap/agent-check/2"}')
    assert caught.value.code == "NFV-AGENT-004" and "agent-check" in caught.value.why


@pytest.mark.parametrize(
    ("status", "stderr", "wanted"),
    [
        (2, "nfvcap-agent: error: a\n  why: b\n  fix: c\n", ("a", "b", "c")),
        (2, "EAL: noise\nnfvcap-agent: warning: w\n  why: no\nnfvcap-agent: error: a\n  fix: c\n", ("a", "", "c")),
        (1, "nfvcap-agent: error: two\nlines\n  why: b\n", ("two\nlines", "b", "try it by hand: x check")),
        (-11, "", ("nfvcap-agent check was killed by signal 11", "", "try it by hand: x check")),
    ],
)
def test_the_agents_own_words(status: int, stderr: str, wanted: tuple[str, str, str]) -> None:
    error = failure(["x", "check"], status, stderr)
    assert (error.what, error.why, error.fix) == wanted
