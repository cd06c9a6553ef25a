# SPDX-License-Identifier: Apache-2.0
"""`generate` sends what it says: numbers, sizes, pace, and the frames of a file."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from nfvcap.agent.frame import FrameId, Layout, Tag, build, judge
from tests.agent.captures import FORMS, START_NS, Record, check, numbered, pcap, record, write
from tests.agent.support import Agent, read_packets

SMALL = ("--huge-pages", "off")
TWO = ("--dst-mac", "02:00:00:00:00:01", "--dst-mac", "02:00:00:00:00:02")


def generate(agent: Agent, *args: str | Path, code: int = 0) -> dict[str, Any]:
    for _ in range(3):
        done = agent.run("generate", "--json", *SMALL, *map(str, args), timeout_s=120)
        if "type the command again" not in done.stderr:  # tests beside this one have packet sockets as well
            break
    assert done.returncode == code, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["schema"] == "nfvcap/agent-generate/1"
    if report["driver_counts"]["known"]:
        assert report["driver_counts"]["packets"] == report["sent"]
        assert report["driver_counts"]["errors"] == 0
    return report


def into(path: Path) -> str:
    return f"vdev:net_pcap0,tx_pcap={path}"


@pytest.mark.parametrize(
    ("args", "sizes", "flows"),
    [
        (["--size", "64"], [60], 1),
        (["--size", "965", "--flows", "7"], [961], 7),
        (["--size", "64,128,1518", "--flows", "2"], [60, 124, 1514], 2),
        (["--size", "imix", "--seed", "5"], [60, 590, 1514], 1),
        (["--size", "genome:abg", "--vlan", "10,100"], [68, 124, 1514], 1),
        (["--size", "9018"], [9014], 1),
        (["--vlan", "7", "--first", "1000000", "--flows", "65536"], [64], 65536),
    ],
)
def test_what_is_sent_is_what_is_said(
    agent: Agent, tmp_path: Path, args: list[str], sizes: list[int], flows: int
) -> None:
    path = tmp_path / "x.pcap"
    report = generate(agent, "--port", into(path), "--rate", "max", "--count", "3000", *args)
    assert report["end"] == "count" and report["sent"] == 3000 and report["unsent"] == 0
    first = args[args.index("--first") + 1] if "--first" in args else "0"
    done = check(agent, path, "--expect", "3000", "--flows", str(flows), "--first", first)
    assert done.code == 0, done.report
    assert [entry["bytes"] for entry in done.report["sizes"]] == sizes
    assert done.report["totals"]["wire_bytes"] == report["sent_bytes"]
    told = {entry["flow"]: entry["sent"] for entry in report["flows"]}
    seen = {entry["flow"]: entry["distinct"] for entry in done.numbers["flows"] if entry["distinct"]}
    assert told == seen and sum(told.values()) == 3000


def test_every_byte_is_as_the_format_says(agent: Agent, tmp_path: Path) -> None:
    """Frame for frame what the Python side would have built, addresses and tags included."""
    path = tmp_path / "x.pcap"
    started_ns = time.time_ns()
    generate(agent, "--port", into(path), "--rate", "max", "--count", "500", "--flows", "3", "--size", "72,1000",
             "--vlan", "10,4094", "--dst-mac", "02:aa:bb:cc:dd:ee", "--src-mac", "02:00:00:00:00:77",
             "--dst-ip", "198.19.255.1", "--first", "77")  # fmt: skip
    layout = Layout(
        bytes.fromhex("02aabbccddee"), bytes.fromhex("020000000077"), (Tag(10, 0x88A8), Tag(4094)), 0xC613FF01
    )
    previous = started_ns
    for k, packet in enumerate(read_packets(path)):
        _, ident = judge(packet.data)
        assert ident is not None and previous - 1_000_000 <= ident.time_ns <= time.time_ns() + 1_000_000
        previous = ident.time_ns
        want = build([68, 996][k % 2], FrameId(77 + k // 3, ident.time_ns, k % 3), layout)
        assert packet.data == want


def test_each_flow_has_the_address_and_the_tags_of_its_turn(agent: Agent, tmp_path: Path) -> None:
    """Frame for frame, and `check` counts each flow whole: five flows to three addresses, one of them untagged."""
    path = tmp_path / "x.pcap"
    to = [Layout(bytes.fromhex(f"0200008100{i:02x}"), tags=tags)
          for i, tags in enumerate([(Tag(7),), (), (Tag(10, 0x88A8), Tag(4094))])]  # fmt: skip
    args = [word for layout in to for word in ("--dst-mac", layout.dst_mac.hex(":"))]
    report = generate(agent, "--port", into(path), "--rate", "max", "--count", "1000", "--flows", "5", *args,
                      "--vlan", "7", "--vlan", "none", "--vlan", "10,4094", "--untagged-size", "--size",
                      "64,1518")  # fmt: skip
    assert [flow["sent"] for flow in report["flows"]] == [200] * 5
    assert check(agent, path, "--expect", "1000", "--flows", "5").code == 0
    for k, packet in enumerate(read_packets(path)):
        layout = to[k % 5 % 3]
        _, ident = judge(packet.data)
        assert ident is not None
        size = [60, 1514][k % 2] + 4 * len(layout.tags)
        assert packet.data == build(size, FrameId(k // 5, ident.time_ns, k % 5), layout)


def test_several_addresses_get_a_flow_each_and_all_the_same_tag(agent: Agent, tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"
    report = generate(agent, "--port", into(path), "--rate", "max", "--count", "301", "--vlan", "100",
                      "--dst-mac", "02:00:00:81:00:00", "--dst-mac", "02:00:00:81:00:01")  # fmt: skip
    assert [(flow["flow"], flow["sent"]) for flow in report["flows"]] == [(0, 151), (1, 150)]
    for k, packet in enumerate(read_packets(path)):
        assert (
            packet.data[:18] == bytes.fromhex(f"0200008100{k % 2:02x}020000000001810000640800")
            and len(packet.data) == 64
        )


def sent_times(path: Path) -> list[int]:
    times = []
    for packet in read_packets(path):
        _, ident = judge(packet.data)
        assert ident is not None
        times.append(ident.time_ns)
    return times


@pytest.mark.parametrize(("burst", "rate_pps"), [(1, 4000), (32, 20000), (8, 100_000)])
def test_pace_is_never_exceeded(agent: Agent, tmp_path: Path, burst: int, rate_pps: int) -> None:
    """However the machine stalls: no stretch of time has more frames than the rate, and a burst or two, allow."""
    path = tmp_path / "x.pcap"
    report = generate(agent, "--port", into(path), "--rate", f"{rate_pps}pps", "--count", "3000", "--burst", str(burst))
    times = sent_times(path)
    assert report["burst_max"] <= burst
    interval_ns = 1e9 / rate_pps
    for distance in (1, 10, 100, 1000, 2999):
        if distance <= 2 * burst:
            continue
        allowed_ns = (distance - 2 * burst) * interval_ns * 0.999
        assert min(b - a for a, b in zip(times, times[distance:], strict=False)) >= allowed_ns
    # What the schedule says that it lost accounts for the rest.
    want_ns = 2999 * interval_ns + report["slipped_ns"]
    assert abs(report["duration_ns"] - want_ns) <= burst * interval_ns + report["lag_max_ns"] + 2e6


def test_line_rate_counts_the_gaps(agent: Agent) -> None:
    """On a link of 1 Mb/s a frame of 64 bytes takes 84 byte times: 672 us."""
    report = generate(agent, "--port", "vdev:net_null0", "--link-mbps", "1", "--count", "700", "--size", "64")
    want_ns = 699 * 672_000 + report["slipped_ns"]
    assert abs(report["duration_ns"] - want_ns) <= 32 * 672_000 + report["lag_max_ns"]
    assert report["link_mbps"] == 1 and report["rate"] == "line"


def test_duration_ends_it(agent: Agent) -> None:
    report = generate(agent, "--port", "vdev:net_null0", "--rate", "1000pps", "--duration", "300ms")
    assert report["end"] == "duration" and 0 < report["sent"] <= 301
    assert report["duration_ns"] <= 300_000_000


def test_seed_gives_the_same_order(agent: Agent, tmp_path: Path) -> None:
    def sizes(seed: str) -> list[int]:
        path = tmp_path / f"{seed}.pcap"
        generate(agent, "--port", into(path), "--rate", "max", "--count", "240", "--size", "imix", "--seed", seed)
        return [packet.wire_bytes for packet in read_packets(path)]

    assert sizes("3") == sizes("3")
    assert sizes("3") != sizes("4")
    assert sorted(sizes("3")) == sorted(sizes("4"))


def test_a_signal_ends_it_with_a_report(agent: Agent, tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"
    command = [str(agent.binary), "generate", "--json", *SMALL, "--port", into(path), "--rate", "1000pps",
               "--duration", "1h"]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not path.exists() or path.stat().st_size < 100:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=30)
    report = json.loads(said)
    assert process.returncode == 130 and report["end"] == "signal"
    assert check(agent, path, "--expect", str(report["sent"])).code == 0


def test_a_port_that_takes_nothing(agent: Agent) -> None:
    """A ring that nobody reads takes 1023 frames: the generator says so, and that the rest was never sent."""
    done = agent.run("generate", "--json", *SMALL, "--port", "vdev:net_ring0", "--rate", "max", "--duration", "100ms")
    report = json.loads(done.stdout)
    assert done.returncode == 5 and "does not take frames" in done.stderr
    assert report["end"] == "port" and report["sent"] == 1023 and report["unsent"] > 0 and report["ring_full"] > 0


def test_replay_sends_the_very_bytes(agent: Agent, tmp_path: Path) -> None:
    rng = random.Random(2)
    frames = [rng.randbytes(rng.choice([60, 61, 64, 1514, 3000])) for _ in range(300)]
    source = write(tmp_path / "in.pcap", pcap([record(START_NS + i, frame) for i, frame in enumerate(frames)]))
    report = generate(agent, "--port", into(tmp_path / "x"), "--replay", source, "--rate", "max", "--rounds", "3")
    assert report["end"] == "rounds" and report["replay"]["rounds"] == 3 and report["sent"] == 900
    assert [packet.data for packet in read_packets(tmp_path / "x")] == frames * 3
    report = generate(agent, "--port", into(tmp_path / "y"), "--replay", source, "--rate", "max", "--count", "450")
    assert report["end"] == "count" and report["sent"] == 450
    assert [packet.data for packet in read_packets(tmp_path / "y")] == (frames * 2)[:450]


def test_replay_with_new_numbers(agent: Agent, tmp_path: Path) -> None:
    frames = numbered([5, 9, 5], flow=1, size=100) + numbered([700], flow=2, layout=Layout(tags=(Tag(3),)), size=80)
    frames.append(record(START_NS, bytes(60)))
    source = write(tmp_path / "in.pcap", pcap(frames))
    report = generate(agent, "--port", into(tmp_path / "x"), "--replay", source, "--renumber", "--rate", "max",
                      "--rounds", "100", "--first", "10")  # fmt: skip
    assert report["flows"] == [{"flow": 1, "first": 10, "sent": 300}, {"flow": 2, "first": 10, "sent": 100}]
    assert report["replay"]["foreign"] == 100
    done = check(agent, tmp_path / "x", "--expect", "1:300", "--expect", "2:100", "--first", "10")
    assert done.code == 0 and done.report["totals"]["foreign"] == 100


def test_replay_keeps_the_times_of_the_file(agent: Agent, tmp_path: Path) -> None:
    times = [0, 0, 0, 50, 50, 120, 121, 300]
    frames = [Record(START_NS + ms * 1_000_000, numbered([k])[0].data, 60) for k, ms in enumerate(times)]
    source = write(tmp_path / "in.pcap", pcap(frames))
    report = generate(agent, "--port", into(tmp_path / "x"), "--replay", source, "--renumber", "--rate", "file")
    sent = sent_times(tmp_path / "x")
    assert report["sent"] == 8
    for ms, ns in zip(times, sent, strict=True):
        early_ns = ms * 1_000_000 - (ns - sent[0])
        assert -report["lag_max_ns"] - 1_000_000 <= early_ns <= 1_000_000


@pytest.mark.parametrize("form", ["pcap-ns", "pcap-us-big", "pcapng-ns", "pcapng-big"])
def test_a_file_begins_anew_a_gap_after_its_end(agent: Agent, tmp_path: Path, form: str) -> None:
    """Its last frames go before it is opened again, and the first ones not with them but a mean gap later."""
    moments = [0, 0, 0, 60, 60, 100, 100, 100]
    frames = [Record(START_NS + ms * 1_000_000, numbered([k])[0].data, 60) for k, ms in enumerate(moments)]
    source = write(tmp_path / "in.pcap", FORMS[form](frames))
    report = generate(agent, "--port", into(tmp_path / "x"), "--replay", source, "--renumber", "--rate", "file",
                      "--rounds", "2")  # fmt: skip
    sent = sent_times(tmp_path / "x")
    assert report["sent"] == 16 and report["bursts"] == len(set(sent)) and sent[7] < sent[8]
    late_ns = report["lag_max_ns"] + report["slipped_ns"] + 1_000_000
    for ms, ns in zip([*moments, *(150 + ms for ms in moments)], sent, strict=True):
        assert -late_ns <= ms * 1_000_000 - (ns - sent[0]) <= 1_000_000


@pytest.mark.parametrize("form", ["pcap-ns", "pcap-us-big", "pcapng-ns", "pcapng-us"])
def test_frames_of_one_moment_stay_together(agent: Agent, tmp_path: Path, form: str) -> None:
    """Also where the reader takes up the next 64 records in the middle of them."""
    moments = [0] * 50 + [300] * 50
    frames = [Record(START_NS + ms * 1_000_000, numbered([k])[0].data, 60) for k, ms in enumerate(moments)]
    source = write(tmp_path / "in.pcap", FORMS[form](frames))
    report = generate(agent, "--port", into(tmp_path / "x"), "--replay", source, "--renumber", "--rate", "file",
                      "--burst", "64")  # fmt: skip
    sent = sent_times(tmp_path / "x")
    assert report["burst_max"] == 50 and len(set(sent[:50])) == len(set(sent[50:])) == 1
    assert report["hand_over_max_ns"] > 0


def test_a_file_without_gaps_goes_round_without_any(agent: Agent, tmp_path: Path) -> None:
    source = write(tmp_path / "in.pcap", pcap([record(START_NS, numbered([0])[0].data)]))
    report = generate(agent, "--port", into(tmp_path / "x"), "--replay", source, "--rate", "file", "--rounds", "50")
    assert report["sent"] == 50 and report["burst_max"] == 1


def test_frames_left_out_between_rounds(agent: Agent, tmp_path: Path) -> None:
    """Each second frame is left out, among them the last of each round: all rounds are sent nevertheless."""
    source = write(tmp_path / "in.pcap", pcap(numbered(range(100))))
    report = generate(agent, "--port", into(tmp_path / "x"), "--replay", source, "--rate", "max", "--rounds", "3",
                      "--omit-every", "2")  # fmt: skip
    assert (report["end"], report["sent"], report["omitted"]) == ("rounds", 150, 150)


def cpus_of_senders(pid: int) -> list[set[int]]:
    """Where the sending thread may run, and whatever it has started."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):  # it ended meanwhile
            if (task / "comm").read_text() == "generate\n":
                found.append(os.sched_getaffinity(int(task.name)))
    return found


