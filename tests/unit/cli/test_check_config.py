# SPDX-License-Identifier: Apache-2.0
"""``nfvcap check-config``: what it prints and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from nfvcap.cli.check_config import check_config
from nfvcap.errors import ExitCode

GOOD = "all:\n  hosts:\n    h1: {nfvcap: {pfs: [{pf: eth0, vfs: 2}]}}\n    h2: {}\n"
BAD = GOOD.replace("vfs: 2", "vfs: 2, drver: vfio-pci").replace("h2: {}", "h2: {nfvcap: {kvm: perhaps}}")


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    return tmp_path / "inventory.yml"


def run(path: Path, *arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(check_config, ["-i", str(path), *arguments], standalone_mode=False)
    assert result.exception is None, result.exception
    return result.return_value, result.stdout, result.stderr


def test_a_good_inventory(inventory: Path) -> None:
    inventory.write_text(GOOD, encoding="utf-8")
    code, out, err = run(inventory)
    assert (code, out) == (ExitCode.OK, "h1: ok, 1 port with 2 VFs, 0 guests, huge pages auto\n")
    assert f"inventory: {inventory}" in err


def test_all_mistakes_with_their_places(inventory: Path) -> None:
    inventory.write_text(BAD, encoding="utf-8")
    code, out, err = run(inventory)
    assert code == ExitCode.USAGE
    assert out.splitlines() == [
        f"{inventory}:3:44: nfvcap.pfs[0].drver: unknown key 'drver' — did you mean driver?",
        f"{inventory}:4:24: nfvcap.kvm: 'perhaps' is not true or false",
    ]
    assert "2 mistakes found" in err


def test_one_host_only(inventory: Path) -> None:
    inventory.write_text(BAD, encoding="utf-8")
    code, out, _ = run(inventory, "h2")
    assert code == ExitCode.USAGE
    assert len(out.splitlines()) == 1


def test_for_programs(inventory: Path) -> None:
    inventory.write_text(BAD, encoding="utf-8")
    code, out, _ = run(inventory, "--format", "json")
    assert code == ExitCode.USAGE
    document = json.loads(out)
    assert not document["ok"]
    assert [(finding["line"], finding["column"]) for finding in document["findings"]] == [(3, 44), (4, 24)]
    inventory.write_text(GOOD, encoding="utf-8")
    document = json.loads(run(inventory, "--format", "json")[1])
    assert document["ok"]
    assert document["intents"]["h1"]["pfs"][0]["vfs"] == 2


def test_nobody_has_the_variable(inventory: Path) -> None:
    inventory.write_text("all: {hosts: {h1: {}}}\n", encoding="utf-8")
    code, out, err = run(inventory)
    assert (code, out) == (ExitCode.OK, "")
    assert "no host of the inventory has the variable nfvcap" in err
