"""The page in a real headless browser, and what can be said of it without one."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from study import reseal
from test_reporting import make_settings, make_study, put

from stages.machine.errors import UserError
from stages.report import render, report
from stages.reporting.read import provenance
from stages.reporting.write import templates

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
SWITCHES = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
STRATEGIES = ("random", "entropy", "badge", "k_center_with_a_long_name")


def picture(shade):
    stream = io.BytesIO()
    Image.new("L", (8, 8), shade).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def with_images(root, settings):
    for number, strategy in enumerate(settings.strategies):
        path = root / f"reports/rounds/{settings.tasks[0]}/{strategy}/seed-0/round-0.json"
        images = [picture(20 * number + at) for at in range(10)]
        put(path, json.loads(path.read_text()) | {"first_selected": images})


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study of two tasks with images, and its report."""
    root = tmp_path_factory.mktemp("page")
    settings = make_settings(tasks=("digits", "other"), strategies=STRATEGIES)
    make_study(root, settings)
    with_images(root, settings)
    reseal(root)
    report(settings, root)
    return root, settings


@pytest.fixture(scope="module")
def text(study):
    return (study[0] / "reports/index.html").read_text(encoding="utf-8")


def test_the_same_files_give_the_same_bytes(study, text, tmp_path):
    root, settings = study
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(root, elsewhere)
    assert render(settings, elsewhere)["index.html"] == text
    assert str(root) not in text


def test_the_page_loads_nothing(text):
    # Everything that could fetch: none of it names a place outside the page.
    for found in re.findall(r'(?:src|srcset|action|data|poster)="([^"]*)"', text):
        assert found.startswith("data:") or found == "", found
    assert not re.findall(r"@import|url\(|fetch\(|XMLHttpRequest|WebSocket|import\(", text)
    assert re.findall(r'<link [^>]*href="([^"]*)"', text) == ["data:,"]
    assert "default-src 'none'" in text


def test_what_the_page_must_hold(text, study):
    root, settings = study
    for part in (
        "Main findings",
        "Images chosen first",
        "abc123",
        "Cite this",
        "@software{",
        "python -m stages.verify",
        'lang="en"',
        "<noscript>",
        "torch",
    ):
        assert part in text, part
    prints = [
        line.split(",")[3]
        for line in (root / "reports/tables/fingerprints.csv").read_text().splitlines()[1:]
    ]
    assert all(fingerprint in text for fingerprint in prints)
    assert text.count('<li><img src="data:image/png;base64,') == 10 * len(STRATEGIES)


def test_without_images_there_is_no_such_section(tmp_path):
    settings = make_settings(strategies=("random", "entropy"), seeds=(0,), rounds=2)
    make_study(tmp_path, settings)
    made = render(settings, tmp_path)["index.html"]
    assert "Images chosen first" not in made
    assert 'id="first"' not in made


def test_images_that_are_none_are_named(tmp_path):
    settings = make_settings(strategies=("random", "entropy"), seeds=(0,), rounds=2)
    make_study(tmp_path, settings)
    path = tmp_path / "reports/rounds/digits/entropy/seed-0/round-0.json"
    put(path, json.loads(path.read_text()) | {"first_selected": ["<script>"]})
    with pytest.raises(UserError, match="entropy/seed-0/round-0.json: first_selected"):
        render(settings, tmp_path)


def test_names_cannot_break_out_of_the_page():
    assert "<" not in templates.data({"a": "</script><b>"})
    assert json.loads(templates.data({"a": "</script>"})) == {"a": "</script>"}
    assert templates.inline("<b> `x` **y** & *z*") == (
        "&lt;b&gt; <code>x</code> <strong>y</strong> &amp; <em>z</em>"
    )
    assert (
        templates.blocks("a\nb\n\n- c\n  d\n- e") == "<p>a b</p>\n<ul><li>c d</li><li>e</li></ul>"
    )