def test_a_file_is_not_read_on_the_cpu_that_sends(agent: Agent, tmp_path: Path) -> None:
    """In further rounds neither, whose reader is started by the sender; it lives while 2 MiB are to come."""
    cpus = os.sched_getaffinity(0)
    if len(cpus) < 2:
        pytest.skip("there is one CPU")
    cpu = min(cpus)
    source = write(tmp_path / "in.pcap", pcap(numbered(range(4000), size=1514)))
    out = tmp_path / "x"
    command = [str(agent.binary), "generate", "--json", *SMALL, "--port", into(out), "--replay", str(source),
               "--rate", "20kpps", "--cpu", str(cpu), "--duration", "1h"]  # fmt: skip
    readers = 0
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while readers < 5:
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.01)
            if not out.exists() or out.stat().st_size < 1.1 * source.stat().st_size:
                continue
            threads = cpus_of_senders(process.pid)
            assert threads.count({cpu}) == 1
            readers += len(threads) > 1
    finally:
        process.kill()
        process.wait()


def test_replay_of_odd_frames(agent: Agent, tmp_path: Path) -> None:
    odd = [Record(START_NS, bytes(range(40)), 40), record(START_NS, bytes(17000)), record(START_NS, bytes(500), 100)]
    source = write(tmp_path / "in.pcap", pcap(odd))
    report = generate(agent, "--port", into(tmp_path / "x"), "--replay", source, "--rate", "max")
    assert report["sent"] == 2
    assert {key: report["replay"][key] for key in ("too_long", "cut", "padded")} == {
        "too_long": 1,
        "cut": 1,
        "padded": 1,
    }
    assert [packet.data for packet in read_packets(tmp_path / "x")] == [bytes(range(40)) + bytes(20), bytes(100)]


