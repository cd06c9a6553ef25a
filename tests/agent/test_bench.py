# SPDX-License-Identifier: Apache-2.0
"""`nfvcap-agent bench` on itself: what it prints, what it says of a peer that is absent, what it leaves behind."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.agent.support import Agent

SHORT = ("--warm-up", "50ms", "--measure", "50ms", "--soak", "0")


def bench(agent: Agent, *args: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PATH": path if path is not None else os.environ["PATH"]}
    return subprocess.run([str(agent.binary), "bench", *args], capture_output=True, text=True, timeout=120, env=env)


def test_table_and_json(agent: Agent, tmp_path: Path, memory_dir: Path) -> None:
    done = bench(agent, "--runs", "3", *SHORT, "--only", "floor-count-64,count-64", "--memory", str(memory_dir),
                 "--json", str(tmp_path / "x.json"))  # fmt: skip
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads((tmp_path / "x.json").read_text())
    assert [m["name"] for m in report["measurements"]] == ["floor-count-64", "count-64"]
    assert all(len(m["runs"]) == 3 and m["median"] == sorted(m["runs"])[1] for m in report["measurements"])
    (figure,) = report["figures"]
    floor, ours = (m["runs"] for m in report["measurements"])
    ratios = sorted(o / f for o, f in zip(ours, floor, strict=True))
    for key, ratio in zip(("ratio_least", "ratio", "ratio_most"), ratios, strict=True):
        assert abs(figure[key] - ratio) < 1e-3 * ratio
    assert figure["must"] is None and figure["goal"] == 1.2 and figure["goal_met"] == (figure["ratio"] <= 1.2)
    assert f"{ratios[1]:9.3f}"[:-1] in done.stdout and "count only, against the floor" in done.stdout


def test_absent_peers_are_named(agent: Agent, memory_dir: Path) -> None:
    """Nothing is made up for them, and what is known from elsewhere is said to be from elsewhere."""
    done = bench(agent, "--runs", "1", *SHORT, "--only", "null-64,dpdkcap-devnull-64,devnull-64,dd,memory-growth",
                 "--memory", str(memory_dir), "--json", "-", path="/nonexistent")  # fmt: skip
    report = json.loads(done.stdout)
    missing = {m["name"]: m["missing"] for m in report["measurements"]}
    assert missing["dpdkcap-devnull-64"] == "dpdkcap is not in PATH"
    assert missing["dd"] == "no --disk directory was given"
    assert missing["memory-growth"] == "left out with --soak 0"
    assert missing["devnull-64"] is None
    judged = {figure["ours"]: (figure["measured"], figure["must_met"]) for figure in report["figures"]}
    assert judged == dict.fromkeys(("devnull-64", "memory-growth", "memory-growth-disk"), (False, False))
    assert "musts: 0 met, 0 not met, 3 not measured" in done.stderr
    assert "dpdkcap is not in PATH; not in this run: about 75" in done.stderr


def test_files_are_removed(agent: Agent, memory_dir: Path) -> None:
    done = bench(agent, "--runs", "1", *SHORT, "--only", "memory-64-pcapng", "--memory", str(memory_dir))
    assert done.returncode == 0 and "the same as pcapng" in done.stdout, done.stderr
    assert list(memory_dir.iterdir()) == []


def values(agent: Agent, tmp_path: Path, memory_dir: Path, only: str, *more: str) -> dict[str, float | None]:
    """The measurements whose names begin so, once; nothing of them may be left."""
    done = bench(
        agent, "--runs", "1", *SHORT, "--only", only, "--memory", str(memory_dir), "--json", str(tmp_path / "x"), *more
    )
    assert done.returncode == 0, done.stderr
    assert list(memory_dir.iterdir()) == []
    assert not list(Path("/tmp").glob("nfvcap-bench-*.memif"))
    return {m["name"]: m["median"] for m in json.loads((tmp_path / "x").read_text())["measurements"]}


def test_real_content_and_shared_memory(agent: Agent, tmp_path: Path, memory_dir: Path) -> None:
    found = values(agent, tmp_path, memory_dir, "floor-imix,imix,memif-64")
    assert set(found) == {"floor-imix", "imix", "memif-64", "memif-64-2-links"}
    assert all(value is not None and 1 < value < 100_000 for value in found.values()), found


def test_the_error_of_stamps_is_measured(agent: Agent, tmp_path: Path, memory_dir: Path) -> None:
    """Whoever looks every 100 us and spreads 32 packets that came at once over that time is wrong by tens of us."""
    found = values(
        agent, tmp_path, memory_dir, "stamps-8,stamps-32-slow,stamps-early,stamps-late,clock", "--measure", "200ms"
    )
    assert found["clock-minute"] is None, "it takes its time from --soak"
    clock = found.pop("clock")
    late = found.pop("stamps-late")
    assert late in (0, None), "None: in each trial packets waited in the ring"
    del found["clock-minute"]
    assert clock is not None and 0 < clock < 1_000_000
    assert set(found) == {"stamps-8", "stamps-8-middle", "stamps-32-slow", "stamps-32-slow-middle", "stamps-early"}
    assert found["stamps-early"] == 0
    for name in ("stamps-8", "stamps-32-slow"):
        middle, most = found[f"{name}-middle"], found[name]
        assert middle is not None and most is not None and middle <= most < 20e9
    slow = found["stamps-32-slow-middle"]
    assert slow is not None and slow > 20_000


def test_all_threads_together_read_the_whole_file(agent: Agent, tmp_path: Path, memory_dir: Path) -> None:
    """What one of them could not read whole would be no value."""
    found = values(agent, tmp_path, memory_dir, "read-memory-64")
    assert found["read-memory-64"] is not None and 10 < found["read-memory-64"] < 1_000_000


def test_how_long_it_looked_for_growing_memory(agent: Agent, tmp_path: Path, memory_dir: Path) -> None:
    done = bench(agent, "--runs", "1", *SHORT[:4], "--soak", "2", "--only", "memory-growth,floor-count-64",
                 "--memory", str(memory_dir), "--json", str(tmp_path / "x.json"))  # fmt: skip
    report = json.loads((tmp_path / "x.json").read_text())
    assert {m["name"]: m["run_s"] for m in report["measurements"]} == {
        "floor-count-64": None,
        "memory-growth": 2,
        "memory-growth-disk": 2,
    }
    lines = [line for line in done.stdout.splitlines() if "a run of 2 s" in line]
    assert len(lines) == 2 and lines[0].startswith("memory-growth ") and lines[1].startswith("growth of memory, KiB")


def test_every_way_to_run_it_makes_seven_runs(agent: Agent, top: Path) -> None:
    assert re.search(r"--runs N +repetitions \(7\)", agent.run("bench", "--help").stdout)
    for name in ("agent/bench/meson.build", "agent/bench/run", "tools/bench"):
        assert "--runs" not in (top / name).read_text(), name


def test_what_is_there_is_printed_when_it_is_ended_early(agent: Agent) -> None:
    command = [str(agent.binary), "bench", "--runs", "50", *SHORT, "--only", "floor-count-64"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None and process.stdout is not None
        while not process.stderr.readline().startswith("run 2/50"):
            assert process.poll() is None
        process.terminate()
        said = process.stdout.read()
    assert "receive and give back, nothing else (n=" in said and "(n=50)" not in said


@pytest.mark.parametrize("crashes", [0, 2])
def test_findings_of_the_fuzzer_are_counted_and_kept(agent_source: Path, tmp_path: Path, crashes: int) -> None:
    """With a target that is none: it says what libFuzzer says in its last line, and leaves a finding."""
    if shutil.which("clang") is None or shutil.which("ninja") is None:
        pytest.skip("clang or ninja is not installed")
    build, kept = tmp_path / "build", tmp_path / "kept"
    kept.mkdir()
    (build / "fuzz").mkdir(parents=True)
    (build / "build.ninja").write_text("build fuzz/fuzz_capture: phony\n")
    target = build / "fuzz" / "fuzz_capture"
    target.write_text(
        "#!/bin/bash\n"
        "for word; do case $word in -artifact_prefix=*)"
        f" [ {crashes} = 0 ] || echo x >${{word#*=}}crash-1 ;; esac; done\n"
        "echo '#1200: cov: 34 ft: 5 corp: 6 exec/s: 7"
        f" oom/timeout/crash: 0/0/{crashes} time: 12s job: 2 dft_time: 0' >&2\n"
    )
    target.chmod(0o755)
    environment = {**os.environ, "NFVCAP_FUZZ_BUILD": str(build), "TMPDIR": str(kept)}
    command = [str(agent_source / "bench" / "fuzz"), "1", "capture"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == (4 if crashes else 0), done.stderr
    assert done.stdout.splitlines()[1].split() == ["capture", "1200", "100", "34", str(crashes), "0", "0"]
    assert [path.name for path in kept.rglob("*") if path.is_file()] == ["capture-crash-1"] * (crashes > 0)