def test_fingerprint_of_the_study_is_what_sha256sum_gives(study):
    import hashlib

    from stages.reporting.read.records import read_fingerprints

    root, settings = study
    found = provenance.study_fingerprint(read_fingerprints(settings, root))
    seals = sorted(
        root.glob("splits/*/*/seed-*/round-end.txt"),
        key=lambda path: path.relative_to(root).as_posix().encode(),
    )
    lines = "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(root).as_posix()}\n"
        for path in seals
    )
    assert found == hashlib.sha256(lines.encode()).hexdigest()
    assert found in provenance.citation(found)
    (seals[0]).rename(seals[0].with_suffix(".away"))
    try:
        assert provenance.study_fingerprint(read_fingerprints(settings, root)) is None
    finally:
        seals[0].with_suffix(".away").rename(seals[0])


def test_versions_and_citation_are_optional(tmp_path):
    assert provenance.pinned_versions(tmp_path) == []
    assert "n/a" in provenance.citation(None, tmp_path)
    put(tmp_path / "requirements.lock", "numpy==2.1.0\nother==1\ntorch==2.9 ; os_name == 'nt'\n")
    assert provenance.pinned_versions(tmp_path) == [
        ("torch", "2.9 (os_name == 'nt')"),
        ("numpy", "2.1.0"),
    ]


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    if not CHROMIUM or not DRIVER:
        pytest.skip("no Chromium; Debian: apt-get install chromium chromium-driver")
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for switch in (*SWITCHES, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield started
    started.quit()


def scheme(driver, name):
    driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {
            "features": [
                {"name": "prefers-color-scheme", "value": name},
                {"name": "prefers-reduced-motion", "value": "reduce"},
            ]
        },
    )


def width(driver, pixels):
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": pixels, "height": 800, "deviceScaleFactor": 1, "mobile": pixels < 500},
    )


@pytest.fixture
def browser(driver, study):
    """The page freshly opened; afterwards nothing may have gone wrong."""
    scheme(driver, "light")
    width(driver, 1280)
    driver.get_log("performance")
    driver.get((study[0] / "reports/index.html").as_uri())
    driver.execute_script("try { localStorage.clear() } catch (error) {}")
    assert driver.execute_script("return document.documentElement.dataset.ready") == "yes"
    driver.execute_script("document.querySelectorAll('details').forEach(x => { x.open = true })")
    yield driver
    assert driver.get_log("browser") == []
    for entry in driver.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            address = message["params"]["request"]["url"]
            # The browser's own first page, still loading when this one is opened, is not ours.
            if not message["params"]["documentURL"].startswith("chrome://"):
                assert address.startswith(("file://", "data:")), address


def press(driver, element, *keys):
    from selenium.webdriver.common.keys import Keys

    driver.execute_script("arguments[0].focus()", element)
    for key in keys:
        driver.switch_to.active_element.send_keys(getattr(Keys, key, key))


def click(driver, element):
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    element.click()


def css(driver, selector):
    return driver.find_elements("css selector", selector)


def test_charts_are_drawn(browser):
    drawn = browser.execute_script(
        "return [...document.querySelectorAll('.plot svg')].map("
        "svg => svg.querySelectorAll('polyline').length)"
    )
    assert drawn[:4] == [3, 4, 3, 4]  # differences have no line of the baseline
    assert (
        browser.execute_script(
            "return [...document.querySelectorAll('.plot *')].some("
            "item => [...item.attributes].some(a => a.value.includes('NaN')))"
        )
        is False
    )


def test_strategies_switch_on_and_off(browser):
    first = css(browser, "#picks input[data-s]")[1]
    lines = "return document.querySelectorAll('[data-chart=\"1\"] polyline').length"
    click(browser, first)
    assert browser.execute_script(lines) == 3
    assert "entropy" not in css(browser, ".values")[1].text
    press(browser, first, "SPACE")
    assert browser.execute_script(lines) == 4
    click(browser, css(browser, "[data-pick=none]")[0])
    assert browser.execute_script(lines) == 0
    click(browser, css(browser, "[data-pick=all]")[0])
    assert browser.execute_script(lines) == 4
    bands = "return document.querySelectorAll('[data-chart=\"1\"] polygon').length"
    assert browser.execute_script(bands) == 4
    click(browser, css(browser, "#bands")[0])
    assert browser.execute_script(bands) == 0


