# SPDX-License-Identifier: Apache-2.0
"""From the tree to a disk that boots by itself: GPT, an EFI system partition with GRUB, ext4.

No loop device, no mount: the file systems are written by programs out of the tree itself.
"""

from __future__ import annotations

from pathlib import Path

from nfvcap.lab.toolbox import Toolbox
from nfvcap.lab.tree import RECIPE, as_root
from nfvcap.run import run

_MIB = 1024 * 1024
_SECTOR = 512
DISK_BYTES = 16 * 1024 * _MIB
_ESP_START, _ESP_BYTES = 1 * _MIB, 64 * _MIB
_ROOT_START = _ESP_START + _ESP_BYTES
# The backup partition table needs the end of the disk.
_ROOT_BYTES = DISK_BYTES - _ROOT_START - 1 * _MIB
# These also stand in the recipe: fstab, grub-early.cfg, grub-probe, customize.sh.
ROOT_UUID = "6e667663-6170-4000-8000-00006c616221"
_ESP_ID = "4E465643"
_TABLE = f"""label: gpt
label-id: 4e465643-0000-4000-8000-000000000000
start={_ESP_START // _SECTOR}, size={_ESP_BYTES // _SECTOR}, type=uefi, uuid=4e465643-0001-4000-8000-000000000001
start={_ROOT_START // _SECTOR}, size={_ROOT_BYTES // _SECTOR}, type=linux, uuid=4e465643-0002-4000-8000-000000000002
"""
# Enough to find the root file system and read grub.cfg; everything else comes from /boot/grub/x86_64-efi.
_GRUB_MODULES = [
    "part_gpt",
    "ext2",
    "fat",
    "search",
    "search_fs_uuid",
    "search_label",
    "normal",
    "configfile",
    "linux",
    "boot",
    "echo",
    "test",
]
_TIMEOUT_S = 300


def build(tree: Path, disk: Path) -> None:
    """Write the bootable raw disk image (sparse: about half a gigabyte of 16 GiB).

    Args:
        tree: root file system, readable as root.
        disk: file to make; scratch files are made beside it and removed.

    Raises:
        NfvcapError: NFV-RUN-00x when one of the programs fails.
    """
    tools = Toolbox(tree)
    with disk.open("wb") as image:
        image.truncate(DISK_BYTES)
    run(tools.argv("usr/sbin/sfdisk", "--quiet", disk), timeout_s=_TIMEOUT_S, stdin=_TABLE)
    _write_at(disk, _ESP_START, _system_partition(tools, disk.parent))
    words = tools.argv(
        "usr/sbin/mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-L", "nfvcap-root", "-U", ROOT_UUID,
        "-E", f"offset={_ROOT_START},lazy_itable_init=1,lazy_journal_init=1", "-d", tree, disk,
        str(_ROOT_BYTES // 4096),
    )  # fmt: skip
    # Root, because the tree has files that only root may read.
    run(as_root(*words, MKE2FS_CONFIG=str(tools.path("etc/mke2fs.conf"))), timeout_s=_TIMEOUT_S)


def _system_partition(tools: Toolbox, scratch: Path) -> Path:
    """A FAT file system with GRUB at the place where firmware looks on a disk that it does not know."""
    loader, partition, early = scratch / "BOOTX64.EFI", scratch / "esp.img", scratch / "early.cfg"
    # The reader of the embedded configuration knows no comments.
    recipe = (RECIPE / "grub-early.cfg").read_text(encoding="utf-8").splitlines(keepends=True)
    early.write_text("".join(line for line in recipe if not line.startswith("#")), encoding="utf-8")
    run(
        tools.argv(
            "usr/bin/grub-mkimage", "-O", "x86_64-efi", "-d", tools.path("usr/lib/grub/x86_64-efi"),
            "-p", "/boot/grub", "-c", early, "-o", loader, *_GRUB_MODULES,
        ),
        timeout_s=_TIMEOUT_S,
    )  # fmt: skip
    with partition.open("wb") as empty:
        empty.truncate(_ESP_BYTES)
    run(tools.argv("usr/sbin/mkfs.vfat", "-i", _ESP_ID, "-n", "NFVCAP-ESP", partition), timeout_s=_TIMEOUT_S)
    image = str(partition)
    for words in (["mmd", "-i", image, "::EFI", "::EFI/BOOT"], ["mcopy", "-i", image, str(loader), "::EFI/BOOT/"]):
        # mtools reads a configuration of the machine that may forbid what is wanted here.
        run(tools.argv("usr/bin/mtools", "-c", *words), timeout_s=_TIMEOUT_S, env={"MTOOLSRC": "/dev/null"})
    loader.unlink()
    early.unlink()
    return partition


def _write_at(disk: Path, offset: int, part: Path) -> None:
    """Copy a partition into the disk, leaving holes where it is empty; removes the partition's file."""
    with part.open("rb") as source, disk.open("r+b") as target:
        position = offset
        while block := source.read(_MIB):
            if any(block):
                target.seek(position)
                target.write(block)
            position += len(block)
    part.unlink()
