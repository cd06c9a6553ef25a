# SPDX-License-Identifier: Apache-2.0
"""Mirrors of the lab's packages, told from the apt sources of Debian and Ubuntu machines in both styles."""

from __future__ import annotations

from pathlib import Path

import pytest

from nfvcap.lab.aptsources import AptSource, deb822, one_line, own_archive
from nfvcap.lab.mirrors import mirrors

DEBIAN = 'NAME="Debian GNU/Linux"\nVERSION_CODENAME=bookworm\nID=debian\n'
UBUNTU = "NAME=Ubuntu\nVERSION_CODENAME=noble\nID=ubuntu\nID_LIKE=debian\n"
LINES = """
# deb http://commented.example/debian bookworm main
deb-src http://mirror.example/debian bookworm main
deb [arch=amd64 signed-by=/k.gpg] https://third.example/debian/12/prod bookworm main
deb https://docker.example/linux/debian bookworm stable
deb [ signed-by=/usr/share/keyrings/d.gpg ] http://mirror.example/debian/ bookworm main non-free  # a comment
deb http://mirror.example/debian-security bookworm-security main
"""
STANZAS = """Types: deb deb-src
# between the lines
URIs: http://mirror.example/debian
Suites: bookworm
  bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
Enabled: no

Types: deb
URIs: https://sec.example/debian-security
Suites: bookworm-security
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 xyz
"""
NOBLE = "Types: deb\nURIs: http://archive.example/ubuntu/\nSuites: noble noble-updates\nComponents: main universe\n"
ASKED = [
    "deb http://mine.example/debian trixie main",
    "deb http://mine.example/debian trixie-updates main",
]


@pytest.fixture(autouse=True)
def _nothing_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NFVCAP_DEBIAN_MIRROR", raising=False)
    monkeypatch.delenv("NFVCAP_DEBIAN_SECURITY_MIRROR", raising=False)


def machine(root: Path, release: str, **files: str) -> Path:
    (root / "etc/apt/sources.list.d").mkdir(parents=True)
    (root / "etc/os-release").write_text(release)
    for name, text in files.items():
        folder = root / "etc/apt" if name == "sources_list" else root / "etc/apt/sources.list.d"
        (folder / name.replace("_", ".")).write_text(text)
    return root


def test_one_line_style(tmp_path: Path) -> None:
    root = machine(tmp_path, DEBIAN, sources_list=LINES)
    assert mirrors("trixie", root) == [
        "deb http://mirror.example/debian/ trixie main",
        "deb http://mirror.example/debian/ trixie-updates main",
        "deb http://mirror.example/debian-security trixie-security main",
    ]
    assert own_archive(root) == AptSource(
        "http://mirror.example/debian/", "bookworm", ("main", "non-free"), "/usr/share/keyrings/d.gpg"
    )
    assert [source.suite for source in one_line(LINES)] == ["bookworm"] * 3 + ["bookworm-security"]


def test_deb822_style(tmp_path: Path) -> None:
    root = machine(tmp_path, DEBIAN, debian_sources=STANZAS, readme_txt=LINES)
    assert mirrors("trixie", root) == [
        "deb http://mirror.example/debian trixie main",
        "deb http://mirror.example/debian trixie-updates main",
        "deb https://sec.example/debian-security trixie-security main",
    ]
    assert [(source.suite, source.signed_by) for source in deb822(STANZAS)] == [
        ("bookworm", "/usr/share/keyrings/debian-archive-keyring.gpg"),
        ("bookworm-updates", "/usr/share/keyrings/debian-archive-keyring.gpg"),
        ("bookworm-security", ""),
    ]


def test_ubuntu_has_no_debian_to_give_but_sources_of_its_own(tmp_path: Path) -> None:
    root = machine(tmp_path, UBUNTU, ubuntu_sources=NOBLE)
    assert mirrors("trixie", root) == []
    archive = own_archive(root)
    assert archive is not None and archive.uri == "http://archive.example/ubuntu/"


@pytest.mark.parametrize("text", ["", "deb mirror+file:/etc/apt/mirrors/debian.list bookworm main\n"])
def test_what_is_not_to_be_told_is_left_to_mmdebstrap(tmp_path: Path, text: str) -> None:
    assert mirrors("trixie", machine(tmp_path, DEBIAN, sources_list=text)) == []


def test_a_mirror_that_was_asked_for_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NFVCAP_DEBIAN_MIRROR", "http://mine.example/debian")
    assert mirrors("trixie", tmp_path) == ASKED  # no machine: nothing is known about security updates
    root = machine(tmp_path, DEBIAN, sources_list=LINES)
    security = "deb http://mirror.example/debian-security trixie-security main"
    assert mirrors("trixie", root) == [*ASKED, security]
    monkeypatch.setenv("NFVCAP_DEBIAN_SECURITY_MIRROR", "http://mine.example/sec")
    assert mirrors("trixie", root) == [*ASKED, "deb http://mine.example/sec trixie-security main"]
