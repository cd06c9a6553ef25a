# SPDX-License-Identifier: Apache-2.0
"""Copies of guests on VirtIO: which interface of the host is whose, where a filter hangs, what is refused.

Made by hand after what libvirt keeps in /run/libvirt/qemu of a running guest.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible.module_utils.nfvcap_failure import Failure
from ansible.module_utils.nfvcap_mirror import add_rule, remove_rules
from ansible.module_utils.nfvcap_mirror_rule import GUEST_NIC, INTERFACE, VF, Place, Request, Rule
from ansible.module_utils.nfvcap_mirror_software import BACKEND, device_of, hook_of, tap_of
from ansible.module_utils.nfvcap_outcome import Outcome

from tests.modules.fakeswitch import FakeSwitch, representor
from tests.modules.mirrorhost import MirrorHost

MAC, OTHER_MAC = "52:54:00:00:00:08", "52:54:00:00:00:09"
NETWORK = "<interface type='network'><mac address='{mac}'/><source network='default'/>{target}</interface>"
DIRECT = (
    "<interface type='direct'><mac address='{mac}'/><source dev='eno1' mode='bridge'/>{target}<model type='virtio'/>"
    "</interface>"
)
MONITOR = Place(INTERFACE, interface="m0")
GUEST = Place(GUEST_NIC, guest="vm8", mac=MAC, label="vm8")


class Host(MirrorHost):
    """A card in switchdev mode, whose guests may also have interfaces on the host."""

    def __init__(self, tree: Path, monkeypatch: pytest.MonkeyPatch, driver: str = "igb", device: str = "10c9") -> None:
        super().__init__(tree, monkeypatch, driver, device)
        self.switch = FakeSwitch(self.card)
        self.interface("m0", "veth")

    def interface(self, name: str, kind: str) -> None:
        self.card.extra_links.append({"ifname": name, "linkinfo": {"info_kind": kind}})
        self.host.plant(f"/sys/class/net/{name}/flags", "0x1003\n")

    def lose(self, name: str) -> None:
        """An interface is deleted, and what hangs at it."""
        self.card.extra_links[:] = [link for link in self.card.extra_links if link["ifname"] != name]
        self.host.unlink(f"/sys/class/net/{name}/flags")
        Path(self.host.real(f"/sys/class/net/{name}")).rmdir()
        self.switch.clsact.discard(name)
        for hook in ("ingress", "egress"):
            self.switch.filters.pop((name, hook), None)

    def run(self, *nics: tuple[str, str, str], name: str = "vm8") -> None:
        """A guest runs: (form of the interface, address, device on the host or nothing)."""
        text = "".join(
            form.format(mac=mac, target=f"<target dev='{device}'/>" if device else "") for form, mac, device in nics
        )
        state = f"<domstatus state='running' pid='900'><domain type='kvm'><name>{name}</name>"
        self.host.plant(f"/run/libvirt/qemu/{name}.xml", f"{state}<devices>{text}</devices></domain></domstatus>")

    def add_rule(self, monitor: Place, *sources: Place, pf: str = "", direction: str = "") -> Rule:
        add_rule(self.host, Request(pf, monitor, sources, direction), Outcome(), False, who="alice")
        return self.rules()[-1]

    def refused(self, monitor: Place, *sources: Place, pf: str = "") -> Failure:
        before = self.everything()
        with pytest.raises(Failure) as caught:
            self.add_rule(monitor, *sources, pf=pf)
        assert caught.value.code == "NFV-MIRROR-001" and self.everything() == before
        return caught.value

    def remove(self) -> None:
        remove_rules(self.host, [], None, Outcome(), check=False)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path, monkeypatch)


def test_the_tap_of_a_guest_is_found_by_its_address(host: Host) -> None:
    assert tap_of(host.host, "vm8", MAC) == "", "it is off"
    host.run((NETWORK, MAC, "vnet3"))
    assert tap_of(host.host, "vm8", MAC.upper()) == "vnet3" and tap_of(host.host, "vm8", OTHER_MAC) == ""
    assert tap_of(host.host, "vm8", "") == "vnet3", "its only one needs no name"
    host.run((NETWORK, MAC, "vnet3"), (DIRECT, OTHER_MAC, "macvtap0"))
    assert tap_of(host.host, "vm8", OTHER_MAC) == "macvtap0"
    assert tap_of(host.host, "vm8", "") == "", "one of two is not guessed"
    host.run((NETWORK, MAC, ""), (NETWORK, OTHER_MAC, "vnet4"))
    assert tap_of(host.host, "vm8", MAC) == "" and tap_of(host.host, "vm8", "") == "vnet4"


def test_a_state_that_libvirt_is_just_writing_is_no_tap(host: Host) -> None:
    host.host.plant("/run/libvirt/qemu/vm8.xml", "<domstatus><domain><devices><interf")
    assert tap_of(host.host, "vm8", MAC) == ""


def test_what_leads_to_a_place(host: Host) -> None:
    host.run((NETWORK, MAC, "vnet3"))
    assert device_of(host.host, GUEST) == "vnet3" and device_of(host.host, MONITOR) == "m0"
    assert device_of(host.host, Place(VF, 2), host.pf) == representor(2)
    assert device_of(host.host, Place(VF, 2)) == "", "of no port"
    host.switch.missing.add(2)
    assert device_of(host.host, Place(VF, 2), host.pf) == ""


@pytest.mark.parametrize(
    ("form", "device", "kind", "sends", "receives"),
    [(NETWORK, "vnet3", "tun", "ingress", "egress"), (DIRECT, "macvtap0", "macvtap", "egress", "ingress")],
    ids=["tap", "macvtap"],
)
def test_both_directions_of_a_guest(host: Host, form: str, device: str, kind: str, sends: str, receives: str) -> None:
    host.run((form, MAC, device))
    host.interface(device, kind)
    assert (hook_of(host.host, device, "out"), hook_of(host.host, device, "in")) == (sends, receives)
    assert host.add_rule(MONITOR, GUEST).direction == "both"
    copy = [("all", [("mirror", "m0")])]
    assert host.switch.standing() == {(device, sends): copy, (device, receives): copy}
    assert not any("skip_sw" in words for words in host.host.commands), "no card has a part in it"
    host.remove()
    assert not host.switch.standing() and not host.switch.clsact
    host.add_rule(MONITOR, GUEST, direction="out")
    assert host.switch.standing() == {(device, sends): copy}


def test_a_macvtap_is_known_by_its_folder_where_ip_does_not_tell_kinds(host: Host) -> None:
    host.interface("macvtap0", "")
    host.host.plant("/sys/class/net/macvtap0/macvtap/tap9/dev", "240:9\n")
    assert hook_of(host.host, "macvtap0", "out") == "egress"


def test_a_guest_that_starts_again_has_another_tap_and_the_same_rule(host: Host) -> None:
    host.run((NETWORK, MAC, "vnet3"))
    host.interface("vnet3", "tun")
    rule = host.add_rule(MONITOR, GUEST)
    host.lose("vnet3")
    host.host.unlink("/run/libvirt/qemu/vm8.xml")
    assert BACKEND.lacking(host.host, rule) == ["a watched interface, or the monitor's, does not exist now"]
    host.run((NETWORK, MAC, "vnet7"))
    host.interface("vnet7", "tun")
    assert any("vnet7" in words for words in BACKEND.lacking(host.host, rule))
    BACKEND.add(host.host, rule)
    assert not BACKEND.lacking(host.host, rule)
    assert set(host.switch.standing()) == {("vnet7", "ingress"), ("vnet7", "egress")}
    host.remove()
    assert not host.switch.standing() and not host.switch.clsact, "also the hooks that were made since"


def test_hooks_that_the_tap_had_already_stay(host: Host) -> None:
    host.run((NETWORK, MAC, "vnet3"))
    host.interface("vnet3", "tun")
    host.switch.clsact.add("vnet3")
    host.add_rule(MONITOR, GUEST)
    host.remove()
    assert host.switch.clsact == {"vnet3"}


def test_a_bridge_is_refused_with_its_ports_named(host: Host) -> None:
    host.interface("br0", "bridge")
    for port in ("vnet3", "vnet4"):
        host.host.plant(f"/sys/class/net/br0/brif/{port}/state", "3\n")
    failure = host.refused(MONITOR, Place(INTERFACE, interface="br0"))
    assert "software: br0 is a bridge, whose own interface sees only frames of the host itself" in failure.why
    assert "name its ports: vnet3, vnet4 (software)" in failure.fix


def test_a_bridge_of_open_vswitch_is_refused_with_the_command_that_names_its_ports(host: Host) -> None:
    host.interface("ovsbr0", "openvswitch")
    assert "`ovs-vsctl list-ports ovsbr0`" in host.refused(MONITOR, Place(INTERFACE, interface="ovsbr0")).fix


def test_a_vf_with_a_representor_may_be_the_monitor(host: Host) -> None:
    host.run((NETWORK, MAC, "vnet3"))
    host.interface("vnet3", "tun")
    host.interface(representor(2), "")
    rule = host.add_rule(Place(VF, 2, label="vm3"), GUEST, pf=host.pf, direction="in")
    assert rule.backend == "software"
    assert host.switch.standing() == {("vnet3", "egress"): [("all", [("mirror", representor(2))])]}
    host.remove()
    host.switch.missing.add(2)
    failure = host.refused(Place(VF, 2, label="vm3"), GUEST, pf=host.pf)
    assert "vm3 (vf2) has no interface on the host that frames could be sent to" in failure.why
    assert "a VF with a representor" in failure.fix


def test_a_guest_may_be_the_monitor_of_another(host: Host) -> None:
    host.run((NETWORK, MAC, "vnet3"))
    host.run((NETWORK, OTHER_MAC, "vnet4"), name="vm9")
    for name in ("vnet3", "vnet4"):
        host.interface(name, "tun")
    host.add_rule(Place(GUEST_NIC, guest="vm9", label="vm9"), GUEST, direction="in")
    assert host.switch.standing() == {("vnet3", "egress"): [("all", [("mirror", "vnet4")])]}


def test_a_guest_that_is_off_and_copies_of_copies_are_refused(host: Host) -> None:
    failure = host.refused(MONITOR, GUEST)
    assert f"vm8 (vm8 ({MAC})) has no interface on the host now" in failure.why and "start the guest" in failure.fix
    host.run((NETWORK, MAC, "vnet3"))
    host.interface("vnet3", "tun")
    why = host.refused(Place(INTERFACE, interface="vnet3"), GUEST).why
    assert "vnet3 would get copies of its own frames" in why, "two names, one interface"


@pytest.mark.parametrize(("driver", "device"), [("igb", "10c9"), ("i40e", "1572"), ("ixgbe", "10fb"), ("ice", "1592")])
def test_an_interface_of_the_host_cannot_be_the_monitor_of_a_vf(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, driver: str, device: str
) -> None:
    host = Host(tmp_path, monkeypatch, driver, device)
    host.switch.mode = "legacy" if driver != "ice" else "switchdev"
    why = host.refused(MONITOR, Place(VF, 0), pf=host.pf).why
    assert "software: it copies from tap, macvtap and other interfaces of the host, not from VFs" in why
    assert why.count("it copies between VFs of one PF only") >= 3