def test_values_by_keyboard_and_pointer(browser):
    from selenium.webdriver.common.action_chains import ActionChains

    plot, where = css(browser, ".plot")[1], css(browser, ".where")[1]
    assert where.text == "At 30 labeled images"
    press(browser, plot, "ARROW_LEFT")
    assert where.text == "At 20 labeled images"
    press(browser, plot, "HOME", "ARROW_DOWN")
    assert where.text == "At 10 labeled images"
    assert len(css(browser, "[data-chart='1'] .values li.hot")) == 1
    said = browser.execute_script("return document.querySelectorAll('.live')[1].textContent")
    assert re.fullmatch(r"At 10 labeled images: \w+ 0\.\d{4}", said)
    ActionChains(browser).move_to_element(plot).perform()
    assert where.text == "At 20 labeled images"


def test_values_shown_are_those_of_the_table(browser, study):
    shown = css(browser, ".values")[1].text
    curve = (study[0] / "reports/curve.csv").read_text().splitlines()
    for row in (line.split(",") for line in curve if line.startswith("digits,")):
        if row[2] == "30":
            assert f"{float(row[3]):.4f} ± {float(row[4]):.4f}" in shown


def test_tables_sort_by_click_and_keyboard_with_missing_values_last(browser):
    def cells(column):
        return browser.execute_script(
            "return [...document.querySelectorAll('#table-summary tbody tr')]"
            ".map(row => row.cells[arguments[0]].textContent)",
            column,
        )

    header = css(browser, "#table-summary thead th")[2]
    button = header.find_element("css selector", "button")
    click(browser, button)
    assert header.get_attribute("aria-sort") == "ascending"
    rising = cells(2)
    known = [float(text.split()[0]) for text in rising if text != "n/a"]
    assert known == sorted(known) and len(known) == 8
    assert rising[-2:] == ["n/a", "n/a"]
    press(browser, button, "ENTER")
    assert header.get_attribute("aria-sort") == "descending"
    falling = cells(2)
    known = [float(text.split()[0]) for text in falling if text != "n/a"]
    assert known == sorted(known, reverse=True)
    assert falling[-2:] == ["n/a", "n/a"]
    names = css(browser, "#table-summary thead th")[1]
    click(browser, names.find_element("css selector", "button"))
    assert cells(1) == sorted(cells(1))
    assert header.get_attribute("aria-sort") is None


def test_long_tables_can_be_filtered(browser):
    browser.execute_script("document.querySelector('#table-assumptions').open = true")
    box = css(browser, "#table-assumptions .filter")[0]
    press(browser, box, *"levene")
    shown = browser.execute_script(
        "return [...document.querySelectorAll('#table-assumptions tbody tr')]"
        ".filter(row => !row.hidden).map(row => row.textContent)"
    )
    assert shown and all("levene" in text for text in shown)


def test_heat_map_is_read_by_keyboard(browser):
    region = css(browser, "#pairs .heat")[0]
    press(browser, region, "ARROW_DOWN", "ARROW_DOWN")
    said = css(browser, "#pairs .said")[0].text
    assert re.fullmatch(
        r"badge minus k_center_with_a_long_name: -?0\.\d{4}, interval -?0\.\d{4} to -?0\.\d{4}, "
        r"p [=<] 0\.\d{4}( \(significant\))?",
        said,
    )
    forth = re.search(r": (-?[\d.]+)", said)[1]
    press(browser, region, "ARROW_UP", "ARROW_RIGHT")
    back = re.search(r": (-?[\d.]+)", css(browser, "#pairs .said")[0].text)[1]
    assert float(forth) == -float(back) != 0


