# SPDX-License-Identifier: Apache-2.0
"""Real traffic through the capture: what comes out is what went in, and a filter wants what tcpdump wants."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.agent import real
from tests.agent.captures import check
from tests.agent.readers import assert_readers_agree
from tests.agent.support import Agent, Packet, read_packets, write_pcap
from tests.agent.test_offline_merge import merge

ETHERNET = 1
LONGEST_BYTES = 65600  # one of them is longer than any packet that a NIC delivers, and would be cut
# Every way in which libpcap compiles: lengths, fragments, flags, multicast, tags, arithmetic, IPv6, negations.
FILTERS = (
    "tcp", "not tcp", "udp port 53", "port 53 or port 67", "ether multicast", "not ether multicast", "ether broadcast",
    "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0", "ip[6:2] & 0x1fff != 0", "vlan", "vlan and ip", "ip6", "icmp or icmp6",
    "greater 500", "less 100", "ip[2:2] - ((ip[0] & 0xf) << 2) > 20", "host 255.255.255.255", "net 192.168.0.0/16",
    "ether[0] & 1 = 1 and len % 2 = 1", "portrange 1-1023 and not port 80", "mpls", "pppoes", "arp or (ip and not udp)",
)  # fmt: skip


@pytest.fixture(scope="module")
def traffic(agent: Agent, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All Ethernet captures of the suite in one file, in the order of their names."""
    found = check(agent, *real.captures("tcpdump")).report["files"]
    paths = [Path(f["path"]) for f in found if f["link_type"] == ETHERNET and f["state"] == "whole" and f["packets"]]
    assert len(paths) > 200
    where = tmp_path_factory.mktemp("real")
    merge(agent, where / "all.pcapng", *paths)
    # The driver takes captured bytes for all there is, so each packet is made as long as what was kept of it.
    data = [packet.data for packet in read_packets(where / "all.pcapng")]
    write_pcap(where / "all.pcap", [one for one in data if len(one) <= LONGEST_BYTES])
    return where / "all.pcap"


def replay(agent: Agent, source: Path, target: Path, *args: str) -> list[Packet]:
    done = agent.capture(
        "--port", f"pcap:{source}", "--write", str(target), "--stop-idle", "0.3", "--when-full", "wait", *args
    )
    packets = read_packets(target)
    assert done.total["stored"] == len(packets)
    return packets


@pytest.mark.parametrize("format_", ["pcap-ns", "pcap-us", "pcapng"])
def test_real_packets_come_out_as_they_went_in(agent: Agent, traffic: Path, memory_dir: Path, format_: str) -> None:
    wanted = [packet.data for packet in read_packets(traffic)]
    got = replay(agent, traffic, memory_dir / "out.pcap", "--format", format_)
    assert [packet.data for packet in got] == wanted
    assert [packet.wire_bytes for packet in got] == [len(data) for data in wanted]
    assert assert_readers_agree(memory_dir / "out.pcap") == got


@pytest.mark.parametrize("expression", FILTERS)
def test_filters_want_what_tcpdump_wants(agent: Agent, traffic: Path, memory_dir: Path, expression: str) -> None:
    theirs = memory_dir / "theirs.pcap"
    subprocess.run(["tcpdump", "-nr", str(traffic), "-w", str(theirs), expression], capture_output=True, check=True)
    wanted = [packet.data for packet in read_packets(theirs)]
    ours = replay(agent, traffic, memory_dir / "ours.pcap", "--filter", expression)
    assert [packet.data for packet in ours] == wanted
