# SPDX-License-Identifier: Apache-2.0
"""Kernel arguments with each boot loader: what is written, what is read back, what is refused, the way back.

The trees are hand-made after Debian 13, Rocky 9, Rocky 8 and openSUSE Leap 15; update-grub is played by a shell that
reads the same files in the same order.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from ansible.module_utils.nfvcap_bootfiles import DROP_IN, edit_defaults, edit_entry
from ansible.module_utils.nfvcap_command import Completed
from ansible.module_utils.nfvcap_failure import Failure
from ansible.module_utils.nfvcap_kernelargs import restore_kernel_args, set_kernel_args
from ansible.module_utils.nfvcap_ledger import Ledger
from ansible.module_utils.nfvcap_outcome import Outcome

from tests.modules.fakehost import FakeHost

WANTED = ["intel_iommu=on", "iommu=pt", "hugepagesz=1G", "hugepages=2", "hugepagesz=2M", "hugepages=512"]
TEXT = f'# ours\nGRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX {" ".join(WANTED)}"\n'
DEFAULTS = """GRUB_DEFAULT=0
GRUB_TIMEOUT=5
GRUB_DISTRIBUTOR=Debian
GRUB_CMDLINE_LINUX_DEFAULT="quiet"
GRUB_CMDLINE_LINUX="console=ttyS0"
"""
MENU = """set default="0"
menuentry 'Debian GNU/Linux' --class debian $menuentry_id_option 'gnulinux-simple-1' {{
\tlinux\t/boot/vmlinuz-6.12.48-amd64 root=UUID=1 ro {line}
\tinitrd\t/boot/initrd.img-6.12.48-amd64
}}
"""
ENTRY = """title Rocky Linux (5.14.0-503.el9.x86_64) 9.5 (Blue Onyx)
version 5.14.0-503.el9.x86_64
linux /vmlinuz-5.14.0-503.el9.x86_64
initrd /initramfs-5.14.0-503.el9.x86_64.img
options root=/dev/mapper/rl-root ro crashkernel=1G-4G:192M rd.lvm.lv=rl/root {extra}
grub_users $grub_users
grub_arg --unrestricted
grub_class rocky
"""


def update_grub(host: FakeHost) -> None:
    """As grub-mkconfig: source /etc/default/grub, then grub.d/*.cfg; arguments of DEFAULT come last."""
    defaults, folder = host.real("/etc/default/grub"), host.real("/etc/default/grub.d")
    script = f'. {defaults}; for x in {folder}/*.cfg; do [ -e "$x" ] && . "$x"; done; '
    script += 'printf %s "$GRUB_CMDLINE_LINUX $GRUB_CMDLINE_LINUX_DEFAULT"'
    line = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout
    host.plant("/boot/grub/grub.cfg", MENU.format(line=line))


@pytest.fixture
def debian(tmp_path: Path) -> FakeHost:
    host = FakeHost(tmp_path)
    host.plant("/etc/default/grub", DEFAULTS)
    host.plant("/usr/sbin/update-grub")
    host.plant("/proc/cmdline", "BOOT_IMAGE=/boot/vmlinuz-6.12.48-amd64 root=UUID=1 ro console=ttyS0 quiet\n")
    host.plant("/boot/grub/grub.cfg")
    update_grub(host)
    host.answers["update-grub"] = lambda words: update_grub(host) or ""
    return host


@pytest.fixture
def rocky(tmp_path: Path) -> FakeHost:
    host = FakeHost(tmp_path)
    for name in ("aa-5.14.0-503.el9.x86_64", "aa-5.14.0-427.el9.x86_64", "aa-0-rescue"):
        host.plant(f"/boot/loader/entries/{name}.conf", ENTRY.format(extra="rhgb quiet"))
    host.plant("/boot/grub2/grub.cfg", 'set default="${saved_entry}"\ninsmod blscfg\nblscfg\n')
    host.plant("/boot/grub2/grubenv", "# GRUB Environment Block\nsaved_entry=aa-5.14.0-503.el9.x86_64\n")
    host.plant("/etc/default/grub", 'GRUB_CMDLINE_LINUX="crashkernel=1G-4G:192M rhgb quiet"\nGRUB_ENABLE_BLSCFG=true\n')
    host.plant("/etc/kernel/cmdline", "root=/dev/mapper/rl-root ro crashkernel=1G-4G:192M rhgb quiet\n")
    host.plant(
        "/proc/cmdline", "BOOT_IMAGE=(hd0,gpt2)/vmlinuz-5.14.0-503.el9.x86_64 root=/dev/mapper/rl-root ro quiet\n"
    )
    return host


def apply(host: FakeHost, wanted: list[str], text: str | None = TEXT, check: bool = False) -> Outcome:
    outcome = Outcome()
    set_kernel_args(host, wanted, text, outcome, check)
    return outcome


def undo(host: FakeHost) -> bool:
    ledger = Ledger(host)
    still = restore_kernel_args(host, ledger)
    ledger.delete()
    for folder in ("/etc/default/grub.d", "/var/lib", "/var"):
        host.remove_folder(folder)
    return still


def test_debian_gets_a_file_of_ours_and_the_loader_passes_it(debian: FakeHost) -> None:
    outcome = apply(debian, WANTED)
    assert debian.read(DROP_IN) == TEXT
    assert debian.read("/etc/default/grub") == DEFAULTS
    assert " ".join(WANTED) in outcome.extra["configured"]
    assert outcome.extra["reboot_required"] is True
    assert debian.commands == [["update-grub"]]


def test_second_run_neither_writes_nor_runs_update_grub(debian: FakeHost) -> None:
    apply(debian, WANTED)
    debian.commands.clear()
    before = debian.tree()
    assert not apply(debian, WANTED).changes
    assert debian.tree() == before and not debian.commands


def test_check_mode_foretells_the_run_and_touches_nothing(debian: FakeHost) -> None:
    before = debian.tree()
    foretold = apply(debian, WANTED, check=True)
    assert debian.tree() == before and not debian.commands
    done = apply(debian, WANTED)
    assert done.changes == foretold.changes
    assert done.extra["reboot_required"] == foretold.extra["reboot_required"]


def test_update_grub_alone_is_run_when_grub_cfg_is_behind(debian: FakeHost) -> None:
    apply(debian, WANTED)
    debian.plant("/boot/grub/grub.cfg", MENU.format(line="console=ttyS0 quiet"))
    debian.commands.clear()
    assert apply(debian, WANTED).changes
    assert debian.commands == [["update-grub"]]


def test_no_reboot_is_due_when_the_running_kernel_has_everything(debian: FakeHost) -> None:
    debian.plant("/proc/cmdline", "BOOT_IMAGE=/boot/vmlinuz root=UUID=1 ro " + " ".join(WANTED))
    assert apply(debian, WANTED).extra["reboot_required"] is False


def test_tokens_that_are_wanted_no_more_go_and_need_a_reboot(debian: FakeHost) -> None:
    apply(debian, WANTED)
    debian.plant("/proc/cmdline", "BOOT_IMAGE=/boot/vmlinuz root=UUID=1 ro " + " ".join(WANTED))
    outcome = apply(debian, ["iommu=pt"], 'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX iommu=pt"\n')
    assert "intel_iommu" not in outcome.extra["configured"] and "iommu=pt" in outcome.extra["configured"]
    assert outcome.extra["reboot_required"] is True


@pytest.mark.parametrize(
    ("line", "named"),
    [("quiet intel_iommu=off", "intel_iommu=off"), ("quiet iommu=off", "iommu=off"), ("isolcpus=1", "isolcpus=1")],
)
def test_arguments_of_the_user_that_would_win_are_reported_before_anything_is_touched(
    debian: FakeHost, line: str, named: str
) -> None:
    debian.plant("/etc/default/grub", DEFAULTS.replace('"quiet"', f'"{line}"'))
    update_grub(debian)
    before = debian.tree()
    with pytest.raises(Failure) as caught:
        apply(debian, [*WANTED, "isolcpus=2-3"])
    assert caught.value.code == "NFV-BOOT-003" and named in caught.value.what
    assert debian.tree() == before


def test_an_earlier_value_of_the_user_loses_by_itself(debian: FakeHost) -> None:
    debian.plant("/etc/default/grub", DEFAULTS.replace("console=ttyS0", "console=ttyS0 isolcpus=1"))
    update_grub(debian)
    outcome = apply(debian, ["isolcpus=2-3"], 'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX isolcpus=2-3"\n')
    assert outcome.extra["configured"].endswith("isolcpus=1 isolcpus=2-3 quiet")


def test_a_loader_that_ignores_the_file_is_found_out(debian: FakeHost) -> None:
    debian.answers["update-grub"] = lambda words: ""
    with pytest.raises(Failure) as caught:
        apply(debian, WANTED)
    assert caught.value.code == "NFV-BOOT-004" and "intel_iommu=on" in caught.value.what


def test_update_grub_that_fails_is_quoted_and_running_again_converges(debian: FakeHost) -> None:
    debian.answers["update-grub"] = lambda words: Completed(words, 1, "", "/boot: No space left on device")
    with pytest.raises(Failure) as caught:
        apply(debian, WANTED)
    assert caught.value.code == "NFV-BOOT-002" and "No space left" in caught.value.why
    debian.answers["update-grub"] = lambda words: update_grub(debian) or ""
    assert apply(debian, WANTED).changes
    assert not apply(debian, WANTED).changes


def test_the_way_back_on_debian_is_byte_for_byte(debian: FakeHost) -> None:
    before = debian.tree()
    apply(debian, WANTED)
    apply(debian, [*WANTED, "nosmt"], TEXT.replace('512"', '512 nosmt"'))
    debian.plant("/proc/cmdline", "BOOT_IMAGE=/boot/vmlinuz root=UUID=1 ro nosmt " + " ".join(WANTED))
    assert undo(debian) is True
    debian.plant("/proc/cmdline", "BOOT_IMAGE=/boot/vmlinuz-6.12.48-amd64 root=UUID=1 ro console=ttyS0 quiet\n")
    # The directory of ours has gone as well: it was not there.
    assert debian.tree() == before


def test_a_stopped_way_back_is_resumed(debian: FakeHost) -> None:
    before = debian.tree()
    apply(debian, WANTED)
    debian.answers["update-grub"] = lambda words: Completed(words, 1, "", "killed")
    with pytest.raises(Failure):
        restore_kernel_args(debian, Ledger(debian))
    debian.answers["update-grub"] = lambda words: update_grub(debian) or ""
    assert undo(debian) is False
    assert debian.tree() == before


def test_loader_entries_of_all_kernels_and_of_those_to_come(rocky: FakeHost) -> None:
    outcome = apply(rocky, WANTED, None)
    for name in ("aa-5.14.0-503.el9.x86_64", "aa-5.14.0-427.el9.x86_64", "aa-0-rescue"):
        text = rocky.read(f"/boot/loader/entries/{name}.conf") or ""
        assert f"rl/root rhgb quiet {' '.join(WANTED)}\n" in text
        assert text.count("\n") == ENTRY.count("\n") and text.startswith("title Rocky")
    assert (rocky.read("/etc/kernel/cmdline") or "").endswith("rhgb quiet " + " ".join(WANTED) + "\n")
    assert f'rhgb quiet {" ".join(WANTED)}"\n' in (rocky.read("/etc/default/grub") or "")
    assert " ".join(WANTED) in outcome.extra["configured"]
    assert not apply(rocky, WANTED, None).changes


def test_the_way_back_with_loader_entries(rocky: FakeHost) -> None:
    before = rocky.tree()
    apply(rocky, WANTED, None)
    # In the meantime a kernel was installed (with our arguments), one removed, and the user added an argument of his.
    path = "/boot/loader/entries/aa-5.14.0-999.el9.x86_64.conf"
    rocky.plant(path, ENTRY.format(extra="rhgb quiet " + " ".join(WANTED)))
    rocky.unlink("/boot/loader/entries/aa-5.14.0-427.el9.x86_64.conf")
    defaults = rocky.read("/etc/default/grub") or ""
    rocky.plant("/etc/default/grub", defaults.replace("rhgb quiet", "rhgb quiet audit=0"))
    undo(rocky)
    assert rocky.read(path) == ENTRY.format(extra="rhgb quiet")
    assert not rocky.exists("/boot/loader/entries/aa-5.14.0-427.el9.x86_64.conf")
    assert 'GRUB_CMDLINE_LINUX="crashkernel=1G-4G:192M rhgb quiet audit=0"' in (rocky.read("/etc/default/grub") or "")
    after = rocky.tree()
    for name in ("/etc/kernel/cmdline", "/boot/loader/entries/aa-0-rescue.conf"):
        assert after[name] == before[name]


def test_an_argument_that_the_user_had_before_us_stays(rocky: FakeHost) -> None:
    for name in ("aa-5.14.0-503.el9.x86_64", "aa-5.14.0-427.el9.x86_64", "aa-0-rescue"):
        rocky.plant(f"/boot/loader/entries/{name}.conf", ENTRY.format(extra="iommu=pt"))
    apply(rocky, WANTED, None)
    rocky.plant("/boot/loader/entries/aa-0-rescue.conf", ENTRY.format(extra="audit=1 " + " ".join(WANTED)))
    undo(rocky)
    assert "audit=1 iommu=pt\n" in (rocky.read("/boot/loader/entries/aa-0-rescue.conf") or "")


def test_variables_of_rhel_8_are_written_by_grub2_mkconfig(rocky: FakeHost) -> None:
    for name in rocky.listdir("/boot/loader/entries"):
        rocky.plant(f"/boot/loader/entries/{name}", "linux /vmlinuz-4.18\noptions $kernelopts $tuned_params\n")

    def mkconfig(words: list[str]) -> str:
        line = (rocky.read("/etc/default/grub") or "").split('"')[1]
        rocky.plant(
            "/boot/grub2/grubenv", f"saved_entry=aa-5.14.0-503.el9.x86_64\nkernelopts=root=/dev/sda ro {line}\n"
        )
        return ""

    rocky.answers["grub2-mkconfig"] = mkconfig
    assert " ".join(WANTED) in apply(rocky, WANTED, None).extra["configured"]
    assert rocky.commands == [["grub2-mkconfig", "-o", "/boot/grub2/grub.cfg"]]


def test_plain_grub_of_suse(tmp_path: Path) -> None:
    host = FakeHost(tmp_path)
    host.plant("/etc/default/grub", 'GRUB_CMDLINE_LINUX=""\nGRUB_CMDLINE_LINUX_DEFAULT="quiet"\n')
    host.plant("/boot/grub2/grub.cfg", MENU.format(line="quiet"))
    host.plant("/proc/cmdline", "BOOT_IMAGE=/boot/vmlinuz quiet\n")
    line = lambda: (host.read("/etc/default/grub") or "").split('"')[1]  # noqa: E731
    host.answers["grub2-mkconfig"] = lambda words: host.plant(words[-1], MENU.format(line=f"{line()} quiet")) or ""
    apply(host, WANTED, None)
    assert line() == " ".join(WANTED)


def test_unknown_loader_says_what_to_do_by_hand(tmp_path: Path) -> None:
    host = FakeHost(tmp_path)
    host.plant("/proc/cmdline", "root=/dev/vda\n")
    with pytest.raises(Failure) as caught:
        apply(host, WANTED)
    assert caught.value.code == "NFV-BOOT-001" and " ".join(WANTED) in caught.value.fix
    assert not apply(host, [], None).changes


def test_the_original_is_recorded_before_the_file_is_written(debian: FakeHost) -> None:
    def fail(path: str, data: bytes, mode: int = 0o644) -> None:
        if path == DROP_IN:
            raise OSError(28, "No space left on device")
        FakeHost.replace(debian, path, data, mode)

    debian.replace = fail  # type: ignore[method-assign]
    with pytest.raises(Failure) as caught:
        apply(debian, WANTED)
    assert caught.value.code == "NFV-BOOT-002"
    entry = json.loads(debian.read("/var/lib/nfvcap/ledger.json") or "")["entries"]["kernel-args"]
    assert entry["before"]["files"] == {DROP_IN: None}
    assert "hugepagesz=1G hugepages=2" in entry["added"]


@pytest.mark.parametrize("quote", ['"', "'"])
def test_defaults_are_edited_in_place(quote: str) -> None:
    text = f"# comment\nGRUB_CMDLINE_LINUX={quote}rhgb{quote}\nOTHER=1\n"
    assert (
        edit_defaults(text, ["iommu=pt"], ["rhgb"])
        == f"# comment\nGRUB_CMDLINE_LINUX={quote}iommu=pt{quote}\nOTHER=1\n"
    )
    assert edit_defaults("OTHER=1\n", ["a=b"], []) == 'OTHER=1\nGRUB_CMDLINE_LINUX="a=b"\n'
    assert edit_defaults(text, [], ["a=b"]) == text


def test_entry_without_options_gets_them() -> None:
    assert edit_entry("title x\nlinux /v\n", ["a=b"], []) == "title x\nlinux /v\noptions a=b\n"
