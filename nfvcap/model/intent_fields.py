# SPDX-License-Identifier: Apache-2.0
"""The kinds of value that an intent is made of: each with its check, its message, and its JSON Schema for editors."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from nfvcap.model.cpulist import parse_cpulist
from nfvcap.model.units import GIB, MIB, parse_rate, parse_size

AUTO = "auto"
PCI_ADDRESS = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]")
_SHORT_ADDRESS = re.compile(r"[0-9a-f]{2}:[01][0-9a-f]\.[0-7]")
_INTERFACE = re.compile(r"[^\s/:]{1,15}")  # what the kernel takes as the name of a network interface
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_PATH = re.compile(r"/[A-Za-z0-9._+@/-]+")
_SSH_KEY = re.compile(r"(ssh|ecdsa|sk)-[a-z0-9@.-]+ [A-Za-z0-9+/=]+( [^\n\r]*)?")
# The shell reads /etc/default/grub.d, so nothing that it would interpret may be in an argument.
_KERNEL_ARG = re.compile(r"[A-Za-z0-9][^\s\"'`$\\=]*(=[^\s\"'`$\\]*)?")


def bad(what: str, fix: str = "", why: str = "") -> PydanticCustomError:
    """A validation error that carries its reason and its fix separately."""
    return PydanticCustomError("nfvcap", "{what}", {"what": what, "why": why, "fix": fix})


def whole_number(value: Any) -> Any:
    """Whole numbers and, because templates yield text, their decimal spelling; never a boolean."""
    if isinstance(value, str) and value.isascii() and value.strip().isdecimal():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise bad(f"{value!r} is not a whole number")
    return value


def _at_least(least: int, most: int | None = None) -> BeforeValidator:
    def check(value: Any) -> Any:
        number = whole_number(value)
        if number < least or (most is not None and number > most):
            allowed = f"at least {least}" if most is None else f"{least} to {most}"
            raise bad(f"{number} is out of range", f"allowed: {allowed}")
        return number

    return BeforeValidator(check)


def _size(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise bad(f"{value!r} is not a size", "write for instance 512M, 2G or 16GiB")
    try:
        return parse_size(value)
    except ValueError as error:
        raise bad(str(error)) from error


def _positive_size(value: Any) -> Any:
    size_bytes = _size(value)
    if size_bytes == 0:
        raise bad("0 bytes are no memory", "write for instance 2G")
    if isinstance(value, int) and size_bytes < MIB:
        raise bad(f"{value} would be {value} bytes", f"write {value}M or {value}G")
    return size_bytes


def _page_size(value: Any) -> Any:
    size_bytes = _size(value)
    if size_bytes not in (2 * MIB, GIB):
        raise bad(f"{value!r} is no huge page size", "write 2M or 1G", "x86-64 has huge pages of 2 MiB and 1 GiB")
    return size_bytes


def _page_size_or_auto(value: Any) -> Any:
    return None if value == AUTO else _page_size(value)


def _node_or_auto(value: Any) -> Any:
    return None if value == AUTO else whole_number(value)


def _rate(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise bad(f"{value!r} is not a rate", "write a number of Mbit/s or for instance 500Mbit, 1Gbit")
    try:
        return parse_rate(value)
    except ValueError as error:
        raise bad(str(error)) from error


def _cpus(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        value = [value]
    if isinstance(value, list | tuple):
        value = ",".join(str(part) for part in value)
    if not isinstance(value, str) or not value:
        raise bad(f"{value!r} is not a CPU list", 'write for instance [0, 1] or "0-1"')
    try:
        return parse_cpulist(value)
    except ValueError as error:
        raise bad(str(error)) from error


def _housekeeping(value: Any) -> Any:
    return None if value == AUTO else _cpus(value)


def _isolate(value: Any) -> Any:
    return None if value == AUTO else () if value == "none" else _cpus(value)


def _pf(value: Any) -> Any:
    if isinstance(value, int | float):
        raise bad(f"YAML reads this as the number {value}", "put the PCI address in quotes")
    text = str(value).strip()
    if PCI_ADDRESS.fullmatch(text.lower()):
        return text.lower()
    if _SHORT_ADDRESS.fullmatch(text.lower()):
        raise bad(f"{text!r} lacks the PCI domain", f'write "0000:{text.lower()}"')
    if not _INTERFACE.fullmatch(text) or text in (".", ".."):
        fix = 'write for instance "0000:81:00.0" or ens1f0'
        raise bad(f"{text!r} is neither a PCI address nor the name of an interface", fix)
    return text


def _mac(value: Any) -> Any:
    if isinstance(value, int | float):
        raise bad(f"YAML reads this as the number {value}", "put the MAC address in quotes")
    text = str(value).strip().lower().replace("-", ":")
    if not _MAC.fullmatch(text):
        raise bad(f"{value!r} is not a MAC address", 'write for instance "02:00:00:00:00:01"')
    first = int(text[:2], 16)
    if first & 1:
        fix = f'"{first & ~1:02x}{text[2:]}" would be a unicast address'
        raise bad(f"{text} is a multicast address", fix, "the lowest bit of its first byte is set")
    if text == "00:00:00:00:00:00":
        raise bad("the all-zero MAC address is no address", "leave the line out to let the driver choose")
    return text


def _text_matching(pattern: re.Pattern[str], kind: str, example: str) -> BeforeValidator:
    def check(value: Any) -> Any:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise bad(f"{value!r} is not {kind}", f"write for instance {example}")
        return value

    return BeforeValidator(check)


def _option_value(value: Any) -> Any:
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, int):
        return str(value)
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9_.,:+-]+", value):
        raise bad(f"{value!r} is not the value of a module option", "write a word or a number")
    return value


def _driver(value: Any) -> Any:
    if not isinstance(value, str) or not _WORD.fullmatch(value):
        raise bad(f"{value!r} is not the name of a driver", "write vfio-pci, kernel, or for instance igbvf")
    known = {"vfio": "vfio-pci", "vfio_pci": "vfio-pci", "vfiopci": "vfio-pci", "default": "kernel"}
    if value.lower() in known:
        raise bad(f"there is no driver {value!r}", f"did you mean {known[value.lower()]}?")
    return value


def _cpu_model(value: Any) -> Any:
    if not isinstance(value, str) or not _WORD.fullmatch(value):
        raise bad(
            f"{value!r} is not a CPU model", "write auto, host-passthrough, or a model of libvirt such as Westmere"
        )
    return None if value == AUTO else value


_SIZE_SCHEMA: dict[str, Any] = {"type": ["string", "integer"], "examples": ["2G", "512M", "16GiB"]}
_CPUS_SCHEMA: list[dict[str, Any]] = [
    {"type": "string", "pattern": "^[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*$"},
    {"type": "array", "items": {"type": ["integer", "string"]}, "minItems": 1},
    {"type": "integer", "minimum": 0},
]
_PAGE_SIZES = ["2M", "1G", "2MiB", "1GiB", "2MB", "1GB"]


def _cpu_schema(*words: str) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [{"enum": list(words)}, *_CPUS_SCHEMA]})


Count = Annotated[int, _at_least(0), WithJsonSchema({"type": "integer", "minimum": 0})]
Positive = Annotated[int, _at_least(1), WithJsonSchema({"type": "integer", "minimum": 1})]
Vlan = Annotated[int, _at_least(0, 4094), WithJsonSchema({"type": "integer", "minimum": 0, "maximum": 4094})]
Qos = Annotated[int, _at_least(0, 7), WithJsonSchema({"type": "integer", "minimum": 0, "maximum": 7})]
Size = Annotated[int, BeforeValidator(_positive_size), WithJsonSchema(_SIZE_SCHEMA)]
Reserve = Annotated[int, BeforeValidator(_size), WithJsonSchema(_SIZE_SCHEMA)]
PageSize = Annotated[int, BeforeValidator(_page_size), WithJsonSchema({"enum": _PAGE_SIZES})]
PageSizeOrAuto = Annotated[
    int | None, BeforeValidator(_page_size_or_auto), WithJsonSchema({"enum": [AUTO, *_PAGE_SIZES]})
]
NodeOrAuto = Annotated[
    int | None,
    BeforeValidator(_node_or_auto),
    WithJsonSchema({"anyOf": [{"const": AUTO}, {"type": "integer", "minimum": 0}]}),
]
Rate = Annotated[
    int, BeforeValidator(_rate), WithJsonSchema({"type": ["integer", "string"], "examples": [1000, "1Gbit"]})
]
Housekeeping = Annotated[tuple[int, ...] | None, BeforeValidator(_housekeeping), _cpu_schema(AUTO)]
Isolate = Annotated[tuple[int, ...] | None, BeforeValidator(_isolate), _cpu_schema(AUTO, "none")]
PfName = Annotated[
    str, BeforeValidator(_pf), WithJsonSchema({"type": "string", "examples": ["0000:81:00.0", "ens1f0"]})
]
Mac = Annotated[
    str,
    BeforeValidator(_mac),
    WithJsonSchema({"type": "string", "pattern": "^[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}$"}),
]
Driver = Annotated[
    str, BeforeValidator(_driver), WithJsonSchema({"type": "string", "examples": ["vfio-pci", "kernel"]})
]
SlotCount = Annotated[int, _at_least(1, 16), WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 16})]
CpuModel = Annotated[
    str | None,
    BeforeValidator(_cpu_model),
    WithJsonSchema({"type": "string", "examples": [AUTO, "host-passthrough", "Westmere"]}),
]
HostPath = Annotated[
    str,
    _text_matching(_PATH, "an absolute path on the host", "/var/lib/libvirt/images/debian-13.qcow2"),
    WithJsonSchema({"type": "string", "pattern": f"^{_PATH.pattern}$"}),
]
NetworkName = Annotated[
    str, _text_matching(_WORD, "the name of a libvirt network", "default"), WithJsonSchema({"type": "string"})
]
SshKey = Annotated[
    str,
    _text_matching(_SSH_KEY, "a public ssh key on one line", "ssh-ed25519 AAAA… me@example"),
    WithJsonSchema({"type": "string"}),
]
GuestName = Annotated[
    str, _text_matching(_NAME, "a guest name", "vm1"), WithJsonSchema({"type": "string", "pattern": _NAME.pattern})
]
KernelToken = Annotated[
    str,
    _text_matching(_KERNEL_ARG, "one kernel argument without blanks and quotes", "mitigations=off"),
    WithJsonSchema({"type": "string", "examples": ["mitigations=off"]}),
]
OptionName = Annotated[str, _text_matching(_WORD, "the name of a module option", "disable_idle_d3")]
OptionValue = Annotated[str, BeforeValidator(_option_value), WithJsonSchema({"type": ["string", "integer", "boolean"]})]
LinkState = Literal["auto", "enable", "disable"]
