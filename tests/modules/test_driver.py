# SPDX-License-Identifier: Apache-2.0
"""Drivers of VFs: bound through driver_override, refused with the reason, rolled back."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from ansible.module_utils.nfvcap_driver import read_binding
from ansible.module_utils.nfvcap_failure import Failure
from ansible.module_utils.nfvcap_outcome import Outcome
from ansible.module_utils.nfvcap_sriov import PfWanted
from ansible.module_utils.nfvcap_vfattr import VfWanted
from ansible.module_utils.nfvcap_vfdriver import set_vf_drivers

from tests.modules.fakecard import PCI, FakeCard, card


@pytest.fixture
def igb(tmp_path: Path) -> FakeCard:
    made = card(tmp_path)
    made._numvfs("2")
    return made


def pf(igb: FakeCard, *drivers: str) -> PfWanted:
    return PfWanted(igb.address, 2, tuple(VfWanted(index, driver=driver) for index, driver in enumerate(drivers)))


def apply(igb: FakeCard, wanted: PfWanted, check: bool = False) -> Outcome:
    outcome = Outcome()
    set_vf_drivers(igb.host, [wanted], [], outcome, check)
    return outcome


def refusal(igb: FakeCard, *drivers: str) -> Failure:
    before = igb.host.tree()
    with pytest.raises(Failure) as caught:
        apply(igb, pf(igb, *drivers))
    assert igb.host.tree() == before
    return caught.value


def override(igb: FakeCard, index: int) -> str | None:
    return read_binding(igb.host, igb.vf(index)).override


def test_to_vfio_and_back(igb: FakeCard) -> None:
    foretold = apply(igb, pf(igb, "vfio-pci", ""), check=True)
    assert apply(igb, pf(igb, "vfio-pci", "")).changes == foretold.changes
    assert igb.drivers() == {0: "vfio-pci", 1: "igbvf"}
    assert override(igb, 0) == "vfio-pci" and override(igb, 1) is None
    igb.host.writes.clear()
    assert not apply(igb, pf(igb, "vfio-pci", "")).changes and not igb.host.writes
    apply(igb, pf(igb, "", ""))
    assert igb.drivers() == {0: "igbvf", 1: "igbvf"} and override(igb, 0) is None


def test_override_comes_before_the_device_is_free(igb: FakeCard) -> None:
    apply(igb, pf(igb, "vfio-pci", ""))
    folder = f"{PCI}/{igb.vf(0)}"
    assert [path for path, _ in igb.host.writes if "numvfs" not in path] == [
        f"{folder}/driver_override", f"{folder}/driver/unbind", "/sys/bus/pci/drivers_probe",
    ]  # fmt: skip


def test_kernel_driver_by_name_needs_no_override(igb: FakeCard) -> None:
    apply(igb, pf(igb, "vfio-pci", ""))
    apply(igb, pf(igb, "igbvf", "igbvf"))
    assert igb.drivers()[0] == "igbvf" and override(igb, 0) is None


def test_former_driver_has_it_again_when_the_new_one_does_not_take_it(igb: FakeCard) -> None:
    def refuse(address: str, driver: str) -> None:
        if driver == "vfio-pci":
            raise OSError(errno.EINVAL, "Invalid argument")

    igb.takes = refuse
    with pytest.raises(Failure) as caught:
        apply(igb, pf(igb, "vfio-pci", ""))
    assert caught.value.code == "NFV-DRV-006"
    assert "igbvf has it again" in caught.value.why
    assert igb.drivers()[0] == "igbvf" and override(igb, 0) is None


def test_a_probe_that_ends_well_without_a_binding_is_noticed(igb: FakeCard) -> None:
    igb.host.reactions["/sys/bus/pci/drivers_probe"] = lambda text: None
    with pytest.raises(Failure) as caught:
        apply(igb, pf(igb, "vfio-pci", ""))
    assert "no driver" in caught.value.why and igb.drivers()[0] == "igbvf"


def test_vf_in_use_is_refused_with_the_name_of_its_user(igb: FakeCard) -> None:
    apply(igb, pf(igb, "vfio-pci", ""))
    igb.hold(0)
    failure = refusal(igb, "", "")
    assert failure.code == "NFV-DRV-007" and "dpdk-testpmd" in failure.why


def test_vf_that_a_guest_borrowed_from_its_kernel_driver_is_as_wanted(igb: FakeCard) -> None:
    apply(igb, pf(igb, "vfio-pci", ""))
    igb.run_guest("vm1", 0)
    assert not apply(igb, pf(igb, "", "")).changes


def test_other_override_of_driverctl_is_respected(igb: FakeCard) -> None:
    igb.host.plant(f"/etc/driverctl.d/pci-{igb.vf(0)}", "uio_pci_generic\n")
    failure = refusal(igb, "vfio-pci", "")
    assert failure.code == "NFV-DRV-002" and "uio_pci_generic" in failure.why
    igb.host.plant(f"/etc/driverctl.d/pci-{igb.vf(0)}", "vfio-pci\n")
    assert apply(igb, pf(igb, "vfio-pci", "")).changes


def test_other_devices_in_the_iommu_group_are_named(igb: FakeCard) -> None:
    igb.group("0000:81:00.1", 40)
    igb.host.link(f"{PCI}/0000:81:00.1/driver", "../../../bus/pci/drivers/ixgbe")
    failure = refusal(igb, "vfio-pci", "")
    assert failure.code == "NFV-DRV-004" and "0000:81:00.1 (ixgbe)" in failure.why


def test_devices_that_go_to_vfio_together_may_share_a_group(igb: FakeCard) -> None:
    igb.group(igb.vf(1), 40)
    assert refusal(igb, "vfio-pci", "").code == "NFV-DRV-004"
    apply(igb, pf(igb, "vfio-pci", "vfio-pci"))
    assert igb.drivers() == {0: "vfio-pci", 1: "vfio-pci"}


def test_driver_that_is_not_loaded_is_an_error_but_only_noted_in_check_mode(igb: FakeCard) -> None:
    for name in igb.host.listdir("/sys/bus/pci/drivers/vfio-pci"):
        igb.host.unlink(f"/sys/bus/pci/drivers/vfio-pci/{name}")
    Path(igb.host.real("/sys/bus/pci/drivers/vfio-pci")).rmdir()
    assert refusal(igb, "vfio-pci", "").code == "NFV-DRV-001"
    outcome = apply(igb, pf(igb, "vfio-pci", ""), check=True)
    assert outcome.changes and "not loaded" in outcome.notes[0]


def test_vfs_that_do_not_exist_yet(igb: FakeCard) -> None:
    wanted = PfWanted(igb.address, 4, tuple(VfWanted(index, driver="vfio-pci") for index in range(4)))
    assert not apply(igb, wanted, check=True).changes
    with pytest.raises(Failure) as caught:
        apply(igb, wanted)
    assert caught.value.code == "NFV-DRV-005"


def test_vf_of_a_card_that_carries_the_default_route(igb: FakeCard) -> None:
    igb.default_routes = [{"dst": "default", "dev": igb.name}]
    assert refusal(igb, "vfio-pci", "").code == "NFV-SRIOV-002"
