# SPDX-License-Identifier: Apache-2.0
"""Kernel modules: loaded now, with the options that /etc/modprobe.d gives them."""

from __future__ import annotations

from .nfvcap_failure import Failure
from .nfvcap_host import Host
from .nfvcap_ledger import Ledger
from .nfvcap_outcome import Outcome

_TRUE, _FALSE = ("1", "y", "yes", "on"), ("0", "n", "no", "off")


def set_modules(
    host: Host, modules: list[str], options: dict[str, dict[str, str]], outcome: Outcome, check: bool
) -> None:
    """Load what is not loaded; load anew what has other option values and is not in use.

    A module in use keeps its old values until the next boot: ``outcome.extra["reboot_required"]`` says so.

    Raises:
        Failure: NFV-IOMMU-001 when a module does not load.
    """
    outcome.extra["reboot_required"] = False
    todo: list[tuple[str, bool]] = []
    for name in modules:
        loaded = is_loaded(host, name)
        stale = loaded and _differing(host, name, options.get(name, {}))
        if stale and users(host, name):
            outcome.extra["reboot_required"] = True
            outcome.notes.append(
                f"{name} runs with other values of {', '.join(stale)}; in use by {', '.join(users(host, name))}, "
                "so the new values come with the next boot"
            )
        elif stale or not loaded:
            outcome.add(f"vfio-module:{name}", "other options" if loaded else None, "loaded")
            todo.append((name, loaded))
    if check or not todo:
        return
    ledger = Ledger(host)
    for name, loaded in todo:
        ledger.record(f"kernel-module:{name}", "kernel-module", {"loaded": loaded})
        outcome.begun = True
        if loaded:
            _modprobe(host, name, ["-r"])
        _modprobe(host, name, [])
        stale = _differing(host, name, options.get(name, {}))
        if not is_loaded(host, name) or stale:
            raise Failure(
                "NFV-IOMMU-001",
                f"the kernel module {name} is not as wanted after loading it",
                f"wrong values: {', '.join(stale)}" if stale else f"there is no {_folder(name)}",
                f"another file in /etc/modprobe.d may set it (`modprobe -c | grep {name.replace('-', '.')}`)",
            )


def restore_module(host: Host, name: str, was_loaded: bool) -> str | None:
    """Unload a module that was not loaded originally; returns why it stays, if it does."""
    if was_loaded or not is_loaded(host, name):
        return None
    if users(host, name):
        return f"the kernel module {name} stays loaded: used by {', '.join(users(host, name))}"
    done = host.run(["modprobe", "-r", name])
    return None if done.ok else f"the kernel module {name} stays loaded: {done.complaint}"


def is_loaded(host: Host, name: str) -> bool:
    """Loaded, or built in."""
    return host.exists(_folder(name))


def users(host: Host, name: str) -> list[str]:
    """Devices on the driver of that name, and modules that need it."""
    devices = [entry for entry in host.listdir(f"/sys/bus/pci/drivers/{name}") if entry.count(":") == 2]
    return devices + host.listdir(f"{_folder(name)}/holders")


def _folder(name: str) -> str:
    return f"/sys/module/{name.replace('-', '_')}"


def _modprobe(host: Host, name: str, words: list[str]) -> None:
    host.must(
        ["modprobe", *words, name],
        "NFV-IOMMU-001",
        f"the kernel module {name} could not be {'unloaded' if words else 'loaded'}",
        "the kernel log of the host (`dmesg`) has more; the kernel that runs must still have its modules on disk",
    )


def _differing(host: Host, name: str, options: dict[str, str]) -> list[str]:
    """Names of options whose value in force is another; those that the kernel does not show cannot be compared."""
    shown = {key: host.value(f"{_folder(name)}/parameters/{key}") for key in options}
    return [key for key, value in options.items() if shown[key] is not None and not _same(value, shown[key] or "")]


def _same(wanted: str, shown: str) -> bool:
    pair = (wanted.lower(), shown.lower())
    return wanted == shown or all(word in _TRUE for word in pair) or all(word in _FALSE for word in pair)
