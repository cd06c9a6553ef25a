# SPDX-License-Identifier: Apache-2.0
"""How a source of frames is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from nfvcap.agent import build
from nfvcap.errors import NfvcapError
from nfvcap.inventory import Inventory, load
from nfvcap.mirror.generator import Generator
from nfvcap.mirror.sender import LabWire, source

INVENTORY = """
all:
  hosts:
    host1: {}
    host2: {ansible_host: 192.0.2.7, ansible_user: root, ansible_port: 2222}
"""
PF = "0000:81:00.0"


@pytest.fixture
def inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Inventory:
    monkeypatch.setattr(build, "locate", lambda: Path("/bin/true"))
    (tmp_path / "hosts.yml").write_text(INVENTORY)
    return load((tmp_path / "hosts.yml",))


@pytest.mark.parametrize(
    ("words", "port", "prefix"),
    [
        ("host2:ens1f0", "af_packet:ens1f0", ("ssh", "root@192.0.2.7")),
        ("host2:0000:41:00.0", "0000:41:00.0", ("ssh", "2222")),
        ("agent:ens5", "af_packet:ens5", ()),
        ("agent:af_xdp:ens5", "af_xdp:ens5", ()),
    ],
)
def test_a_port_of_a_machine(inventory: Inventory, words: str, port: str, prefix: tuple[str, ...]) -> None:
    found = source(words, PF, inventory)
    assert isinstance(found, Generator) and found._port == port
    assert set(prefix) <= set(found._door.prefix) and bool(prefix) is bool(found._door.prefix)  # type: ignore[attr-defined]


def test_the_wire_of_a_lab(inventory: Inventory) -> None:
    assert isinstance(source("lab", PF, inventory), LabWire) and isinstance(source("lab:two", PF, inventory), LabWire)


@pytest.mark.parametrize("words", ["host3:ens1f0", "host2", "host2:", "agent:", "", "vm1"])
def test_what_is_none(inventory: Inventory, words: str) -> None:
    with pytest.raises(NfvcapError) as caught:
        source(words, PF, inventory)
    assert caught.value.code == "NFV-MIRROR-032" and "host2" in caught.value.fix


def test_a_port_that_no_wire_of_a_lab_leads_to(inventory: Inventory) -> None:
    with pytest.raises(NfvcapError, match="no wire to"):
        source("lab", "0000:05:00.0", inventory)
