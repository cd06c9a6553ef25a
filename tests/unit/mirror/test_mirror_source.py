# SPDX-License-Identifier: Apache-2.0
"""How a source of frames is named, for mirroring and for verification alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from nfvcap.agent import build
from nfvcap.errors import NfvcapError
from nfvcap.inventory import Inventory, load
from nfvcap.mirror.generator import Generator
from nfvcap.mirror.sender import LabWire, source
from nfvcap.verify.packets.sources.origin import Origin, origin

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
    named = origin(words, inventory)
    assert (named.kind, named.what, named.label) == ("agent", port, "performance")
    assert (named.door is None) is (prefix == ()) and set(prefix) <= set(named.door.prefix if named.door else ())
    found = source(named, PF)
    assert isinstance(found, Generator) and found._port == port and found._door.prefix[:1] == prefix[:1]


def test_the_wire_of_a_lab(inventory: Inventory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NFVCAP_LAB", raising=False)
    assert origin("lab", inventory) == Origin("lab", "lab") and origin("lab:two", inventory).what == "two"
    assert origin("lab", inventory).label == "functional"
    monkeypatch.setenv("NFVCAP_LAB", "three")
    assert origin("lab", inventory).what == "three" and origin("lab:two", inventory).what == "two"
    assert isinstance(source(origin("lab:two", inventory), PF), LabWire)


@pytest.mark.parametrize("words", ["host3:ens1f0", "host2", "host2:", "agent", "agent:", "", "vm1", "trunk"])
def test_what_is_none(inventory: Inventory, words: str) -> None:
    with pytest.raises(NfvcapError) as caught:
        origin(words, inventory)
    assert caught.value.code == "NFV-PKT-211" and "host2" in caught.value.fix


def test_a_port_that_no_wire_of_a_lab_leads_to(inventory: Inventory) -> None:
    with pytest.raises(NfvcapError, match="no wire of a lab leads to") as caught:
        source(origin("lab", inventory), "0000:05:00.0")
    assert caught.value.code == "NFV-PKT-211"
