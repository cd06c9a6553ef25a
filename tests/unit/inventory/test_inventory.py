# SPDX-License-Identifier: Apache-2.0
"""Inventories as people write them: what Ansible makes of them is what counts, the lines are ours."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from nfvcap.errors import ExitCode, UsageError
from nfvcap.inventory import Inventory, load


def write(root: Path, **files: str) -> Path:
    """Files by name (``__`` is a slash, ``_yml`` a suffix); returns the directory."""
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_yml", ".yml").replace("_ini", ".ini")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
    return root


def mistakes(found: Inventory, *hosts: str) -> list[str]:
    with pytest.raises(UsageError) as caught:
        found.intents(hosts)
    assert (caught.value.code, caught.value.exit_code) == ("NFV-CONF-001", ExitCode.USAGE)
    return [line.strip() for line in caught.value.why.splitlines()[1:]]


def test_hosts_groups_and_patterns(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        inv_yml="""
        all:
          hosts: {solo: {nfvcap: {}}}
          children:
            rack:
              hosts: {"node[1:3]": {}}
              vars: {nfvcap: {kvm: true}}
        """,
    )
    found = load([root / "inv.yml"])
    assert found.hosts == ("solo", "node1", "node2", "node3")
    assert found.select(["rack"]) == ("node1", "node2", "node3")
    assert found.select(["all,!node2"]) == ("solo", "node1", "node3")
    assert found.select(["node*", "&rack"]) == ("node1", "node2", "node3")
    assert found.configured() == found.hosts
    assert found.intent("node2").wants_kvm
    assert not found.intent("solo").wants_kvm


@pytest.mark.parametrize("pattern", ["node4", "racks", "all:!nobody,x"])
def test_unknown_names(tmp_path: Path, pattern: str) -> None:
    root = write(tmp_path, inv_yml="all: {children: {rack: {hosts: {node1: {}}}}}\n")
    with pytest.raises(UsageError) as caught:
        load([root / "inv.yml"]).select([pattern])
    assert caught.value.code == "NFV-CONF-004"
    if pattern != "all:!nobody,x":
        assert "did you mean" in caught.value.fix


def test_the_closest_variable_wins_and_replaces(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        inv_yml="""
        all:
          vars: {nfvcap: {kvm: true, kernel_args: [a]}}
          children: {rack: {hosts: {h1: {}, h2: {}, h3: {}}}}
        """,
        group_vars__rack_yml="nfvcap: {kernel_args: [b]}\n",
        host_vars__h2_yml="nfvcap: {kernel_args: [c]}\n",
        host_vars__h3__deep_yml="nfvcap: {kernel_args: [d]}\n",
    )
    found = load([root / "inv.yml"])
    assert [found.intent(host).kernel_args for host in ("h1", "h2", "h3")] == [("b",), ("c",), ("d",)]
    assert found.intent("h1").kvm is None


@pytest.mark.parametrize(
    ("files", "place"),
    [
        ({"inv_yml": "all:\n  hosts:\n    h1:\n      nfvcap:\n        kvm: x\n"}, "inv.yml:5:14"),
        (
            {"inv_yml": "all: {hosts: {h1: {}}}\n", "host_vars__h1_yml": "a: 1\nnfvcap: {kvm: x}\n"},
            "host_vars/h1.yml:2:15",
        ),
        (
            {"inv_yml": "all: {children: {g: {hosts: {h1: {}}}}}\n", "group_vars__g__x_yml": "nfvcap:\n  kvm: x\n"},
            "group_vars/g/x.yml:2:8",
        ),
        ({"inv_yml": "g:\n  hosts:\n    h1:\n  vars:\n    nfvcap:\n      kvm: x\n"}, "inv.yml:6:12"),
        (
            {"inv_yml": 'all:\n  children:\n    g:\n      hosts:\n        "h[1:2]": {nfvcap: {kvm: x}}\n'},
            "inv.yml:5:34",
        ),
        ({"inv_ini": "[g]\nh1\n", "group_vars__all_yml": "---\nnfvcap: {kvm: x}\n"}, "group_vars/all.yml:2:15"),
    ],
    ids=["host", "host_vars", "group_vars directory", "group in the inventory", "range", "ini"],
)
def test_mistakes_are_found_where_they_stand(tmp_path: Path, files: dict[str, str], place: str) -> None:
    root = write(tmp_path, **files)
    (line,) = mistakes(load([root / ("inv.ini" if "inv_ini" in files else "inv.yml")]), "h1")
    assert line == f"{root}/{place}: nfvcap.kvm: 'x' is not true or false"


def test_a_directory_of_inventories(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        a_yml="all: {hosts: {h1: {nfvcap: {kvm: x}}}}\n",
        b_yml="all: {hosts: {h2: {}}}\n",
        host_vars__h2_yml="nfvcap: {kvm: z}\n",
    )
    found = load([root])
    assert found.hosts == ("h1", "h2")
    first, second = mistakes(found, "h1", "h2")
    assert first.startswith(f"{root}/a.yml:1:34")
    assert second.startswith(f"{root}/host_vars/h2.yml:1:15")


def test_several_sources(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        a__x_yml="all: {hosts: {h1: {nfvcap: {kvm: true}}}}\n",
        b__x_yml="all: {hosts: {h1: {nfvcap: {kvm: z}}}}\n",
    )
    (line,) = mistakes(load([root / "a" / "x.yml", root / "b" / "x.yml"]), "h1")
    assert line.startswith(f"{root}/b/x.yml:1:34")


def test_a_mistake_of_a_group_is_said_once(tmp_path: Path) -> None:
    root = write(tmp_path, inv_yml='g:\n  hosts: {"h[1:9]": {}}\n  vars: {nfvcap: {kvm: x}}\n')
    found = load([root / "inv.yml"])
    assert len(mistakes(found, *found.hosts)) == 1


def test_templates_are_filled_in(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        inv_yml="""
        all:
          vars: {count: 3, base: {kvm: true}}
          hosts:
            h1: {nfvcap: {pfs: [{pf: eth0, vfs: "{{ count + 1 }}"}]}}
            h2: {nfvcap: "{{ base | combine({'kernel_args': [hostvars['h1'].inventory_hostname ~ '=1']}) }}"}
            h3: {nfvcap: {pfs: [{pf: eth0, vfs: "{{ count ~ 'x' }}"}]}}
            h4: {nfvcap: {kvm: "{{ nowhere }}"}}
        """,
    )
    found = load([root / "inv.yml"])
    assert found.intent("h1").pfs[0].vfs == 4
    assert (found.intent("h2").kvm, found.intent("h2").kernel_args) == (True, ("h1=1",))
    (line,) = mistakes(found, "h3")
    assert line == f"{root}/inv.yml:7:41: nfvcap.pfs[0].vfs: '3x' is not a whole number"
    with pytest.raises(UsageError) as caught:
        found.intent("h4")
    assert caught.value.code == "NFV-CONF-006"
    assert "nowhere" in caught.value.why


def test_without_a_file_the_host_is_named(tmp_path: Path) -> None:
    root = write(tmp_path, inv_ini="h1 nfvcap=\"{'kvm': 'x'}\"\n")
    (line,) = mistakes(load([root / "inv.ini"]), "h1")
    assert line == "host h1: nfvcap.kvm: 'x' is not true or false"


def test_what_yaml_misreads_is_said_as_such_and_only_once(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        inv_yml="""\
        all:
          hosts:
            h1:
              nfvcap:
                pfs:
                  - {pf: 0000:05:00.0, vfs: 2, vf: {0: {vlan: 0100}, 1: {mac: 52:54:00:12:34:56, mac: x}}}
        """,
    )
    lines = mistakes(load([root / "inv.yml"]), "h1")
    assert [line.split(": ", 1)[1].split(" (")[0] for line in lines] == [
        "YAML reads 0000:05:00.0 as the number 300.0",
        "YAML reads 0100 as the number 64",
        "YAML reads 52:54:00:12:34:56 as the number 41135085296",
        "mac is given twice",
        "nfvcap.pfs[0].vf[1].mac: 'x' is not a MAC address — write for instance \"02:00:00:00:00:01\"",
    ]


def test_a_broken_file_is_no_puzzle(tmp_path: Path) -> None:
    root = write(tmp_path, inv_yml="all:\n  hosts: {h1: {}\n", host_vars__h1_yml="nfvcap: [\n")
    with pytest.raises(UsageError) as caught:
        load([root / "inv.yml"])
    assert caught.value.code == "NFV-CONF-001"
    assert "2 mistakes" in caught.value.what
    assert f"{root}/inv.yml:3:1: this is not YAML" in caught.value.why
    assert f"{root}/host_vars/h1.yml:2:1: this is not YAML" in caught.value.why


def test_what_ansible_cannot_read(tmp_path: Path) -> None:
    root = write(tmp_path, inv_yml="- 1\n- 2\n")
    with pytest.raises(UsageError) as caught:
        load([root / "inv.yml"])
    assert caught.value.code == "NFV-CONF-003"


def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load([tmp_path / "none.yml"])
    assert caught.value.code == "NFV-CONF-002"


def test_a_host_without_the_variable(tmp_path: Path) -> None:
    root = write(tmp_path, inv_yml="all: {hosts: {h1: {}}}\n")
    found = load([root / "inv.yml"])
    assert found.configured() == ()
    with pytest.raises(UsageError) as caught:
        found.intent("h1")
    assert caught.value.code == "NFV-CONF-005"


def test_vaulted_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible.constants import DEFAULT_VAULT_ID_MATCH  # noqa: F401 - Ansible reads its configuration now
    from ansible.parsing.vault import VaultLib, VaultSecret

    secret = tmp_path / "password"
    secret.write_text("open sesame\n", encoding="utf-8")
    vault = VaultLib([("default", VaultSecret(b"open sesame"))])
    root = write(tmp_path, inv_yml="all: {hosts: {h1: {}}}\n")
    (root / "host_vars").mkdir()
    (root / "host_vars" / "h1.yml").write_bytes(vault.encrypt(b"nfvcap: {kvm: true}\n"))
    with pytest.raises(UsageError) as caught:
        load([root / "inv.yml"]).intent("h1")
    assert caught.value.code == "NFV-CONF-003"
    monkeypatch.setattr("ansible.constants.DEFAULT_VAULT_PASSWORD_FILE", str(secret))
    assert load([root / "inv.yml"]).intent("h1").kvm is True


def test_shipped_inventories(top: Path) -> None:
    for name in ("example.yml", "lab.yml"):
        found = load([top / "inventory" / name])
        assert found.configured() == ("host1",)
        assert found.intent("host1").pfs
