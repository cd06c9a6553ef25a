# SPDX-License-Identifier: Apache-2.0
"""grub.cfg and BLS entries are read as GRUB would: which entry is the default, what it passes to Linux."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible.module_utils.nfvcap_bls import default_entry, entry_command_line, order, parse_entry
from ansible.module_utils.nfvcap_bootloader import read_cmdline
from ansible.module_utils.nfvcap_grub import choose, command_line, default_name, environment, menu

from tests.fixtures.tree import PlantedMachine, host

MENU = """
function load_video {
  insmod all_video
}
menuentry 'First' $menuentry_id_option 'id-first' {
	linux	/vmlinuz-1 root=a first
}
submenu "Older ones" $menuentry_id_option 'id-older' {
	menuentry 'It'\\''s two' --id id-two {
		load_video
		linux	/vmlinuz-2 root=a two
	}
	menuentry 'Three' $menuentry_id_option 'id-three' {
		linuxefi	/vmlinuz-3 root=a three
	}
}
menuentry 'Firmware' {
	fwsetup
}
"""


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("0", "First"),
        ("1>1", "Three"),
        ("1>0", "It's two"),
        ("1", "It's two"),
        ("2", "Firmware"),
        ("First", "First"),
        ("id-older>id-three", "Three"),
        ("Older ones>It's two", "It's two"),
        ("no such entry", "First"),
        ("9", "First"),
        ("", "First"),
    ],
)
def test_default_by_number_title_or_id(name: str, title: str) -> None:
    entry = choose(menu(MENU), name)
    assert entry is not None and entry.title == title


def test_an_empty_menu_has_no_default() -> None:
    assert choose(menu(""), "0") is None


SAVED = 'if [ "${next_entry}" ] ; then\n  set default="${next_entry}"\nelse\n  set default="${saved_entry}"\nfi\n'


@pytest.mark.parametrize(
    ("config", "env", "name"),
    [
        ('set default="0"', "", "0"),
        (SAVED, "saved_entry=id-two", "id-two"),
        (SAVED, "saved_entry=id-two\nnext_entry=1>1", "1>1"),
        (SAVED, "next_entry=", ""),
        ('set default="2"', "next_entry=1", "2"),
        ("", "saved_entry=x", "0"),
    ],
)
def test_what_default_is_set_to(config: str, env: str, name: str) -> None:
    assert default_name(config, environment(env)) == name


def test_variables_are_filled_in_and_quotes_kept() -> None:
    linux = "/vmlinuz root=a quiet $vt_handoff ${extra} \"dyndbg=file x +p\" 'k=v w'"
    assert command_line(linux, {"extra": "one two"}) == (
        'BOOT_IMAGE=/vmlinuz root=a quiet one two dyndbg="file x +p" k="v w"'
    )


def test_a_command_line_with_one_quote() -> None:
    assert command_line("/vmlinuz it's", {}) == "BOOT_IMAGE=/vmlinuz it's"


ENTRIES = {
    "m-0-rescue-m.conf": {"title": "Rescue", "linux": "/r"},
    "m-5.14.0-70.el9.x86_64.conf": {"title": "Old", "linux": "/o"},
    "m-5.14.0-162.6.1.el9_1.x86_64.conf": {"title": "New", "linux": "/n"},
}


def test_versions_are_compared_as_numbers() -> None:
    assert order(list(ENTRIES)) == [
        "m-5.14.0-162.6.1.el9_1.x86_64.conf",
        "m-5.14.0-70.el9.x86_64.conf",
        "m-0-rescue-m.conf",
    ]


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("0", "New"),
        ("1", "Old"),
        ("m-5.14.0-70.el9.x86_64", "Old"),
        ("Rescue", "Rescue"),
        ("gone", "New"),
        ("7", "New"),
    ],
)
def test_default_of_bls_entries(name: str, title: str) -> None:
    chosen = default_entry(ENTRIES, name)
    assert chosen is not None and ENTRIES[chosen]["title"] == title


def test_several_options_lines_are_one() -> None:
    entry = parse_entry("# c\ntitle A B\nlinux /v\noptions a=1 $kernelopts\noptions b=2\n")
    assert entry_command_line(entry, {"kernelopts": "root=x ro"}) == "BOOT_IMAGE=/v a=1 root=x ro b=2"


def test_systemd_boot_is_named_and_not_taken_for_grub(tmp_path: Path) -> None:
    machine = host("ixgbe", tmp_path)
    info = b"\x06\0\0\0" + "systemd-boot 252.22".encode("utf-16-le")
    machine.put("/sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f", info)
    assert read_cmdline(machine)["boot_loader"] == "unknown"
    assert any("systemd-boot" in note for note in machine.problems)


def test_a_kernel_that_grub_did_not_start_is_noted(tmp_path: Path) -> None:
    machine = host("ixgbe", tmp_path)
    machine.put("/proc/cmdline", "root=/dev/vda ro\n")
    read_cmdline(machine)
    assert any("no BOOT_IMAGE=" in note for note in machine.problems)


def test_entries_without_a_grub_that_reads_them(tmp_path: Path) -> None:
    """Debian with kernel-install around: entries exist, GRUB's menu is what counts."""
    machine = host("ixgbe", tmp_path)
    machine.put("/boot/loader/entries/x.conf", "linux /x\noptions y\n")
    assert read_cmdline(machine)["boot_loader"] == "grub"


def test_the_real_grub_cfg_on_the_efi_partition(tmp_path: Path) -> None:
    machine = PlantedMachine(tmp_path)
    machine.put("/boot/efi/EFI/BOOT/grub.cfg", "search x\nconfigfile y\n")
    machine.put("/boot/efi/EFI/centos/grub.cfg", MENU)
    found = read_cmdline(machine)
    assert (found["config_source"], found["configured"]) == (
        "/boot/efi/EFI/centos/grub.cfg",
        "BOOT_IMAGE=/vmlinuz-1 root=a first",
    )


def test_a_default_entry_without_linux(tmp_path: Path) -> None:
    machine = PlantedMachine(tmp_path)
    machine.put("/boot/grub/grub.cfg", 'set default="2"\n' + MENU)
    assert (read_cmdline(machine)["configured"], read_cmdline(machine)["boot_loader"]) == (None, "grub")
