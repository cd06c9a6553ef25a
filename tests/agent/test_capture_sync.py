# SPDX-License-Identifier: Apache-2.0
"""--fsync: what is asked of the kernel, and what a power cut leaves of the files that were closed before it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.agent.support import Agent, read_packets, write_pcap

MINIMAL = ("--burst-buffer", "4M", "--rx-desc", "512", "--huge-pages", "off")
NULL_PORT = ("--port", "vdev:net_null0,size=60")
FRAMES = 60_000  # of 60 bytes: 76 in a file, four files of 1 MiB and a part of one


@pytest.fixture(scope="module")
def sync_log(agent_source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that notes what is called."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    library = tmp_path_factory.mktemp("sync") / "sync_log.so"
    source = agent_source / "tests" / "sync_log.c"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, source, "-ldl"], check=True)
    return library


def calls(agent: Agent, library: Path, log: Path, *args: str) -> list[list[str]]:
    """What a capture asks of the kernel, in its order."""
    environment = {**os.environ, "LD_PRELOAD": str(library), "SYNC_LOG": str(log)}
    done = subprocess.run([str(agent.binary), "capture", "--quiet", *args], env=environment, capture_output=True,
                          text=True, timeout=60)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [line.split(" ") for line in log.read_text().splitlines()]


def directory_for(engine: str, memory_dir: Path, tmp_path: Path) -> Path:
    where = (memory_dir if engine == "mmap" else tmp_path) / "out"
    where.mkdir()
    return where


def test_close_syncs_each_file_and_its_name(
    agent: Agent, sync_log: Path, memory_dir: Path, tmp_path: Path, engine: str
) -> None:
    """A file is cut to its length and has got its name; then it is synced, and then its directory."""
    where = directory_for(engine, memory_dir, tmp_path)
    made = calls(agent, sync_log, tmp_path / "log", *NULL_PORT, "--write", str(where / "x.pcap"),
                 "--engine", engine, "--rotate-size", "1M", "--packets", "40000", "--when-full", "wait", "--fsync",
                 "close", *MINIMAL)  # fmt: skip
    files = sorted(where.glob("x-*.pcap"))
    assert len(files) >= 3
    for path in files:
        synced = made.index(["fsync", str(path)])
        named = next(i for i, call in enumerate(made) if call[0] == "rename" and call[2] == str(path))
        assert named < synced
        assert ["ftruncate", str(path)] in made[:synced] and ["ftruncate", str(path)] not in made[synced:]
        assert ["fsync", str(where)] in made[synced:], "its name may be lost"
    assert sum(call == ["fsync", str(where)] for call in made) == len(files)


@pytest.mark.parametrize("words", [(), ("--fsync", "never")])
def test_never_is_never(
    agent: Agent, sync_log: Path, memory_dir: Path, tmp_path: Path, engine: str, words: tuple[str, ...]
) -> None:
    where = directory_for(engine, memory_dir, tmp_path)
    made = calls(agent, sync_log, tmp_path / "log", *NULL_PORT, "--write", str(where / "x.pcap"),
                 "--engine", engine, "--rotate-size", "1M", "--packets", "20000", *words, *MINIMAL)  # fmt: skip
    assert [call for call in made if call[0] == "rename"]
    assert not [call for call in made if "sync" in call[0]]


@contextmanager
def mounted(image: Path, at: Path) -> Iterator[Path]:
    at.mkdir(exist_ok=True)
    # A journal that is written every five minutes: what is on the disk after a few seconds was asked for.
    mount = subprocess.run(["mount", "-o", "loop,commit=300", image, at], capture_output=True, text=True)
    if mount.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mount.stderr.strip()}")
    try:
        yield at
    finally:
        subprocess.run(["umount", at], check=True)


@pytest.fixture
def disk_image(memory_dir: Path) -> Path:
    """A disk, in memory, with an ext4."""
    image = memory_dir / "disk"
    with image.open("wb") as made:
        made.truncate(64 << 20)
    if os.geteuid() != 0 or shutil.which("mkfs.ext4") is None:
        pytest.skip("a disk of our own can only be made by root, with mkfs.ext4")
    subprocess.run(["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0", image], check=True)
    return image


def after_power_cut(agent: Agent, image: Path, source: Path, engine: str, policy: str) -> tuple[list[Path], list[Path]]:
    """Files as they were when the power went, and as they are when it is back; of each the closed ones, in order."""
    there, back = image.with_name("there"), image.with_name("back")
    with mounted(image, there):
        os.sync()
        running = agent.start(image.parent, "--port", f"pcap:{source}", "--write", str(there / "x.pcap"), "--engine",
                              engine, "--rotate-size", "1M", "--when-full", "wait", "--fsync", policy,
                              *MINIMAL)  # fmt: skip
        deadline = time.monotonic() + 60
        while len(list(there.glob("x-*.pcap"))) < 5:
            assert time.monotonic() < deadline and running.process.poll() is None
            time.sleep(0.02)
        time.sleep(0.5)
        # Nothing more is written by us; what the disk has now is what it would have without power.
        shutil.copyfile(image, image.with_name("cut"))
        running.kill()
        kept = image.with_name("kept")
        shutil.copytree(there, kept, ignore=shutil.ignore_patterns("lost+found", ".*"))
    with mounted(image.with_name("cut"), back):
        after = image.with_name("after")
        shutil.copytree(back, after, ignore=shutil.ignore_patterns("lost+found", ".*"))
    return sorted(kept.glob("x-*.pcap"))[:4], sorted(after.glob("x-*.pcap"))[:4]


@pytest.fixture
def source(memory_dir: Path) -> Path:
    path = memory_dir / "in.pcap"
    write_pcap(path, [i.to_bytes(4, "big") + bytes(56) for i in range(FRAMES)])
    return path


def test_closed_files_outlive_a_power_cut(agent: Agent, disk_image: Path, source: Path, engine: str) -> None:
    before, after = after_power_cut(agent, disk_image, source, engine, "close")
    assert [path.name for path in after] == [path.name for path in before] and len(after) == 4
    for was, is_now in zip(before, after, strict=True):
        assert is_now.read_bytes() == was.read_bytes()
    agent.check(*after)
    numbers = [int.from_bytes(packet.data[:4], "big") for path in after for packet in read_packets(path)]
    assert numbers == list(range(len(numbers))) and len(numbers) > 40_000


def test_without_fsync_they_do_not(agent: Agent, disk_image: Path, source: Path, engine: str) -> None:
    """As documented for each engine, O_DIRECT included; and the test above would notice a loss."""
    before, after = after_power_cut(agent, disk_image, source, engine, "never")
    assert len(before) == 4
    assert [path.read_bytes() for path in after] != [path.read_bytes() for path in before]
