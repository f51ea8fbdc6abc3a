"""The report of a study: every number on it is that of a table; names from files are inert."""

from __future__ import annotations

import csv
import json
import re
import shutil
import statistics
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from study_phantoms import small_study

from volumetry.cli import main
from volumetry.demo import run_demo
from volumetry.errors import VolumetryError
from volumetry.formats import read_trace
from volumetry.pages.lesion_page import MAX_BYTES
from volumetry.pages.run import write_report
from volumetry.study.pseudonyms import read_key
from volumetry.study.runs.batch import run_batch
from volumetry.study.runs.options import BatchOptions
from volumetry.tables import TABLES
from volumetry.tracing.disk.revisions import save_revision

STUDY = ROOT / "sample_scans" / "study"
CANARY = "<script>document.title='ran'</script><img src=x onerror=alert(1)>"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("results")
    assert run_demo(out, ROOT / "sample_scans") == 0
    return out


@pytest.fixture(scope="module")
def report(results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report") / "report.html"
    write_report([results], out, study=STUDY)
    return out


class Page(HTMLParser):
    """Links with their tags and texts, cells of tables, and the text of paragraphs outside links."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[tuple[dict[str, str], str]] = []
        self.cells: list[tuple[str, int, str, str]] = []
        self.ids: list[str] = []
        self.sources: list[str] = []
        self.tags: list[str] = []
        self.unlinked = ""
        self._link: dict[str, str] | None = None
        self._in_text = False
        self._table, self._row, self._column = "", 0, ""
        self._words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        self.ids += [said["id"]] if "id" in said else []
        self.sources += [said[name] for name in ("src", "href") if name in said]
        if tag == "a" and said.get("class") == "of":
            self._link, self._words = said, ""
        if tag == "p" and said.get("class") == "text":
            self._in_text = True
        self._table = said.get("data-table", "") if tag == "table" else self._table
        if tag == "tr":
            self._row = int(said.get("data-row", 0))
        if tag == "td":
            self._column, self._words = said.get("data-column", ""), ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "a" and self._link is not None:
            self.links.append((self._link, self._words))
            self._link = None
        if tag == "p":
            self._in_text = False
        if tag == "td" and self._column:
            self.cells.append((self._table, self._row, self._column, self._words))
            self._column = ""

    def handle_data(self, data: str) -> None:
        self._words += data
        if self._in_text and self._link is None:
            self.unlinked += data


def rows_of(results: Path, name: str) -> list[dict[str, str]]:
    path = next(p for p in (results / name, results / "outcomes" / name) if p.is_file())
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def worked_out(results: Path, link: dict[str, str]) -> Any:
    """What a number of the text should be, from the files alone."""
    stat, column = link["data-stat"], link.get("data-column", "")
    if stat == "json":
        path = next(
            p
            for p in (results / link["data-table"], results / "outcomes" / link["data-table"])
            if p.is_file()
        )
        value: Any = json.loads(path.read_text(encoding="utf-8"))
        for key in column.split("."):
            value = value[key]
        return value
    rows = rows_of(results, link["data-table"])
    if stat == "value":
        return rows[int(link["data-row"]) - 2][column]
    where = json.loads(link.get("data-where", "{}"))
    rows = [row for row in rows if all(row[name] == value for name, value in where.items())]
    if stat == "count":
        return len(rows)
    if stat == "distinct":
        return len({tuple(row[name] for name in column.split()) for row in rows})
    values = [float(row[column]) for row in rows if row[column]]
    quartiles = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
    return quartiles[("lower quartile", "median", "upper quartile").index(stat)]


def agrees(shown: str, value: Any) -> bool:
    """Whether a text is the value, to half a unit of its last digit."""
    if str(value) == shown or (value in ("", None) and shown == ""):
        return True
    if shown.startswith("<"):
        return float(value) < float(shown[1:])
    try:
        number, said = float(value), float(shown)
    except ValueError:
        return False
    mantissa, _, exponent = shown.lower().partition("e")
    unit = 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
    return abs(number - said) <= unit / 2 * (1 + 1e-9)


def faults(results: Path, page: Page) -> Iterator[str]:
    for link, text in page.links:
        value = worked_out(results, link)
        percent = link.get("data-column") == "level"
        if not agrees(text, 100 * float(value) if percent else value):
            yield f"{link}: {text!r} is not {value!r}"
        if link["href"][1:] not in page.ids:
            yield f"{link['href']} leads nowhere"


def test_every_number_of_the_text_is_that_of_its_table(results: Path, report: Path) -> None:
    page = Page(report.read_text(encoding="utf-8"))
    assert len(page.links) > 80
    assert list(faults(results, page)) == []
    assert re.findall(r"\d", page.unlinked.replace("cm\u00b3", "")) == []


def test_every_cell_is_that_of_its_table(results: Path, report: Path) -> None:
    page = Page(report.read_text(encoding="utf-8"))
    tables = {name: rows_of(results, name) for name in {cell[0] for cell in page.cells}}
    wrong = [
        (name, line, column, text, tables[name][line - 2][column])
        for name, line, column, text in page.cells
        if not agrees(text, tables[name][line - 2][column])
    ]
    assert len(page.cells) > 900
    assert wrong == []


def test_a_wrong_number_is_seen(results: Path, report: Path) -> None:
    text = report.read_text(encoding="utf-8")
    assert list(faults(results, Page(re.sub(r"(data-stat=\"median\"[^>]*>)[\d.]+", r"\g<1>7.77", text))))
    assert not agrees("5.67", 5.6628)
    assert agrees("5.66", 5.6628)


def test_every_cell_of_a_measurement_opens_the_page_of_its_lesion(report: Path) -> None:
    text = report.read_text(encoding="utf-8")
    rows = re.findall(r'<tr id="m(\d+)"[^>]*>(.*?)</tr>', text)
    assert len(rows) == 24
    for line, row in rows:
        if "not_traced" in row:
            continue
        for cell in re.findall(r"<td[^>]*>(.*?)</td>", row):
            href = re.match(r'<a href="([^"#]+)#v(\d+)"', cell)
            assert href is not None
            assert href[2] == line
            assert (report.parent / href[1]).is_file()


def test_pages_load_nothing(report: Path) -> None:
    for path in (report, *report.parent.glob("report_lesions/*.html")):
        text = path.read_text(encoding="utf-8")
        page = Page(text)
        outside = [
            s for s in page.sources if not s.startswith(("#", "data:", "report_lesions/", "../report.html"))
        ]
        assert outside == []
        assert "url(" not in text
        assert page.tags.count("script") == 1


def test_every_traced_slice_has_a_picture_and_an_outline(results: Path, report: Path) -> None:
    n_slices = len(rows_of(results, "slices.csv"))
    pages = [p.read_text(encoding="utf-8") for p in sorted(report.parent.glob("report_lesions/*.html"))]
    assert sum(text.count("<figure data-slice=") for text in pages) == n_slices
    assert (
        sum(len(re.findall(r'<image href="data:image/png;base64,[\w+/=]{200,}"', text)) for text in pages)
        == n_slices
    )
    assert all(len(text.encode()) <= MAX_BYTES for text in pages)
    assert all("hip0" not in path.name for path in report.parent.glob("report_lesions/*"))


def test_an_outline_that_has_changed_is_not_shown_as_what_was_measured(results: Path, tmp_path: Path) -> None:
    study = tmp_path / "study"
    shutil.copytree(STUDY, study)
    (study / "hip05/2021-06-01/R1.trace.json").write_bytes(
        (study / "hip05/2022-06-14/R1.trace.json").read_bytes()
    )
    done = write_report([results], tmp_path / "r.html", study=study)
    assert done.n_pictured == 20
    shown = [p.read_text(encoding="utf-8") for p in done.folder.iterdir()]
    assert sum("has changed since it was measured" in text for text in shown) == 1


def test_the_report_without_the_scans_has_tables_and_no_pictures(results: Path, tmp_path: Path) -> None:
    done = write_report([results], tmp_path / "r.html")
    assert done.n_pictured == 0
    assert done.n_lesions == 10


def test_pseudonyms_show_no_name_and_the_map_finds_the_pictures(tmp_path: Path) -> None:
    key, out = tmp_path / "secret" / "key", tmp_path / "results"
    key.parent.mkdir()
    run_batch(STUDY, out, BatchOptions(pseudonymiser=read_key(key), key_file=key))
    done = write_report([out], tmp_path / "r.html", study=STUDY, key_file=key)
    assert done.n_pictured == 21
    for path in (done.path, *done.folder.iterdir()):
        text = path.read_text(encoding="utf-8")
        assert re.search(r"hip0\d", text) is None
        assert "t1_cor" not in text
    with pytest.raises(VolumetryError, match="no key was named"):
        write_report([out], tmp_path / "r.html", study=STUDY)
    with pytest.raises(VolumetryError, match="not-found"):
        write_report([out], tmp_path / "r.html", study=STUDY, key_file=tmp_path / "other")
    assert not (tmp_path / "other").exists()


NUMBERS = ("value", "ci_low", "ci_high", "level", "p_value", "p_adjusted", "n_used", "p", "smd")


def test_merged_sites_have_pictures_each_of_its_own_files(tmp_path: Path) -> None:
    """Files of one name at two sites: the folder of the site is looked in first."""
    for site, patient in (("north", "hip01"), ("south", "hip05")):
        shutil.copytree(STUDY / patient, tmp_path / "scans" / site / "p1")
        protocol = tmp_path / f"{site}.toml"
        protocol.write_text(f'[study]\nsite = "{site}"\n', encoding="utf-8")
        study, out = tmp_path / "scans" / site, tmp_path / site
        assert main(["batch", str(study), "--out", str(out), "--protocol", str(protocol)]) == 0
    merged = tmp_path / "merged"
    assert main(["merge", str(tmp_path / "north"), str(tmp_path / "south"), "--out", str(merged)]) == 0
    above = write_report([merged], tmp_path / "above.html", study=tmp_path / "scans")
    assert above.n_pictured == above.n_visits > 4
    one = write_report([merged], tmp_path / "one.html", study=tmp_path / "scans" / "north")
    assert 0 < one.n_pictured < one.n_visits


def test_the_methods_name_the_threshold_of_the_classes(results: Path, tmp_path: Path) -> None:
    """Changes classed again by another threshold than that of the run."""
    again = tmp_path / "again"
    shutil.copytree(results, again)
    table = again / "changes.csv"
    call = ["change", str(again / "measurements.csv"), "--threshold", "10", "--out", str(table)]
    assert main(call) == 0
    write_report([again], tmp_path / "again.html")
    page = Page((tmp_path / "again.html").read_text(encoding="utf-8"))
    assert list(faults(again, page)) == []
    text = re.sub(r"<[^>]+>", "", (tmp_path / "again.html").read_text(encoding="utf-8"))
    assert "The threshold of a change was 10.0 %." in text


def test_the_methods_name_the_height_that_the_volumes_have(
    results: Path, report: Path, tmp_path: Path
) -> None:
    """Masks of a plain NIfTI study know no thickness, whatever the protocol asks for."""
    for sidecar in small_study(tmp_path / "study", 2).rglob("*.json"):
        sidecar.unlink()
    assert main(["batch", str(tmp_path / "study"), "--out", str(tmp_path / "plain")]) == 0
    write_report([tmp_path / "plain"], tmp_path / "plain.html")
    text = re.sub(r"<[^>]+>", "", (tmp_path / "plain.html").read_text(encoding="utf-8"))
    rows = rows_of(tmp_path / "plain", "measurements.csv")
    assert {row["height_rule"] for row in rows if row["status"] == "measured"} == {"spacing"}
    told = "area times the distance between slice centres, since no slice thickness was known"
    assert told in text
    assert "area times slice thickness" in re.sub(r"<[^>]+>", "", report.read_text(encoding="utf-8"))


def with_canaries(results: Path, out: Path) -> Path:
    """The results with a script in every text cell that may hold any text."""
    shutil.copytree(results, out)
    declared = {
        f"{table.name}.csv": {c.name for c in table.columns if c.kind != "text" or c.allowed}
        for table in TABLES
    }
    for path in [*out.glob("*.csv"), *out.glob("outcomes/*.csv")]:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
        kept = declared.get(
            path.name,
            {
                "role",
                "status",
                *NUMBERS,
            },
        )
        for row in rows[1:]:
            row[:] = [
                cell if name in kept or is_number(cell) else cell + CANARY
                for name, cell in zip(rows[0], row, strict=True)
            ]
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
    for path in [out / "run.json", out / "outcomes" / "results.json"]:
        text = json.dumps(spoilt(json.loads(path.read_text(encoding="utf-8"))))
        path.write_text(text, encoding="utf-8")
    return out


def is_number(text: str) -> bool:
    return re.fullmatch(r"-?[\d.]+(e-?\d+)?", text) is not None


def spoilt(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {
            name + (CANARY if key in ("packages", "files") else ""): spoilt(item, name)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [spoilt(item, key) for item in value]
    return (
        value + CANARY if isinstance(value, str) and not value.endswith(".svg") and key != "role" else value
    )


def test_a_script_in_any_text_is_inert(results: Path, tmp_path: Path) -> None:
    spoiled = with_canaries(results, tmp_path / "spoiled")
    done = write_report([spoiled], tmp_path / "r.html", study=STUDY)
    pages = [done.path, *done.folder.iterdir()]
    for path in pages:
        text = path.read_text(encoding="utf-8")
        assert CANARY not in text
        assert "&lt;script&gt;" in text
        assert Page(text).tags.count("script") == 1
        assert "onerror" not in set(re.findall(r"<[a-z]+ [^>]*?(\w+)=", text))


@pytest.mark.parametrize("name", ["report.txt", "report"])
def test_a_report_is_html(results: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(VolumetryError, match="usage: a report is written as HTML"):
        write_report([results], tmp_path / name)


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VolumetryError, match="not-found: the folder holds neither"):
        write_report([tmp_path], tmp_path / "r.html")


def test_the_command_writes_the_pages_and_says_how_many(tmp_path: Path) -> None:
    study, out = tmp_path / "study", tmp_path / "results"
    shutil.copytree(STUDY / "hip05", study / "hip05")
    path = study / "hip05/2022-06-14/L1.trace.json"
    first = read_trace(path)
    said = replace(
        first.provenance,
        parent_sha256=first.sha256,
        reason="margin at the neck <b>",
        time="2026-01-02T10:00:00+00:00",
    )
    kept = path.parent / ".volumetry" / "versions" / "L1"
    saved = save_revision(
        replace(first, provenance=said), path, parent_sha256=first.sha256, versions=kept.parent
    )
    assert not saved.is_conflict
    assert main(["batch", str(study), "--out", str(out), "--jobs", "1", "--quiet"]) == 0
    call = [
        "report",
        str(out),
        "--study",
        str(study),
        "--traces",
        str(study),
        "--out",
        str(tmp_path / "r.html"),
    ]
    assert main(call) == 0
    text = (tmp_path / "r_lesions/L0001.html").read_text(encoding="utf-8")
    assert "margin at the neck &lt;b&gt;" in text
    assert first.sha256 in text
    assert text.count("<td>measured</td>") == 2
    assert main([*call[:-1], str(tmp_path / "r.txt")]) == 2


class Browser:
    """A headless Chromium by its driver (the WebDriver protocol), with what it logs and what it requests."""

    def __init__(self, home: Path) -> None:
        assert CHROMIUM is not None
        assert DRIVER is not None
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--window-size=1280,1000"]
        options = {"binary": CHROMIUM, "args": [*flags, f"--user-data-dir={home}"]}
        self._driver = subprocess.Popen([DRIVER, "--port=0"], stdout=subprocess.PIPE, text=True)
        assert self._driver.stdout is not None
        said = ""
        while "started successfully on port" not in said:
            said = self._driver.stdout.readline()
        port = re.findall(r"port (\d+)", said)[-1]
        self._address = f"http://127.0.0.1:{port}/session"
        logged = {"browser": "ALL", "performance": "ALL"}
        wanted = {"alwaysMatch": {"goog:chromeOptions": options, "goog:loggingPrefs": logged}}
        found = self._post("", {"capabilities": wanted})
        self._address += f"/{found['sessionId']}"
        self._post("/url", {"url": "about:blank"})
        self.requests()  # of the browser's own first page

    def _post(self, place: str, body: dict[str, Any]) -> Any:
        request = urllib.request.Request(
            f"{self._address}{place}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)["value"]

    def open(self, path: Path) -> None:
        self._post("/url", {"url": path.as_uri()})

    def run(self, script: str) -> Any:
        return self._post("/execute/sync", {"script": script, "args": []})

    def press(self, key: str) -> None:
        actions = [{"type": kind, "value": key} for kind in ("keyDown", "keyUp")]
        self._post("/actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def console(self) -> list[str]:
        return [entry["message"] for entry in self._post("/se/log", {"type": "browser"})]

    def requests(self) -> set[str]:
        """Kinds of the addresses that the page asked for."""
        entries = [
            json.loads(e["message"])["message"] for e in self._post("/se/log", {"type": "performance"})
        ]
        asked = [e["params"]["request"]["url"] for e in entries if e["method"] == "Network.requestWillBeSent"]
        return {address.partition(":")[0] for address in asked}

    def close(self) -> None:
        request = urllib.request.Request(self._address, method="DELETE")
        with urllib.request.urlopen(request, timeout=60):
            pass
        self._driver.terminate()
        self._driver.communicate(timeout=30)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("Chromium and chromedriver are not installed")
    found = Browser(tmp_path_factory.mktemp("browser"))
    yield found
    found.close()


def test_a_browser_shows_the_pages_without_an_error_or_a_request(
    results: Path, report: Path, tmp_path: Path, browser: Browser
) -> None:
    done = write_report([with_canaries(results, tmp_path / "spoiled")], tmp_path / "r.html", study=STUDY)
    for path in (report, *sorted(report.parent.glob("*/L*.html")), done.path, done.folder / "L0001.html"):
        browser.open(path)
        assert browser.run("return document.readyState") == "complete"
        assert browser.run("return document.title") != "ran"
        assert browser.run("return [...document.images].filter((i) => !i.naturalWidth).length") == 0
        assert browser.console() == []
        assert browser.requests() <= {"file", "data"}
    assert browser.run("return document.querySelectorAll('script').length") == 1


def test_a_script_that_is_not_the_page_s_own_would_not_run(
    report: Path, tmp_path: Path, browser: Browser
) -> None:
    spoiled = report.read_text(encoding="utf-8").replace(
        "<body>", "<body><script>document.title='ran'</script>"
    )
    (tmp_path / "r.html").write_text(spoiled, encoding="utf-8")
    browser.open(tmp_path / "r.html")
    assert browser.run("return document.title") != "ran"
    assert browser.console()  # the policy says so; and the check of the console sees it


def test_slices_follow_the_slider_and_the_arrow_keys(report: Path, browser: Browser) -> None:
    browser.open(report.parent / "report_lesions" / "L0001.html")
    shown = "return [...document.querySelectorAll('#v2 figure')].map((f) => f.offsetHeight > 0)"
    before = browser.run(shown)
    assert before.count(True) == 1
    browser.press("\ue014")  # right
    after = browser.run(shown)
    assert after.count(True) == 1
    assert after.index(True) == before.index(True) + 1
    browser.press("\ue012")  # left
    assert browser.run(shown) == before
    browser.run(
        "const s = document.querySelector('#v2 input'); s.value = 0; s.dispatchEvent(new Event('input'))"
    )
    assert browser.run(shown).index(True) == 0
    browser.run("document.querySelector('#v2 button').click()")
    assert all(browser.run(shown))


def test_rows_are_filtered_and_sorted(report: Path, browser: Browser) -> None:
    browser.open(report)
    browser.run(
        "const f = document.querySelector('#m input.filter'); f.value = 'hip05';"
        "f.dispatchEvent(new Event('input'))"
    )
    seen = "[...document.querySelectorAll('#m tbody tr')].filter((r) => r.offsetHeight)"
    assert set(browser.run(f"return {seen}.map((r) => r.cells[0].textContent)")) == {"hip05"}
    browser.run("document.querySelectorAll('#c th')[7].click()")
    days = browser.run(
        "return [...document.querySelectorAll('#c tbody tr')].map((r) => +r.cells[7].textContent)"
    )
    assert days == sorted(days)
