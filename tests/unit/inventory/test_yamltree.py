# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from nfvcap.inventory.yamltree import Position, Tree, YamlError, read

TEXT = """\
# a comment
nfvcap:
  hugepages:
    - {size: 2M, node: 0, count: 4}
    - size: 1G
      node: 1
  "pfs":
    - pf: eth0
      vf: {0: {mac: x}, "1": {vlan: 7}}
  guests:
"""


def tree(tmp_path: Path, text: str = TEXT) -> Tree:
    path = tmp_path / "file.yml"
    path.write_text(text, encoding="utf-8")
    found = read(path)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("path", "on_key", "line", "column"),
    [
        (("nfvcap", "hugepages", 0, "node"), False, 4, 24),
        (("nfvcap", "hugepages", 0, "node"), True, 4, 18),
        (("nfvcap", "hugepages", 1), False, 5, 7),
        (("nfvcap", "hugepages", 1, "count"), False, 5, 7),  # missing: the pool that lacks it
        (("nfvcap", "pfs"), False, 7, 3),  # a block is shown by its key
        (("nfvcap", "pfs", 0, "vf", 0, "mac"), False, 9, 21),
        (("nfvcap", "pfs", 0, "vf", 1, "vlan"), False, 9, 37),
        (("nfvcap", "guests"), False, 10, 10),
        (("nfvcap", "hugepages", 9), False, 3, 3),
        ((), False, 2, 1),
    ],
)
def test_places(tmp_path: Path, path: tuple[str | int, ...], on_key: bool, line: int, column: int) -> None:
    found = tree(tmp_path).locate(path, on_key)
    assert (found.line, found.column) == (line, column)


def test_data_is_what_yaml_says(tmp_path: Path) -> None:
    assert tree(tmp_path, "a: {1: !vault x, b: [1.5, yes, '2']}").data() == {"a": {1: None, "b": [1.5, True, "2"]}}


@pytest.mark.parametrize(
    ("text", "what", "fix"),
    [
        ("a: 1\nb: 2\na: 3\n", "a is given twice", "keep one"),
        ("x: [{a: 1, a: 2}]\n", "a is given twice", "keep one"),
        ("mac: 52:54:00:12:34:56\n", "YAML reads 52:54:00:12:34:56 as the number", '"52:54:00:12:34:56"'),
        ("pf: 0000:05:00.0\n", "YAML reads 0000:05:00.0 as the number 300.0", '"0000:05:00.0"'),
        ("vlan: 0100\n", "YAML reads 0100 as the number 64", "leading 0"),
    ],
)
def test_traps_of_yaml(tmp_path: Path, text: str, what: str, fix: str) -> None:
    ((_, said, _, way),) = tree(tmp_path, text).lints()
    assert what in said
    assert fix in way


def test_innocent_values(tmp_path: Path) -> None:
    text = 'a: 0\nb: 10\nc: 1.5\nd: "0000:05:00.0"\ne: 0000:81:00.0\nf: 02:00:00:00:00:01\ng: 0x10\nh: -3\ni: 00ff\n'
    assert list(tree(tmp_path, text).lints()) == []


def test_what_is_not_yaml_has_a_place(tmp_path: Path) -> None:
    with pytest.raises(YamlError) as caught:
        tree(tmp_path, "a: 1\nb: [1, 2\nc: 3\n")
    assert caught.value.position.line == 3
    with pytest.raises(YamlError):
        tree(tmp_path, "a: \x07\n")


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "x.yml"
    path.write_bytes(b"a: \xff\xfe\n")
    with pytest.raises(YamlError):
        read(path)


def test_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "x.yml"
    path.write_text("# nothing\n", encoding="utf-8")
    assert read(path) is None


def test_positions_read_as_compilers_write_them() -> None:
    assert str(Position("a.yml", 3, 7)) == "a.yml:3:7"
    assert str(Position("host h1")) == "host h1"
