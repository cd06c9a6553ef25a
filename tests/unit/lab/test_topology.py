# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from nfvcap.lab.topology import PORTS, Machine, Paths, arguments


@pytest.fixture
def words() -> list[str]:
    return arguments(Machine("x", Paths(Path("/labs/x")), "tcg", Path("/fw.fd")))


def test_each_node_has_cores_memory_and_a_port(words: list[str]) -> None:
    nodes = [word for word in words if word.startswith("node,")]
    assert nodes == ["node,nodeid=0,memdev=memory0,cpus=0-4", "node,nodeid=1,memdev=memory1,cpus=5-9"]
    assert [(port.address, port.node) for port in PORTS] == [("0000:41:00.0", 0), ("0000:81:00.0", 1)]
    assert sum(word.startswith("igb,") for word in words) == 2


def test_the_iommu_comes_before_every_other_device(words: list[str]) -> None:
    devices = [words[index + 1] for index, word in enumerate(words) if word == "-device"]
    assert devices[0].startswith("intel-iommu,")


def test_every_bridge_hangs_on_the_root_bus(words: list[str]) -> None:
    bridges = [word for word in words if word.startswith("pxb-pcie,")]
    assert len(bridges) == 2
    assert all("bus=pcie.0" in bridge for bridge in bridges)


def test_it_boots_from_its_own_disk(words: list[str]) -> None:
    assert not {"-kernel", "-append", "-initrd"} & set(words)
    assert any("bootindex=0" in word for word in words)


def test_ssh_is_reached_from_this_machine_only(words: list[str]) -> None:
    assert "user,id=management,hostfwd=tcp:127.0.0.1:0-10.0.2.15:22" in words


def test_a_comma_in_a_path_does_not_split_an_option() -> None:
    words = arguments(Machine("x", Paths(Path("/la,bs/x")), "kvm", Path("/f,w.fd")))
    assert any("file=/f,,w.fd" in word for word in words)
    assert any("file.filename=/la,,bs/x/disk.qcow2" in word for word in words)


@pytest.mark.parametrize(
    ("accelerator", "model"),
    [("kvm", "host,la57=off"), ("tcg", "max,la57=off,monitor=off,x2apic=off")],
)
def test_the_processor_fits_the_accelerator(accelerator: str, model: str) -> None:
    words = arguments(Machine("x", Paths(Path("/l")), accelerator, Path("/f")))
    assert words[words.index("-cpu") + 1] == model
    assert words[words.index("-accel") + 1].startswith(accelerator)
