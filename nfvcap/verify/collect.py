# SPDX-License-Identifier: Apache-2.0
"""Brings the snapshots home: one command per host through testinfra, all hosts at the same time."""

from __future__ import annotations

import base64
import json
import os
import re
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import testinfra.backend.local
import testinfra.backend.ssh
from testinfra.backend.base import CommandResult
from testinfra.host import Host

from nfvcap.errors import NfvcapError
from nfvcap.run import run
from nfvcap.verify.connection import Connection, resolve, shared_dir
from nfvcap.verify.snapshot import SCHEMA, Snapshot
from nfvcap.verify.sources import FILES, LISTS

READER = Path(__file__).with_name("reader.py")
READ_TIMEOUT_S = 60
_CONNECT_TIMEOUT_S = 10
_SSH_FAILED = 255
_PYTHON_MISSING = (126, 127)


class Unreachable(Exception):
    """The host does not answer; the message is what ssh said."""


class Unreadable(Exception):
    """The host answers but does not let itself be read: no root, no Python."""


@dataclass(frozen=True)
class Ask:
    """Names that the reader shall ask about beside those in the plan on the host."""

    packages: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    def to_json(self) -> str:
        files = sorted({*FILES, *self.files})
        return json.dumps({"packages": self.packages, "units": self.units, "files": files, "lists": LISTS})


class _BoundedTime:
    """Sends testinfra's local commands through the one door to subprocesses, which has a time limit."""

    def run_local(self, command: str, *args: str) -> CommandResult:
        line = self.quote(command, *args)  # type: ignore[attr-defined]
        done = run(["sh", "-c", line], timeout_s=READ_TIMEOUT_S + 2 * _CONNECT_TIMEOUT_S, check=False)
        result: CommandResult = self.result(done.returncode, line.encode(), done.stdout, done.stderr)  # type: ignore[attr-defined]
        return result


class _Ssh(_BoundedTime, testinfra.backend.ssh.SshBackend):  # type: ignore[misc]
    pass


class _Local(_BoundedTime, testinfra.backend.local.LocalBackend):  # type: ignore[misc]
    pass


def command(python: str, ask: Ask) -> str:
    """A shell line that runs the reader: packed, so that no quoting on the way can harm it."""
    packed = base64.b64encode(zlib.compress(READER.read_bytes(), 9)).decode()
    question = base64.b64encode(zlib.compress(ask.to_json().encode(), 9)).decode()
    program = (
        "import binascii,sys,zlib;u=lambda t:zlib.decompress(binascii.a2b_base64(t));"
        f"sys.argv[1:]=[u('{question}').decode()];exec(u('{packed}'))"
    )
    return f'timeout {READ_TIMEOUT_S} {python} -I -S -c "{program}"'


def collect(
    hosts: Sequence[str],
    hostvars: Mapping[str, Mapping[str, Any]],
    inventory: Sequence[Path],
    asks: Mapping[str, Ask],
    forks: int = 10,
) -> dict[str, Snapshot | Unreachable | Unreadable]:
    """Read all hosts; a host that cannot be read comes with the reason instead of a snapshot."""

    def one(host: str) -> Snapshot | Unreachable | Unreadable:
        connection = resolve(host, hostvars.get(host, {}), environment, control_dir)
        try:
            return read(connection, asks.get(host, Ask()))
        except (Unreachable, Unreadable) as error:
            return error

    environment, control_dir = dict(os.environ), shared_dir()
    with _ansible_finds(inventory), ThreadPoolExecutor(max_workers=max(1, min(forks, len(hosts)))) as pool:
        return dict(zip(hosts, pool.map(one, hosts), strict=True))


def read(connection: Connection, ask: Ask) -> Snapshot:
    """Read one host.

    Raises:
        Unreachable, Unreadable: with the words of ssh, of the shell, of Python.
    """
    line = command(connection.python, ask)
    try:
        code, out, err = _by_ansible(connection, line) if connection.backend == "ansible" else _direct(connection, line)
    except NfvcapError as error:
        raise Unreachable(f"no answer: {error.what}") from error
    if code in _PYTHON_MISSING:
        raise Unreadable(f"{connection.python} cannot be run: {_last_line(err)}")
    start = out.find(f'{{"schema": "{SCHEMA}"')
    if code != 0 or start < 0:
        raise Unreadable(f"the reader ended with exit status {code}: {_last_line(err) or _last_line(out)}")
    try:
        snapshot = Snapshot.from_json(out[start:])
    except ValueError as error:
        raise Unreadable(f"the reader's answer is damaged: {error}") from error
    if snapshot.raw["euid"] != 0:
        raise Unreadable("the login is not root, and ansible_become is not set")
    return snapshot


def _direct(connection: Connection, line: str) -> tuple[int, str, str]:
    kind = {"ssh": _Ssh, "local": _Local}[connection.backend]
    words = (connection.spec,) if connection.backend == "ssh" else ()
    options = connection.options | ({"timeout": _CONNECT_TIMEOUT_S} if words else {})
    host = Host(kind(*words, **options))
    try:
        done = host.run(line.replace("%", "%%"))
    except RuntimeError as error:  # testinfra's way to say that ssh itself failed
        said = error.args[0]
        raise Unreachable(_last_line(said.stderr) or f"ssh ended with exit status {_SSH_FAILED}") from error
    return done.rc, done.stdout, done.stderr


def _by_ansible(connection: Connection, line: str) -> tuple[int, str, str]:
    """Through the ``ansible`` program: slower, and obeys whatever an inventory can say."""
    host = testinfra.get_host(f"ansible://{connection.spec}", force_ansible=True)
    try:
        done = host.backend.run_ansible("shell", module_args=line, check=False)
    except (AssertionError, RuntimeError, OSError, ValueError) as error:
        # The exception's text is the whole output of the program, with its JSON in it.
        said = re.search(r'"msg": "(?:Task failed: )?([^"\\]+)', str(error))
        raise Unreachable(said[1] if said else _last_line(str(error))) from error
    if done.get("unreachable"):
        raise Unreachable(_last_line(str(done.get("msg", ""))))
    if "stdout" not in done:
        words = str(done.get("module_stderr") or done.get("msg") or done).strip()
        raise Unreadable(words.splitlines()[0])
    return int(done.get("rc", 1)), str(done["stdout"]), str(done.get("stderr", ""))


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


@contextmanager
def _ansible_finds(inventory: Sequence[Path]) -> Iterator[None]:
    """The environment in which testinfra starts the ``ansible`` program beside this Python."""
    wanted = {
        "ANSIBLE_INVENTORY": ",".join(str(path.absolute()) for path in inventory),
        "ANSIBLE_NOCOLOR": "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
    }
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
