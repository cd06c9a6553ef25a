# SPDX-License-Identifier: Apache-2.0
"""Guests through the real libvirt library and its built-in test driver: no machine is started, all else is real."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from ansible.module_utils.nfvcap_failure import Failure
from ansible.module_utils.nfvcap_guestdef import define, entry_id, inactive, restore_guest, undefine
from ansible.module_utils.nfvcap_gueststate import start, state_of, stop
from ansible.module_utils.nfvcap_guestview import view
from ansible.module_utils.nfvcap_ledger import Ledger
from ansible.module_utils.nfvcap_libvirt import connect, find_domain
from ansible.module_utils.nfvcap_outcome import Outcome

from tests.modules.fakehost import FakeHost

URI = "test:///default"
GOLDEN = Path(__file__).resolve().parents[1] / "unit/guest/golden"
_SYSTEM = "/usr/lib/python3/dist-packages"


@pytest.fixture(scope="module", autouse=True)
def libvirt_binding() -> Iterator[None]:
    """The distribution's binding, which a virtual environment does not see; only it comes from there."""
    before = {name: sys.modules.pop(name) for name in ("libvirt", "libvirt_qemu") if name in sys.modules}
    sys.path.append(_SYSTEM)
    if importlib.util.find_spec("libvirt") is None:
        pytest.fail("python3-libvirt is missing, or is for another Python: run tools/install test")
    import libvirt  # noqa: F401

    sys.path.remove(_SYSTEM)
    yield
    for name in ("libvirt", "libvirtmod"):
        sys.modules.pop(name, None)
    sys.modules.update(before)


@pytest.fixture
def connection() -> Iterator[Any]:
    """libvirt's test driver with its one guest; it lasts as long as anybody in this process holds a connection."""
    opened = connect(URI)
    yield opened
    for found in opened.listAllDomains():
        if found.name() != "test":
            if found.isActive():
                found.destroy()
            found.undefine()
    opened.close()


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    made = FakeHost(tmp_path)
    made.plant("/srv/guest.vmlinux")
    made.plant("/srv/guest.initrd")
    return made


def definition(**texts: str) -> str:
    """The golden definition as the test driver takes it, with the text of some elements changed."""
    # The test driver's capabilities know the domain type "test" only.
    tree = ElementTree.fromstring(
        (GOLDEN / "lab.xml").read_text().replace("<domain type='kvm'>", "<domain type='test'>")
    )
    for path, text in texts.items():
        element = tree.find(path.replace("__", "/"))
        assert element is not None
        element.text = text
    return ElementTree.tostring(tree, encoding="unicode")


def wanted(**texts: str) -> dict[str, Any]:
    return {"name": "vm3", "xml": definition(**texts), "disk": None}


def run(host: FakeHost, connection: Any, guest: dict[str, Any], check: bool = False) -> Outcome:
    outcome = Outcome()
    define(host, connection, guest, outcome, check)
    return outcome


def test_a_guest_is_defined_once(host: FakeHost, connection: Any) -> None:
    assert [change["id"] for change in run(host, connection, wanted()).changes] == ["guest:vm3"]
    found = find_domain(connection, "vm3")
    assert found is not None and found.UUIDString() == "26304ac1-21c1-53cd-bee4-02292a29c30c"
    entry = Ledger(host).entry(entry_id("vm3"))
    assert entry is not None and entry["before"] is None
    assert run(host, connection, wanted()).changes == []


def test_check_mode_says_it_and_does_nothing(host: FakeHost, connection: Any) -> None:
    outcome = run(host, connection, wanted(), check=True)
    assert [change["id"] for change in outcome.changes] == ["guest:vm3"] and not outcome.begun
    assert find_domain(connection, "vm3") is None and len(Ledger(host)) == 0


def test_another_plan_is_another_definition(host: FakeHost, connection: Any) -> None:
    run(host, connection, wanted())
    (change,) = run(host, connection, wanted(os__cmdline="console=ttyS0 quiet")).changes
    assert "quiet" in change["after"] and "quiet" not in change["before"]
    assert "quiet" in inactive(find_domain(connection, "vm3"))
    assert run(host, connection, wanted(os__cmdline="console=ttyS0 quiet")).changes == []


def test_what_somebody_edited_is_seen_and_put_right(host: FakeHost, connection: Any) -> None:
    run(host, connection, wanted())
    connection.defineXML(definition(os__cmdline="init=/bin/sh"))
    (change,) = run(host, connection, wanted()).changes
    assert "init=/bin/sh" in change["before"]
    assert "init=/bin/sh" not in inactive(find_domain(connection, "vm3"))


LENT = """<interface type='hostdev' managed='yes'><mac address='02:00:00:81:00:02'/>
<source><address type='pci' domain='0x0000' bus='0x81' slot='0x10' function='0x4'/></source>
<address type='pci' domain='0x0000' bus='0x02' slot='0x00' function='0x0'/></interface>"""


def give_vf(connection: Any) -> None:
    text = inactive(find_domain(connection, "vm3")).replace("</devices>", LENT + "</devices>")
    connection.defineXML(text)


