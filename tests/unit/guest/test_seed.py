# SPDX-License-Identifier: Apache-2.0
"""The medium for cloud-init, read back by a reader of its own (a lab test has the kernel read it)."""

from __future__ import annotations

import json
import struct

import yaml

from nfvcap.guest.iso import image
from nfvcap.guest.seed import medium, meta_data, user_data
from nfvcap.model.plan import GuestBoot, GuestMachine

KEY = 'ssh-ed25519 AAAA= me "quoted"'
MACHINE = GuestMachine(
    uuid="26304ac1-21c1-53cd-bee4-02292a29c30c", cpu="host-passthrough", viommu=True, vf_slots=("0000:01:00.0",),
    network=None, kernel_args=("intel_iommu=on", "hugepages=64"),
    boot=GuestBoot(kernel=None, initrd=None, disk="/srv/debian.qcow2", size_bytes=None, ssh_keys=(KEY,)),
)  # fmt: skip


def read(iso: bytes) -> dict[str, bytes]:
    """Name → content of the root directory, after ECMA-119."""
    volume = iso[16 * 2048 : 17 * 2048]
    assert volume[:8] == b"\1CD001\1\0"
    at, size = struct.unpack_from("<I", volume, 156 + 2)[0] * 2048, struct.unpack_from("<I", volume, 156 + 10)[0]
    found, end = {}, at + size
    while at < end and iso[at]:
        sector, length = struct.unpack_from("<I", iso, at + 2)[0], struct.unpack_from("<I", iso, at + 10)[0]
        name = iso[at + 33 : at + 33 + iso[at + 32]]
        if not iso[at + 25] & 2:
            found[name.decode().removesuffix(";1").lower()] = iso[sector * 2048 : sector * 2048 + length]
        at += iso[at]
    return found


def test_files_come_back() -> None:
    files = {"a": b"", "user-data": b"x" * 5000, "z": b"end"}
    assert read(image("CIDATA", files)) == files


def test_the_volume_is_found_by_its_label() -> None:
    assert medium("vm3", MACHINE)[16 * 2048 + 40 : 16 * 2048 + 72].decode().strip() == "CIDATA"


def test_user_data_says_what_the_plan_says() -> None:
    text = user_data("vm3", MACHINE)
    assert text.startswith("#cloud-config\n")
    wanted = yaml.safe_load(text)
    assert wanted["ssh_authorized_keys"] == [KEY]
    assert (
        wanted["write_files"][0]["content"] == 'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX intel_iommu=on hugepages=64"\n'
    )
    assert "qemu-guest-agent" in wanted["packages"] and wanted["power_state"]["mode"] == "reboot"


def test_nothing_to_tell_the_kernel_needs_no_reboot() -> None:
    wanted = yaml.safe_load(user_data("vm3", MACHINE.model_copy(update={"kernel_args": ()})))
    assert "power_state" not in wanted and "write_files" not in wanted


def test_other_kernel_arguments_make_another_instance() -> None:
    other = MACHINE.model_copy(update={"kernel_args": ("hugepages=32",)})
    assert json.loads(meta_data("vm3", MACHINE))["instance-id"] != json.loads(meta_data("vm3", other))["instance-id"]
