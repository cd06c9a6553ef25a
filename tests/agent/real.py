# SPDX-License-Identifier: Apache-2.0
"""Captures of real networks and of broken programs, from tcpdump's own test suite.

They come with the distribution's source package, which is fetched once into the user's cache. (That of scapy has none;
that of Wireshark is 47 MB.)
"""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from nfvcap.lab.aptsources import own_archive
from nfvcap.paths import cache_dir

SUFFIXES = {".pcap", ".pcapng"}


def _fetch(folder: Path, package: str) -> None:
    """The source package, with apt's own lists and configuration left alone."""
    lists = folder / "lists"
    (lists / "partial").mkdir(parents=True, exist_ok=True)
    archive = own_archive()
    if archive is None:
        raise OSError("this machine's own archive of packages is not to be told from its apt sources")
    sources = folder / "sources.list"
    keyring = f"[signed-by={archive.signed_by}] " if archive.signed_by else ""
    sources.write_text(f"deb-src {keyring}{archive.uri} {archive.suite} main\n")
    options = [
        "-o", f"Dir::Etc::SourceList={sources}", "-o", "Dir::Etc::SourceParts=/dev/null",
        "-o", f"Dir::State::Lists={lists}", "-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache=",
    ]  # fmt: skip
    subprocess.run(["apt-get", *options, "update"], check=True, capture_output=True, timeout=300)
    subprocess.run(
        ["apt-get", *options, "source", "--download-only", package],
        check=True, capture_output=True, timeout=300, cwd=folder,
    )  # fmt: skip
    shutil.rmtree(lists)


def captures(package: str) -> list[Path]:
    """All captures of a suite; skips where the package cannot be had."""
    cache = cache_dir() / f"{package}-captures"
    if not (cache / ".complete").exists():
        shutil.rmtree(cache, ignore_errors=True)
        cache.mkdir(parents=True)
        try:
            _fetch(cache, package)
        except (OSError, subprocess.SubprocessError) as error:
            pytest.skip(f"the source package of {package} cannot be had: {error}")
        (archive,) = cache.glob(f"{package}_*.orig.tar.*z")
        _unpack(archive, cache)
        (cache / ".complete").touch()
    return sorted(path for path in cache.iterdir() if path.suffix in SUFFIXES)


def _unpack(archive: Path, cache: Path) -> None:
    with tarfile.open(archive) as tar:
        for member in tar.getmembers():
            name = Path(member.name)
            stream = tar.extractfile(member) if name.suffix in SUFFIXES and member.isfile() else None
            if stream is not None:
                (cache / name.name).write_bytes(stream.read())