def test_a_vf_is_nobody_s_change_and_outlives_a_new_definition(host: FakeHost, connection: Any) -> None:
    run(host, connection, wanted())
    give_vf(connection)
    assert run(host, connection, wanted()).changes == []
    run(host, connection, wanted(os__cmdline="quiet"))
    (guest,) = view(connection, Ledger(host), ["vm3"], 0)
    assert [(vf["address"], vf["guest_address"], vf["mac"]) for vf in guest["vfs"]] == [
        ("0000:81:10.4", "0000:02:00.0", "02:00:00:81:00:02")
    ]
    assert guest["ours"] and guest["state"] == "off"


def test_a_guest_with_a_vf_is_not_removed(host: FakeHost, connection: Any) -> None:
    run(host, connection, wanted())
    give_vf(connection)
    with pytest.raises(Failure) as caught:
        undefine(host, connection, "vm3", Outcome(), False)
    assert caught.value.code == "NFV-GUEST-022" and find_domain(connection, "vm3") is not None


def test_a_guest_of_others_is_never_redefined_or_removed(host: FakeHost, connection: Any) -> None:
    # The test driver brings a running guest named "test".
    before = inactive(find_domain(connection, "test"))
    for act in (
        lambda: run(host, connection, {**wanted(), "name": "test"}),
        lambda: undefine(host, connection, "test", Outcome(), False),
    ):
        with pytest.raises(Failure) as caught:
            act()
        assert caught.value.code == "NFV-GUEST-020"
    assert inactive(find_domain(connection, "test")) == before and len(Ledger(host)) == 0


def test_a_missing_image_is_named_before_anything_happens(host: FakeHost, connection: Any) -> None:
    host.unlink("/srv/guest.initrd")
    with pytest.raises(Failure) as caught:
        run(host, connection, wanted())
    assert caught.value.code == "NFV-GUEST-021" and "/srv/guest.initrd" in caught.value.what
    assert find_domain(connection, "vm3") is None and len(Ledger(host)) == 0


def test_libvirt_s_own_words_are_told(host: FakeHost, connection: Any) -> None:
    with pytest.raises(Failure) as caught:
        run(host, connection, wanted(memory="many"))
    assert caught.value.code == "NFV-GUEST-004" and "memory" in caught.value.why


def test_start_stop_remove(host: FakeHost, connection: Any) -> None:
    run(host, connection, wanted())
    for check in (True, False):
        outcome = Outcome()
        start(connection, "vm3", outcome, check)
        assert [(change["before"], change["after"]) for change in outcome.changes] == [("off", "running")]
    found = find_domain(connection, "vm3")
    assert state_of(found) == "running"
    start(connection, "vm3", again := Outcome(), False)
    assert again.changes == []
    stop(connection, "vm3", Outcome(), False, timeout_s=5, force=False)
    assert state_of(found) == "off"
    undefine(host, connection, "vm3", Outcome(), False)
    assert find_domain(connection, "vm3") is None and entry_id("vm3") not in Ledger(host)
    undefine(host, connection, "vm3", again := Outcome(), False)
    assert again.changes == []


def test_a_guest_that_does_not_exist(connection: Any) -> None:
    with pytest.raises(Failure) as caught:
        start(connection, "vm9", Outcome(), False)
    assert caught.value.code == "NFV-GUEST-003" and "test" in caught.value.why


def test_deprovision_removes_what_we_made(host: FakeHost, connection: Any) -> None:
    run(host, connection, wanted())
    restore_guest(host, "vm3", Ledger(host).entry(entry_id("vm3")) or {}, URI)
    assert find_domain(connection, "vm3") is None


def test_a_namesake_of_others_survives_deprovision(host: FakeHost, connection: Any) -> None:
    run(host, connection, wanted())
    entry = Ledger(host).entry(entry_id("vm3")) or {}
    find_domain(connection, "vm3").undefine()
    connection.defineXML(definition(uuid="11111111-1111-4111-8111-111111111111"))
    restore_guest(host, "vm3", entry, URI)
    assert find_domain(connection, "vm3") is not None


def test_a_cloud_image_gets_an_overlay_that_is_never_touched_again(host: FakeHost, connection: Any) -> None:
    host.plant("/srv/debian.qcow2")
    disk = {
        "path": "/srv/vm3.qcow2", "base": "/srv/debian.qcow2", "size_bytes": 10 << 30, "seed": "c2VlZA==",
        "seed_path": "/srv/vm3-seed.iso",
    }  # fmt: skip

    def create(argv: list[str]) -> str:
        host.plant(argv[argv.index("-b") + 2], "overlay")
        return ""

    host.answers["qemu-img"] = create
    first = run(host, connection, {**wanted(), "disk": disk})
    assert [change["id"] for change in first.changes] == ["file:/srv/vm3.qcow2", "file:/srv/vm3-seed.iso", "guest:vm3"]
    assert host.read("/srv/vm3-seed.iso") == "seed" and host.read("/srv/vm3.qcow2") == "overlay"
    host.plant("/srv/vm3.qcow2", "the guest's data")
    assert run(host, connection, {**wanted(), "disk": disk}).changes == []
    assert host.read("/srv/vm3.qcow2") == "the guest's data"
    undefine(host, connection, "vm3", Outcome(), False)
    assert (
        not host.exists("/srv/vm3.qcow2") and not host.exists("/srv/vm3-seed.iso") and host.exists("/srv/debian.qcow2")
    )
