# SPDX-License-Identifier: Apache-2.0
"""The page as a real browser shows it, on a phone and on a desk, light and dark; pictures are kept beside the test run.

`NFVCAP_PICTURES=DIR pytest …` keeps them there, to be looked at.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from browser import Browser, program
from fakes import FRAMES_64, INSTANT, FakeSource, dead, limit, noisy, path
from measured_example import ENVIRONMENT, made

from nfvcap.model.measurement import Sample
from nfvcap.model.result import Check, HostResult, Result, Verdict
from nfvcap.report import html
from nfvcap.verify.packets.cells import KEYS, TRAFFICS, subject
from nfvcap.verify.packets.checks import checks, skipped
from nfvcap.verify.packets.run import Run, Wish
from nfvcap.verify.packets.traffic import traffic

CHROMIUM = program()
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt install chromium (Debian)"),
    pytest.mark.timeout(300),
]
SCREENS = {"phone": (390, 844), "small phone": (320, 640), "desk": (1440, 900)}
# Everything that sticks out at the right, unless it is inside of something that scrolls by itself.
OUTSIDE = """
[...document.querySelectorAll('main *')].filter(e => {
  const box = e.getBoundingClientRect();
  return box.width > 0 && box.right > document.documentElement.clientWidth + 0.5 && !e.closest('.scroll, svg');
}).map(e => e.tagName + '.' + e.className + ': ' + e.textContent.trim().slice(0, 60))
"""
OPEN_ALL = "document.querySelectorAll('details').forEach(e => e.open = true)"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    assert CHROMIUM is not None
    with Browser(CHROMIUM, tmp_path_factory.mktemp("chromium")) as started:
        yield started


def several() -> Result:
    """A matrix with everything that is long: names, reasons, commands; a broken path, a source that under-ran."""
    long = "host1.rack-12.capture-lab.example.net 0000:81:10.2"
    samples = tuple(Sample(end_s=0.1 * n, received=100, stored=90, lost=10) for n in range(1, 12))
    measurements = []
    for number, (loses, rate, name) in enumerate([
        (limit(9_400_000), "search", "bare metal"), (noisy(2_000_000), "line", "virtual function"),
        (dead, "line", "VirtIO"), (limit(10**9), "400", "emulated e1000"),
    ]):  # fmt: skip
        where = replace(path(loses, source=FakeSource(ceiling=10**6 if number == 1 else 20_000_000)),
                        name=f"{long} {name} 64 B", attachment=name, engine="kernel", label="functional",
                        label_note="the path is real, its speed is that of an emulation")  # fmt: skip
        m = Run(where, Wish(INSTANT, FRAMES_64 if number else traffic("965"), rate, 60.0), None, "f").measure()
        trials = tuple(trial.model_copy(update={"timeline": samples}) for trial in m.trials)
        measurements.append(
            m.model_copy(update={"trials": trials, "commands": ("nfvcap-agent generate " + "--word " * 40,)})
        )
    reason = "the PF is driven by kernel here: /sys/module/vfio_pci/parameters/enable_sriov says N, and guests have VFs"
    cells = tuple(skipped("NFV-PKT-020", subject(key, words), reason) for key in KEYS for words in TRAFFICS)
    found = tuple(check for m in measurements for check in checks(m, "f"))
    environment = {**ENVIRONMENT, "command_line": "intel_iommu=on iommu=pt " + "isolcpus=managed_irq,domain,2-31 " * 4,
                   "pins": {str(cpu): "vm3" for cpu in (2, 3)}}  # fmt: skip
    host = HostResult(host="host1", environment=environment, checks=(*found, *cells), fingerprint="0" * 32,
                      measurements=tuple(measurements))  # fmt: skip
    return Result(nfvcap_version="0.1.0", created_at="2026-11-24T12:00:00Z", hosts=(host,))


RESULTS = {
    "searched": lambda: made("search", 9_400_000),
    "lossy": lambda: made("line", 14_000_000),
    "several": several,
    "state": lambda: Result(nfvcap_version="0.1.0", created_at="2026-11-24T12:00:00Z", hosts=tuple(
        HostResult(host=name, environment=ENVIRONMENT, checks=(failing(verdict),)) for name, verdict in
        (("host1", Verdict.PASS), ("host2.rack-12.capture-lab.example.net", Verdict.FAIL)))),
}  # fmt: skip


def failing(verdict: Verdict) -> Check:
    """A check whose words are hard to break into lines."""
    return Check(id="NFV-STATE-010", subject="intel_iommu=on,sm_on,and_a_very_long_word_without_any_space_in_it",
                 title="The kernel argument is there", verdict=verdict, found="nothing", wanted="it",
                 fix="sed -i 's/^GRUB_CMDLINE_LINUX=/&intel_iommu=on /' /etc/default/grub.d/nfvcap.cfg")  # fmt: skip


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    where = Path(os.environ.get("NFVCAP_PICTURES") or tmp_path_factory.mktemp("pages"))
    where.mkdir(parents=True, exist_ok=True)
    made = {}
    for name, result in RESULTS.items():
        made[name] = where / f"{name}.html"
        made[name].write_text(html.document(result()), encoding="utf-8")
    return made


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("name", RESULTS)
def test_nothing_sticks_out_at_the_side(browser: Browser, pages: dict[str, Path], name: str, screen: str) -> None:
    width, height = SCREENS[screen]
    browser.open(pages[name], width, height)
    for _ in range(2):  # as it opens, and with everything unfolded
        assert browser.says(OUTSIDE) == []
        assert browser.says("document.documentElement.scrollWidth") <= browser.says("innerWidth") == width
        browser.says(OPEN_ALL)
    picture = browser.picture(pages[name].with_name(f"{name}-{screen.replace(' ', '-')}.png"))
    assert picture.startswith(b"\x89PNG") and len(picture) > 10_000


PAPER = (680, 1000)  # A4 within margins of 15 mm, in CSS pixels
CUT = """
[...document.querySelectorAll('main *')].filter(e => {
  const box = e.getBoundingClientRect();
  return box.width > 0 && box.right > document.documentElement.clientWidth + 0.5 && !e.closest('svg');
}).map(e => e.tagName + '.' + e.className + ': ' + e.textContent.trim().slice(0, 60))
"""
FOLDED = """
[...document.querySelectorAll('.fold')].map(e => [
  e.textContent.trim(), e.open, e.nextElementSibling.getBoundingClientRect().height,
  e.nextElementSibling.checkVisibility({contentVisibilityAuto: true, visibilityProperty: true})])
