# SPDX-License-Identifier: Apache-2.0
"""Where each boot loader keeps kernel arguments: which files get which text, and what has to run afterwards.

A loader is one class and one line in :data:`LOADERS`. Files that people edit are changed token by token and stay
otherwise as they are. ``grubby`` is not used: it replaces arguments by key, which tears pairs such as
``hugepagesz=1G hugepages=4 hugepagesz=2M hugepages=512`` apart.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from .nfvcap_bls import FOLDER as ENTRIES
from .nfvcap_cmdline import merge, settings, split
from .nfvcap_host import Host

DROP_IN = "/etc/default/grub.d/90-nfvcap.cfg"
DEFAULTS = "/etc/default/grub"
_ASSIGNMENT = re.compile(r'^(\s*(?:export\s+)?GRUB_CMDLINE_LINUX=)(["\']?)(.*?)\2[ \t]*$', re.M)
_LAST = re.compile(r"^\s*(?:export\s+)?GRUB_CMDLINE_LINUX_DEFAULT=([\"']?)(.*?)\1[ \t]*$", re.M)


class Loader:
    """How one kind of boot loader is configured."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def texts(self, wanted: list[str], unwanted: list[str], drop_in: str | None) -> dict[str, str | None]:
        """Path → text that it shall have (None: no such file) for the wanted tokens to be passed to the kernel."""
        raise NotImplementedError

    def commands(self) -> list[list[str]]:
        """What makes the new texts take effect at the next boot."""
        return []

    def tokens_after_ours(self) -> list[str]:
        """Tokens that the loader puts behind ours, so that they win over them."""
        return []


class DebianGrub(Loader):
    """A file of our own that update-grub reads; nothing of the user's is edited."""

    def texts(self, wanted: list[str], unwanted: list[str], drop_in: str | None) -> dict[str, str | None]:
        return {DROP_IN: drop_in}

    def commands(self) -> list[list[str]]:
        return [["update-grub"]]

    def tokens_after_ours(self) -> list[str]:
        folder = DROP_IN.rsplit("/", 1)[0]
        files = [DEFAULTS, *(f"{folder}/{name}" for name in self.host.listdir(folder) if name.endswith(".cfg"))]
        found = [match[2] for path in files for match in _LAST.finditer(self.host.read(path) or "")]
        return split(found[-1]) if found else []


class PlainGrub(Loader):
    """/etc/default/grub and grub2-mkconfig: SUSE, and RHEL without loader entries."""

    def texts(self, wanted: list[str], unwanted: list[str], drop_in: str | None) -> dict[str, str | None]:
        return _edited(self.host, DEFAULTS, lambda text: edit_defaults(text, wanted, unwanted))

    def commands(self) -> list[list[str]]:
        target = next(path for path in ("/boot/grub2/grub.cfg", "/boot/grub/grub.cfg") if self.host.exists(path))
        return [["grub2-mkconfig" if "grub2" in target else "grub-mkconfig", "-o", target]]


class LoaderEntries(Loader):
    """Boot Loader Specification entries (RHEL, Fedora): each of them, and the templates of those to come."""

    def texts(self, wanted: list[str], unwanted: list[str], drop_in: str | None) -> dict[str, str | None]:
        found: dict[str, str | None] = {}
        for name in self.host.listdir(ENTRIES):
            if name.endswith(".conf"):
                found |= _edited(self.host, f"{ENTRIES}/{name}", lambda text: edit_entry(text, wanted, unwanted))
        # kernel-install makes the entries of future kernels from this file, grub2-mkconfig from the other.
        found |= _edited(self.host, "/etc/kernel/cmdline", lambda text: edit_line(text, wanted, unwanted))
        found |= _edited(self.host, DEFAULTS, lambda text: edit_defaults(text, wanted, unwanted))
        return found

    def commands(self) -> list[list[str]]:
        """Entries of RHEL 8 say `$kernelopts`: that variable is written by grub2-mkconfig from /etc/default/grub."""
        names = [name for name in self.host.listdir(ENTRIES) if name.endswith(".conf")]
        if any("$kernelopts" in (self.host.read(f"{ENTRIES}/{name}") or "") for name in names):
            return [["grub2-mkconfig", "-o", "/boot/grub2/grub.cfg"]]
        return []


def loader_of(host: Host, kind: str) -> Loader | None:
    """The way to configure a loader of the kind that the facts name; None when there is none."""
    if kind == "grub" and host.exists("/usr/sbin/update-grub"):
        return DebianGrub(host)
    made = LOADERS.get(kind)
    return made(host) if made else None


LOADERS: dict[str, type[Loader]] = {"grub": PlainGrub, "grub-bls": LoaderEntries}


def edit_defaults(text: str, wanted: list[str], unwanted: list[str]) -> str:
    """/etc/default/grub with the tokens in the last GRUB_CMDLINE_LINUX; appended when there is none."""
    matches = list(_ASSIGNMENT.finditer(text))
    if not matches:
        line = merge("", wanted, unwanted)
        return f'{text.rstrip()}\nGRUB_CMDLINE_LINUX="{line}"\n' if line else text
    match = matches[-1]
    line = merge(match[3], wanted, unwanted)
    if settings(line) == settings(match[3]):
        return text
    quote = match[2] or '"'
    return text[: match.start()] + f"{match[1]}{quote}{line}{quote}" + text[match.end() :]


def edit_line(text: str, wanted: list[str], unwanted: list[str]) -> str:
    """A file that is nothing but a command line."""
    line = merge(text, wanted, unwanted)
    return text if settings(line) == settings(text) else line + "\n"


def edit_entry(text: str, wanted: list[str], unwanted: list[str]) -> str:
    """A loader entry with the tokens in its (last) `options` line; one that says `$kernelopts` stays as it is."""
    lines = text.splitlines(keepends=True)
    places = [place for place, line in enumerate(lines) if re.match(r"options\s", line)]
    if "$kernelopts" in text:
        return text
    options = " ".join(lines[place].split(None, 1)[1].strip() for place in places)
    line = merge(options, wanted, unwanted)
    if settings(line) == settings(options):
        return text
    kept = [line for place, line in enumerate(lines) if place not in places]
    kept.insert(places[0] if places else len(kept), f"options {line}\n")
    return "".join(kept)


def _edited(host: Host, path: str, edit: Callable[[str], str]) -> dict[str, str | None]:
    text = host.read(path)
    return {} if text is None else {path: edit(text)}
