# SPDX-License-Identifier: Apache-2.0
"""Builds the capture agent, once per source: the finished program stays in the cache under a digest of what made it."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nfvcap.errors import NfvcapError, UsageError
from nfvcap.paths import cache_dir, data_dir
from nfvcap.run import run

PROGRAM = "nfvcap-agent"
OVERRIDE = "NFVCAP_AGENT"
"""Environment variable that names a program to be used instead of a build."""
PACKAGES = "gcc meson ninja-build pkg-config libdpdk-dev libpcap-dev liburing-dev"
_BUILD_TIMEOUT_S = 1500
_KEEP = 8
# What a program is made of; manuals, corpora and Python beside them change nothing in it.
_SOURCES = ("meson.build", "meson_options.txt", "src", "tests", "fuzz", "bench")
_SUFFIXES = {".c", ".h", ".build", ".txt"}


@dataclass(frozen=True)
class Variant:
    """A way of building: the compiler, options for Meson, and what of the tree is built."""

    name: str = ""
    options: tuple[str, ...] = ()
    compiler: str = "cc"
    strip: bool = True


RELEASE = Variant()


def locate() -> Path:
    """The agent for this machine and for guests: $NFVCAP_AGENT if set, else the build of the shipped sources.

    Raises:
        UsageError: NFV-AGENT-001 $NFVCAP_AGENT names no program.
        NfvcapError: NFV-AGENT-001 something to build with is missing, NFV-AGENT-002 the build failed.
    """
    given = os.environ.get(OVERRIDE)
    if not given:
        return build_agent()
    path = Path(given)
    if not os.access(path, os.X_OK) or path.is_dir():
        raise UsageError(
            "NFV-AGENT-001",
            f"{OVERRIDE}={given} names no program",
            "it does not exist or may not be executed",
            f"correct it, or unset {OVERRIDE} to have the agent built",
        )
    return path.resolve()


def build_agent(source: Path | None = None, variant: Variant = RELEASE) -> Path:
    """The program built from ``source`` (default: the sources that nfvcap brings), from the cache where it is there.

    Raises:
        NfvcapError: NFV-AGENT-001 something to build with is missing, NFV-AGENT-002 the build failed.
    """
    source = (source or data_dir() / "agent").resolve()
    tools = _toolchain(variant)
    kept = cache_dir() / "agent" / _digest(variant, tools, *_contents(source))
    program = kept / PROGRAM
    if not program.exists():
        with _work_dir(source, variant, tools) as work:
            ninja(work, source, variant, [f"src/{PROGRAM}"])
            kept.mkdir(parents=True, exist_ok=True)
            half = kept / f"{PROGRAM}.{os.getpid()}"
            if variant.strip:
                run(["strip", "-o", half, work / "src" / PROGRAM], timeout_s=60)
            else:
                shutil.copy2(work / "src" / PROGRAM, half)
            half.replace(program)
    os.utime(kept)
    _forget_old(kept.parent)
    return program


@contextmanager
def built(source: Path, variant: Variant, targets: Sequence[str]) -> Iterator[Path]:
    """The build directory with ``targets`` made in it, held against other builds while in use.

    Raises as :func:`build_agent`.
    """
    with _work_dir(source.resolve(), variant, _toolchain(variant)) as work:
        ninja(work, source.resolve(), variant, targets)
        yield work


def ninja(work: Path, source: Path, variant: Variant, targets: Sequence[str]) -> None:
    """Configure ``work`` (once) and build ``targets`` in it."""
    environment = {"CC": variant.compiler}
    steps: list[list[str | Path]] = [["ninja", "-C", work, *targets]]
    if not (work / "build.ninja").exists():
        shutil.rmtree(work, ignore_errors=True)
        steps.insert(0, ["meson", "setup", *variant.options, work, source])
    for step in steps:
        try:
            # Ninja prints what failed on standard output, Meson its last words on standard error.
            done = run(step, timeout_s=_BUILD_TIMEOUT_S, env=environment, check=False)
        except NfvcapError as error:
            raise NfvcapError("NFV-AGENT-002", "building the capture agent failed", str(error)) from error
        if not done.ok:
            said = "\n".join((done.stdout + done.stderr).rstrip().splitlines()[-40:])
            by_hand = " ".join(map(str, ["env", f"CC={variant.compiler}", *step]))
            raise NfvcapError("NFV-AGENT-002", "building the capture agent failed", said, f"try it by hand: {by_hand}")


def _toolchain(variant: Variant) -> str:
    """What builds: part of the digest, so that a new compiler or DPDK makes a new program."""
    programs = (variant.compiler, "meson", "ninja", "pkg-config", "strip")
    missing = [tool for tool in programs if shutil.which(tool) is None]
    if not missing:
        version = run([variant.compiler, "--version"], timeout_s=20).stdout.splitlines()[0]
        dpdk = run(["pkg-config", "--modversion", "libdpdk"], timeout_s=20, check=False)
        if dpdk.ok:
            return f"{version}; DPDK {dpdk.stdout.strip()}"
        missing = ["libdpdk.pc"]
    raise NfvcapError(
        "NFV-AGENT-001",
        "the capture agent cannot be built here",
        f"not found: {', '.join(missing)}",
        f"apt install {PACKAGES}, or set {OVERRIDE} to a program built elsewhere",
    )


def _contents(source: Path) -> Iterator[bytes]:
    for top in _SOURCES:
        root = source / top
        for path in [root] if root.is_file() else sorted(root.rglob("*")):
            if path.suffix in _SUFFIXES and path.is_file():
                yield str(path.relative_to(source)).encode()
                yield path.read_bytes()


def _digest(variant: Variant, tools: str, *parts: bytes) -> str:
    digest = hashlib.sha256(f"{variant}\0{tools}".encode())
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()[:16]


@contextmanager
def _work_dir(source: Path, variant: Variant, tools: str) -> Iterator[Path]:
    """Where the objects are kept between builds of one checkout: a second build compiles only what changed."""
    builds = cache_dir() / "agent-build"
    work = builds / _digest(variant, tools, str(source).encode())
    builds.mkdir(parents=True, exist_ok=True)
    with (builds / f"{work.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two at once: the second one waits and finds everything made
        yield work
        os.utime(work)
    _forget_old(builds)


def _forget_old(directory: Path) -> None:
    """Keep what was used last; a checkout that is gone would otherwise keep its objects for ever."""
    used = sorted((path for path in directory.iterdir() if path.is_dir()), key=lambda path: -path.stat().st_mtime)
    for path in used[_KEEP:]:
        shutil.rmtree(path, ignore_errors=True)
        path.with_suffix(".lock").unlink(missing_ok=True)
