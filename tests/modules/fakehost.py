# SPDX-License-Identifier: Apache-2.0
"""A host in a temporary directory that answers writes and commands as a kernel and its tools would."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ansible.module_utils.nfvcap_command import Completed
from ansible.module_utils.nfvcap_host import Host

Reaction = Callable[[str], None]
Answer = Callable[[list[str]], "Completed | str"]


class Killed(BaseException):
    """The process dies: by SIGKILL, by a power cut."""


class FakeHost(Host):
    """``reactions`` are called after a write to a file, ``answers`` stand for programs; time passes only in sleeps.

    Attributes:
        writes: (path, text) of each write in order.
        commands: argument lists in order.
        lives: operations (writes, renames, commands) until the process is killed before the next one; None: for ever.
    """

    def __init__(self, tree: Path) -> None:
        super().__init__(str(tree))
        self.reactions: dict[str, Reaction] = {}
        self.answers: dict[str, Answer] = {}
        self.writes: list[tuple[str, str]] = []
        self.commands: list[list[str]] = []
        self.clock_s = 0.0
        self.lives: int | None = None
        self.operations = 0
        self.on_sleep: Callable[[float], None] = lambda now_s: None

    def plant(self, path: str, content: str | bytes = "", mode: int = 0o644) -> None:
        """Make a file with its directories."""
        file = Path(self.real(path))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        file.chmod(mode)

    def link(self, path: str, target: str) -> None:
        """Make a symbolic link with its directories; an existing one is replaced."""
        file = Path(self.real(path))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        file.symlink_to(target)

    def unlink(self, path: str) -> None:
        Path(self.real(path)).unlink(missing_ok=True)

    def _operate(self) -> None:
        if self.lives is not None and self.operations >= self.lives:
            raise Killed
        self.operations += 1

    def replace(self, path: str, data: bytes, mode: int = 0o644) -> None:
        self._operate()
        super().replace(path, data, mode)

    def remove(self, path: str) -> None:
        self._operate()
        super().remove(path)

    def make_folder(self, path: str, mode: int = 0o755) -> None:
        self._operate()
        super().make_folder(path, mode)

    def remove_folder(self, path: str) -> bool:
        self._operate()
        return super().remove_folder(path)

    def write(self, path: str, text: str) -> None:
        self._operate()
        self.writes.append((path, text))
        reaction = self.reactions.get(path)
        if reaction is not None:
            reaction(text)
            return
        if not Path(self.real(path)).exists():
            raise FileNotFoundError(2, "No such file or directory", path)
        Path(self.real(path)).write_text(text)

    def write_bounded(self, path: str, text: str, timeout_s: float) -> None:
        # In this process: what a reaction remembers would be lost in a child. The real one has tests of its own.
        self.write(path, text)

    def own(self, path: str, uid: int, gid: int) -> None:
        pass

    def run(self, argv: Sequence[str], timeout_s: float = 60.0) -> Completed:
        self._operate()
        words = list(argv)
        self.commands.append(words)
        program = next(word for word in words if word != "env" and "=" not in word).rsplit("/", 1)[-1]
        if program not in self.answers:
            return Completed(words, 127, "", f"{program}: not on this fake host")
        answer = self.answers[program](words)
        return answer if isinstance(answer, Completed) else Completed(words, 0, answer, "")

    def now_s(self) -> float:
        return self.clock_s

    def sleep(self, seconds: float) -> None:
        self.clock_s += seconds
        self.on_sleep(self.clock_s)

    def tree(self) -> dict[str, str]:
        """Every file with mode and content and every link below the root: for comparisons before and after."""
        found = {}
        base = Path(self.real("/"))
        for path in sorted(base.rglob("*")):
            name = "/" + str(path.relative_to(base))
            if path.is_symlink():
                found[name] = f"-> {path.readlink()}"
            elif path.is_file():
                found[name] = f"{path.stat().st_mode & 0o7777:04o} {path.read_bytes()!r}"
            else:
                found[name] = "directory"
        return found
