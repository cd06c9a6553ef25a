# SPDX-License-Identifier: Apache-2.0
"""The cache of images, with a builder that makes small files instead of a Debian tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from nfvcap.errors import NfvcapError
from nfvcap.lab import disk as disk_builder
from nfvcap.lab import image
from nfvcap.lab import tree as tree_builder
from nfvcap.lab.stages import Stages


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(tree_builder, "require_tools", lambda: None)
    monkeypatch.setattr(tree_builder, "build", small_tree)
    monkeypatch.setattr(disk_builder, "build", lambda _tree, disk: disk.write_bytes(b"disk"))
    monkeypatch.setattr(tree_builder, "as_root", lambda *words: [str(word) for word in words])
    return tmp_path / "nfvcap/lab/images"


def small_tree(tree: Path, public_key: Path, _archives: Path) -> None:
    assert public_key.read_text().startswith("ssh-ed25519 ")
    (tree / "etc/ssh").mkdir(parents=True)
    (tree / "etc/ssh/ssh_host_ed25519_key.pub").write_text("ssh-ed25519 AAAA root@host1\n")
    (tree / "var/lib/dpkg").mkdir(parents=True)
    (tree / "var/lib/dpkg/status").write_text(
        "Package: bash\nVersion: 5\n\nPackage: qemu-system-x86\nVersion: 1:10.0.13\n\n"
        "Package: linux-image-6.12-amd64\nStatus: install ok installed\nVersion: 6.12.1-1\n"
    )


def test_a_build_is_found_again_and_not_repeated(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert image.find() is None
    built = image.ensure(Stages())
    assert built.host_key == "ssh-ed25519 AAAA"
    assert built.manifest()["packages"] == {"linux-image-6.12-amd64": "6.12.1-1", "qemu-system-x86": "1:10.0.13"}
    assert built.disk.stat().st_mode & 0o222 == 0

    def fail(*_: object) -> None:
        raise AssertionError("built again")

    monkeypatch.setattr(tree_builder, "build", fail)
    assert image.ensure(Stages()) == built


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), NfvcapError("NFV-RUN-003", "mmdebstrap failed")])
def test_a_build_that_stops_leaves_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch, stop: BaseException) -> None:
    def half(tree: Path, *_: object) -> None:
        tree.mkdir()
        raise stop

    monkeypatch.setattr(tree_builder, "build", half)
    with pytest.raises(type(stop)):
        image.ensure(Stages())
    assert image.find() is None
    assert [path.name for path in cache.iterdir()] == [".lock"]


def test_a_half_made_directory_is_no_image_and_is_replaced(cache: Path) -> None:
    damaged = cache / image.recipe_id()
    damaged.mkdir(parents=True)
    (damaged / "disk.raw").write_bytes(b"half")
    assert image.find() is None
    assert image.ensure(Stages()).disk.read_bytes() == b"disk"


def test_what_a_killed_build_left_is_removed_by_the_next(cache: Path) -> None:
    leftover = cache / ".build-old"
    (leftover / "tree").mkdir(parents=True)
    image.ensure(Stages())
    assert not leftover.exists()


def test_a_changed_recipe_is_another_image(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = image.recipe_id()
    (tmp_path / "recipe").mkdir()
    (tmp_path / "recipe" / "packages.txt").write_text("bash\n")
    monkeypatch.setattr(tree_builder, "RECIPE", tmp_path / "recipe")
    assert image.recipe_id() != before


def test_images_of_earlier_recipes_can_be_removed(cache: Path) -> None:
    (cache / "0123456789abcdef").mkdir(parents=True)
    built = image.ensure(Stages())
    assert image.remove_old({"0123456789abcdef"}) == []
    assert image.remove_old(set()) == ["0123456789abcdef"]
    assert image.find() == built


def test_a_recipe_edited_during_the_build_does_not_name_what_was_built(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = image.recipe_id()
    recipe = tmp_path / "recipe"
    recipe.mkdir()
    (recipe / "packages.txt").write_text("bash\n")

    def edited_meanwhile(*arguments: Path) -> None:
        small_tree(*arguments)
        monkeypatch.setattr(tree_builder, "RECIPE", recipe)

    monkeypatch.setattr(tree_builder, "build", edited_meanwhile)
    assert image.ensure(Stages()).directory.name == before
    assert image.find() is None