def test_replay_of_a_damaged_file(agent: Agent, tmp_path: Path) -> None:
    source = write(tmp_path / "in.pcap", pcap(numbered(range(100))) + b"\xff" * 100)
    done = agent.run(
        "generate", "--json", *SMALL, "--port", into(tmp_path / "x"), "--replay", str(source), "--rate", "max"
    )
    assert done.returncode == 4 and "damaged at offset" in done.stderr
    assert json.loads(done.stdout)["end"] == "file" and json.loads(done.stdout)["sent"] == 100


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([], "no port"),
        (["--port", "eth0"], "a port is a PCI address"),
        (["--port", "vdev:net_null0"], "no end is given"),
        (["--port", "vdev:net_null0", "--count", "0"], "a number from 1"),
        (["--port", "vdev:net_null0", "--count", "1", "--size", "63"], "64 to 16000"),
        (["--port", "vdev:net_null0", "--count", "1", "--size", "64", "--vlan", "5"], "68 to 16000"),
        (["--port", "vdev:net_null0", "--count", "1", "--rate", "1Gbps"], "Mpps, kpps and pps"),
        (["--port", "vdev:net_null0", "--count", "1", "--rate", "file"], "--replay FILE"),
        (["--port", "vdev:net_null0", "--count", "1", "--vlan", "4095"], "0 to 4094"),
        (["--port", "vdev:net_null0", "--count", "1", "--vlan", "1,2,3"], "one or two"),
        (["--port", "vdev:net_null0", "--count", "1", "--dst-mac", "1:2:3"], "MAC address"),
        (["--port", "vdev:net_null0", "--count", "1", "--vlan", "1", "--vlan", "2"], "2 --vlan for 1 --dst-mac"),
        (["--port", "vdev:net_null0", "--count", "1", "--flows", "1", *TWO], "--flows 1 does not reach 2 addresses"),
        (["--port", "vdev:net_null0", "--count", "1", "--size", "63", "--untagged-size", "--vlan", "5"], "64 to 16000"),
        (["--port", "vdev:net_null0", "--replay", "x", *TWO], "for numbered frames"),
        (["--port", "vdev:net_null0", "--replay", "x", "--vlan", "5"], "for numbered frames"),
        (["--port", "vdev:net_null0", "--count", "1", "--dst-ip", "::1"], "IPv4"),
        (["--port", "vdev:net_null0", "--count", "1", "--flows", "65537"], "1 to 65536"),
        (["--port", "vdev:net_null0", "--count", "1", "--burst", "65"], "1 to 64"),
        (["--port", "vdev:net_null0", "--count", "1", "--replay", "/nonexistent"], "No such file"),
        (["--port", "vdev:net_null0", "--size", "64", "--replay", "x"], "exclude each other"),
        (["--port", "vdev:net_null0", "--port", "vdev:net_null1"], "one port"),
        (["--port", "vdev:net_null0", "--count", "1", "more"], "no option"),
        (["--port", "vdev:net_nothing0", "--count", "1", "--huge-pages", "off"], "net_nothing0"),
    ],
)
def test_wrong_use_is_told(agent: Agent, args: list[str], words: str) -> None:
    done = agent.run("generate", *args)
    assert done.returncode == 2 and words in done.stderr and done.stdout == "", done.stderr
    assert done.stderr.count("error:") == 1