def test_a_run_is_shown_with_its_curve_its_fingerprint_and_its_files(browser, study):
    from selenium.webdriver.support.ui import Select

    for name, value in (("task", "other"), ("strategy", "badge"), ("seed", "1")):
        Select(css(browser, f"#run-{name}")[0]).select_by_visible_text(value)
    lines = browser.execute_script(
        "return [...document.querySelectorAll('#run-chart .series')].map(x => +x.dataset.s)"
    )
    assert lines == [2, 0]  # the run, and the baseline's with the same seed above it
    shown = css(browser, "#run .values")[0].text
    rows = pd.read_csv(study[0] / "reports/tables/aubc.csv", dtype=str)
    own = rows.query("task == 'other' and strategy == 'badge' and seed == '1'")
    assert f"{float(own['final_accuracy'].item()):.4f}" in shown
    about = css(browser, "#run-about")[0]
    prints = pd.read_csv(study[0] / "reports/tables/fingerprints.csv", dtype=str)
    own = prints.query("task == 'other' and strategy == 'badge' and seed == '1'")
    assert own["fingerprint"].item() in about.text
    for link in about.find_elements("css selector", "a"):
        path = link.get_attribute("href").removeprefix("file://")
        assert Path(path).is_dir() and path.endswith("other/badge/seed-1/")
    assert not about.find_elements("css selector", "img")  # only of the first seed, first task
    for name, value in (("task", "digits"), ("seed", "0")):
        Select(css(browser, f"#run-{name}")[0]).select_by_visible_text(value)
    assert len(css(browser, "#run-about img")) == 10


def test_only_the_baseline_and_the_best_three_are_drawn_at_first(tmp_path):
    settings = make_settings(strategies=("random", "a", "b", "c", "d", "e"), rounds=2)
    make_study(tmp_path, settings)
    page = render(settings, tmp_path)["index.html"]
    found = json.loads(re.search(r'id="data">(.*?)</script>', page)[1])
    assert [found["strategies"][at] for at in found["best"]] == ["random", "c", "d", "e"]


def contrast(first, second):
    def luminance(colour):
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
        return sum(w * x for w, x in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_contrast_in_light_and_dark(browser, mode):
    scheme(browser, mode)
    pairs = browser.execute_script(r"""
        const found = [], behind = (item) => {
          for (; item; item = item.parentElement) {
            const colour = getComputedStyle(item).backgroundColor;
            if (!/^rgba.*, 0\)$/.test(colour)) return colour;
          }
        };
        const probe = document.createElement('table');
        probe.innerHTML = ['m', 'p'].map(s => [1, 2, 3, 4, 5].map(
          n => `<td class="${s}${n}">+1.0</td>`).join('')).join('');
        document.querySelector('.heat').append(probe);
        for (const item of document.querySelectorAll(
            'p, a, td, th, dt, dd, h2, button, label, summary, code, .heat td, .where, pre'))
          found.push([getComputedStyle(item).color, behind(item), item.className || item.tagName]);
        probe.remove();
        return found;""")
    assert len(pairs) > 100
    for ink, paper, what in pairs:
        assert contrast(ink, paper) >= 4.5, (what, ink, paper)
    paper = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (contrast(paper, "rgb(0, 0, 0)") < 2) == (mode == "dark")
    lines = browser.execute_script(
        "return [...document.querySelectorAll('.line')].map(x => getComputedStyle(x).stroke)"
    )
    assert all(contrast(line, paper) >= 3 for line in lines)


def test_theme_switch(browser):
    back = "return getComputedStyle(document.body).backgroundColor"
    button = css(browser, "#theme")[0]
    before = browser.execute_script(back)
    click(browser, button)
    assert browser.execute_script(back) == before
    click(browser, button)
    assert button.text == "Theme: dark"
    assert browser.execute_script(back) != before


@pytest.mark.parametrize("pixels", [360, 768, 1280])
def test_no_sideways_scrolling(browser, pixels):
    width(browser, pixels)
    browser.execute_script("document.querySelectorAll('details').forEach(x => { x.open = true })")
    wide = browser.execute_script(
        "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert wide[0] <= wide[1]


def test_it_prints(browser):
    printed = base64.b64decode(
        browser.execute_cdp_cmd(
            "Page.printToPDF", {"printBackground": True, "preferCSSPageSize": True}
        )["data"]
    )
    assert printed.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) > 0


def test_without_scripts_the_figures_stand(driver, study):
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        driver.get((study[0] / "reports/index.html").as_uri())
        assert len(css(driver, "noscript img")) >= 2
        assert css(driver, "#table-summary tbody tr")
    finally:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