"""


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("name", RESULTS)
def test_paper_has_all_of_it_and_nothing_is_cut_off(
    browser: Browser, pages: dict[str, Path], name: str, dark: bool
) -> None:
    browser.open(pages[name], *PAPER, dark=dark, paper=True)
    folded = browser.says(FOLDED)
    assert folded and all(height > 20 and shown for _, _, height, shown in folded), folded
    if name != "state":
        assert not all(is_open for _, is_open, _, _ in folded), "nothing was folded, so nothing is proved"
    assert browser.says(CUT) == []
    assert browser.says("document.documentElement.scrollWidth") <= PAPER[0]
    assert browser.says(CONTRAST) >= 7
    assert browser.says("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    browser.picture(pages[name].with_name(f"{name}-paper-{'dark' if dark else 'light'}.png"))


@pytest.mark.parametrize("name", RESULTS)
def test_a_screen_folds_what_paper_shows(browser: Browser, pages: dict[str, Path], name: str) -> None:
    browser.open(pages[name], *SCREENS["desk"])
    for words, is_open, height, shown in browser.says(FOLDED):
        assert is_open is shown is (height > 0), words
    browser.says(OPEN_ALL)
    assert all(shown for *_, shown in browser.says(FOLDED))


@pytest.mark.parametrize("name", ["searched", "several"])
def test_the_verdict_is_on_the_first_screen_of_a_phone(browser: Browser, pages: dict[str, Path], name: str) -> None:
    browser.open(pages[name], *SCREENS["phone"])
    assert browser.says("document.querySelector('h1').getBoundingClientRect().bottom") < SCREENS["phone"][1]


CONTRAST = """
(() => {
  const shown = colour => {
    const c = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
    c.fillStyle = colour; c.fillRect(0, 0, 1, 1);
    return [...c.getImageData(0, 0, 1, 1).data].slice(0, 3).map(v => v / 255);
  };
  const light = rgb => rgb.map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const ratio = (a, b) => {
    const [x, y] = [light(shown(a)), light(shown(b))].sort((p, q) => q - p);
    return (x + .05) / (y + .05);
  };
  const of = (e, key) => getComputedStyle(document.querySelector(e))[key];
  return ratio(of('h1', 'color'), of('.verdict', 'backgroundColor'));
})()
"""


@pytest.mark.parametrize("dark", [False, True])
def test_the_verdict_can_be_read_light_and_dark(browser: Browser, pages: dict[str, Path], dark: bool) -> None:
    browser.open(pages["lossy"], *SCREENS["desk"], dark=dark)
    assert browser.says(CONTRAST) >= 7
    browser.picture(pages["lossy"].with_name(f"lossy-{'dark' if dark else 'light'}.png"))


def test_the_page_asks_nobody_for_anything(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["several"], *SCREENS["desk"])
    assert browser.says("performance.getEntriesByType('resource').length") == 0