def test_frames_left_out_on_request_are_exactly_those_that_are_missing(agent: Agent, tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"
    report = generate(agent, "--port", into(path), "--rate", "max", "--count", "1000", "--omit-every", "7",
                      "--flows", "3")  # fmt: skip
    assert (report["sent"], report["omitted"], report["refused"], report["numbered"]) == (858, 142, 0, 1000)
    assert sum(flow["sent"] for flow in report["flows"]) == 1000
    done = check(agent, path, "--expect", "1000", "--flows", "3")
    assert done.numbers["missing"] == 142 and done.numbers["packets"] == 858
    left_out = sorted(
        seq * 3 + flow["flow"] + 1
        for flow in done.numbers["flows"]
        for first, last in flow["missing_ranges"]
        for seq in range(first, last + 1)
    )
    assert left_out == list(range(7, 1000, 7))


def test_a_full_port_loses_frames_as_a_wire_does(agent: Agent, tmp_path: Path) -> None:
    """While a receiver stands still, what its ring does not take is refused and missing, to the frame."""
    ring = f"socket={tmp_path}/memif.sock,socket-abstract=no,rsize=8"
    out = tmp_path / "x.pcap"
    capture = agent.start(
        tmp_path, "--port", f"vdev:net_memif0,role=server,{ring}", "--write", str(out), *SMALL, "--engine", "write"
    )
    sender = subprocess.Popen(
        [str(agent.binary), "generate", "--json", *SMALL, "--port", f"vdev:net_memif0,role=client,{ring}",
         "--count", "20000", "--rate", "20kpps", "--when-full", "drop", "--linger", "60s"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert sender.stdout is not None
    try:
        while out.stat().st_size < 100 * 76:
            time.sleep(0.01)
        capture.send(signal.SIGSTOP)
        time.sleep(0.4)
        capture.send(signal.SIGCONT)
        lines = []
        while not lines or lines[-1] != "}\n":  # it lingers behind its report
            lines.append(sender.stdout.readline())
        report = json.loads("".join(lines))
    except BaseException:
        capture.kill()
        sender.kill()
        raise
    time.sleep(0.2)
    done = capture.stop()
    sender.terminate()
    assert sender.wait(30) == 0
    assert report["refused"] >= 1000 and report["sent"] + report["refused"] == report["numbered"] == 20_000
    assert done.total["stored"] == report["sent"]
    found = check(agent, out, "--expect", "20000")
    assert found.numbers["missing"] == report["refused"]


def test_no_rate_and_frames_that_are_due_exclude_each_other(agent: Agent, tmp_path: Path) -> None:
    done = agent.run("generate", "--port", into(tmp_path / "x"), "--count", "1", "--rate", "max", "--when-full", "drop")
    assert done.returncode == 2 and "--rate max and --when-full drop" in done.stderr
