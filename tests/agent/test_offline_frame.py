# SPDX-License-Identifier: Apache-2.0
"""The numbered frame is the same in C and in Python, byte for byte and verdict for verdict."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nfvcap.agent.frame import FrameId, Layout, Tag, Verdict, build, judge, size_min_bytes

VERDICTS = [Verdict.GOOD, Verdict.CORRUPT, Verdict.FOREIGN, Verdict.SHORT]
U64 = st.integers(0, 2**64 - 1)


class CId(ctypes.Structure):
    _fields_ = (("seq", ctypes.c_uint64), ("time_ns", ctypes.c_uint64), ("flow", ctypes.c_uint16))


class CLayout(ctypes.Structure):
    _fields_ = (
        ("dst_mac", ctypes.c_uint8 * 6),
        ("src_mac", ctypes.c_uint8 * 6),
        ("tags", ctypes.c_uint8),
        ("tag_type", ctypes.c_uint16 * 2),
        ("tag_control", ctypes.c_uint16 * 2),
        ("dst_ip", ctypes.c_uint32),
    )


class CFrame:
    """agent/src/frame.c as a shared library."""

    def __init__(self, library: Path) -> None:
        self.lib = ctypes.CDLL(str(library))
        self.lib.frame_build.restype = ctypes.c_bool

    def build(self, size: int, ident: FrameId, layout: Layout) -> bytes | None:
        buffer = (ctypes.c_uint8 * max(size, 1))()
        given_layout = CLayout(
            (ctypes.c_uint8 * 6)(*layout.dst_mac),
            (ctypes.c_uint8 * 6)(*layout.src_mac),
            len(layout.tags),
            (ctypes.c_uint16 * 2)(*(tag.type for tag in layout.tags)),
            (ctypes.c_uint16 * 2)(*(tag.control for tag in layout.tags)),
            layout.dst_ip,
        )
        c_id = CId(ident.seq, ident.time_ns, ident.flow)
        built = self.lib.frame_build(buffer, size, ctypes.byref(given_layout), ctypes.byref(c_id))
        return bytes(buffer) if built else None

    def judge(self, data: bytes, wire_bytes: int) -> tuple[Verdict, FrameId | None]:
        found = CId()
        verdict = VERDICTS[self.lib.frame_judge(data, len(data), wire_bytes, ctypes.byref(found))]
        if verdict is not Verdict.GOOD:
            return verdict, None
        return verdict, FrameId(found.seq, found.time_ns, found.flow)


@pytest.fixture(scope="module")
def c_frame(agent_source: Path, tmp_path_factory: pytest.TempPathFactory) -> CFrame:
    library = tmp_path_factory.mktemp("frame") / "frame.so"
    source = agent_source / "src" / "frame.c"
    subprocess.run(
        ["cc", "-O2", "-std=gnu17", "-shared", "-fPIC", "-o", str(library), str(source)],
        check=True, timeout=120,
    )  # fmt: skip
    return CFrame(library)


idents = st.builds(FrameId, U64, U64, st.integers(0, 65535))
tags = st.lists(st.builds(Tag, st.integers(0, 65535), st.sampled_from([0x8100, 0x88A8])), max_size=2).map(tuple)
macs = st.binary(min_size=6, max_size=6)
layouts = st.builds(Layout, macs, macs, tags, st.integers(1, 2**32 - 1))
sizes = st.one_of(st.integers(50, 140), st.integers(50, 2000), st.sampled_from([1514, 9000, 65549, 65550, 65560]))


@settings(max_examples=400, deadline=None)
@given(size=sizes, ident=idents, layout=layouts)
def test_the_same_bytes(c_frame: CFrame, size: int, ident: FrameId, layout: Layout) -> None:
    try:
        mine = build(size, ident, layout)
    except ValueError:
        assert c_frame.build(size, ident, layout) is None
        return
    assert c_frame.build(size, ident, layout) == mine
    assert len(mine) == size
    assert judge(mine) == (Verdict.GOOD, ident)
    assert c_frame.judge(mine, size) == (Verdict.GOOD, ident)


@settings(max_examples=700, deadline=None)
@given(data=st.data(), ident=idents, layout=layouts, size=st.integers(60, 200))
def test_the_same_verdict_on_damaged_frames(
    c_frame: CFrame, data: st.DataObject, ident: FrameId, layout: Layout, size: int
) -> None:
    frame = bytearray(build(max(size, size_min_bytes(len(layout.tags))), ident, layout))
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(frame) - 1))
        frame[at] = data.draw(st.integers(0, 255))
    captured = bytes(frame[: data.draw(st.integers(0, len(frame)))])
    wire = data.draw(st.sampled_from([len(frame), len(captured), len(frame) + 4]))
    assert judge(captured, wire) == c_frame.judge(captured, wire)


@settings(max_examples=300, deadline=None)
@given(frame=st.binary(max_size=120))
def test_the_same_verdict_on_anything(c_frame: CFrame, frame: bytes) -> None:
    assert judge(frame) == c_frame.judge(frame, len(frame))


def test_every_flipped_bit_is_corrupt() -> None:
    """But for MAC addresses, DSCP and TTL, which are free on the way."""
    frame = build(77, FrameId(2**40 + 5, 1_700_000_000_000_000_000, 300))
    for bit in range(12 * 8, 77 * 8):
        damaged = bytearray(frame)
        damaged[bit // 8] ^= 1 << bit % 8
        assert judge(bytes(damaged)) == (Verdict.CORRUPT, None), bit


@pytest.mark.parametrize("size", [59, 0, -1, 70000])
def test_sizes_that_cannot_be(size: int) -> None:
    with pytest.raises(ValueError, match="no numbered frame"):
        build(size, FrameId(0, 0))


def test_numbers_that_cannot_be() -> None:
    for bad in [(-1, 0, 0), (2**64, 0, 0), (0, -1, 0), (0, 0, 65536)]:
        with pytest.raises(ValueError, match="out of range"):
            FrameId(*bad)
    with pytest.raises(ValueError, match="6 bytes"):
        Layout(dst_mac=b"short")


def test_standard_checksums_are_right(tmp_path: Path) -> None:
    """tshark, asked to verify them, finds every checksum good."""
    from tests.agent.captures import numbered, pcap

    path = tmp_path / "frames.pcap"
    records = [r for size in (60, 61, 68, 75, 76, 77, 1514) for r in numbered(range(20), 7, size)]
    path.write_bytes(pcap(records))
    done = subprocess.run(
        ["tshark", "-n", "-r", str(path), "-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE",
         "-T", "fields", "-e", "ip.checksum.status", "-e", "udp.checksum.status"],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["1\t1"] * len(records)
