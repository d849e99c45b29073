"""A real headless Chromium, and pages made of the canonical report."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from msgspec.structs import replace
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

from opcheck.cost import LayerFlow
from opcheck.formats import FORMATS, Style
from opcheck.graph import LayerNode
from opcheck.report import Report, reading

HERE = Path(__file__).parent
CANONICAL = HERE.parent / "snapshots" / "canonical.json"


@pytest.fixture(scope="session")
def report() -> Report:
    return reading.read(CANONICAL)


@pytest.fixture(scope="session")
def packages() -> Path:
    """The npm packages of package-lock.json beside this file: `nox -s browser` fetches them."""
    folder = HERE / "node_modules"
    assert folder.is_dir(), "run these tests with: nox -s browser"
    return folder


@pytest.fixture(scope="session")
def chromium() -> Iterator[webdriver.Chrome]:
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    assert browser, "there is no chromium on PATH"
    assert driver, "there is no chromedriver on PATH"
    options = Options()
    options.binary_location = browser
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = webdriver.Chrome(options=options, service=Service(driver))
    started.set_window_size(1500, 1000)
    yield started
    started.quit()


@pytest.fixture
def opened(
    chromium: webdriver.Chrome, tmp_path: Path
) -> Iterator[Callable[[Report], webdriver.Chrome]]:
    """Opens a report's page. It must log no error and ask for nothing, whatever a test does."""

    def open_page(document: Report) -> webdriver.Chrome:
        page = tmp_path / "report.html"
        page.write_text(FORMATS["html"](document, Style()), encoding="utf-8")
        chromium.get_log("browser")
        chromium.get_log("performance")
        chromium.get(page.as_uri())
        return chromium

    yield open_page
    assert [entry["message"] for entry in chromium.get_log("browser")] == []
    requests = {
        event["params"]["request"]["url"]
        for event in (json.loads(e["message"])["message"] for e in chromium.get_log("performance"))
        if event["method"] == "Network.requestWillBeSent"
    }
    made_here = {url for url in requests if url.startswith("data:")}
    assert requests - made_here <= {(tmp_path / "report.html").as_uri()}


@pytest.fixture(scope="session")
def large(report: Report) -> Report:
    """Two thousand layers in two hundred blocks, one after another, twelve ops each."""
    paths = [f"block_{i // 10}/layer_{i}" for i in range(2000)]
    layers = [LayerNode(f"block_{i}", "Functional", "keras", "wrapper") for i in range(200)]
    layers += [
        LayerNode(path, "Dense", "keras.layers", "builtin", path.partition("/")[0])
        for path in paths
    ]
    flows = tuple(
        LayerFlow(source=a, target=b, data=True, crossings=i % 50 == 0, crossing_bytes=64)
        for i, (a, b) in enumerate(pairwise(paths))
    )
    results = tuple(
        replace(
            result,
            flows=flows,
            ops=tuple(
                replace(result.ops[(7 * i + k) % len(result.ops)], name=f"{path}/{k}", layer=path)
                for i, path in enumerate(paths)
                for k in range(12)
            ),
        )
        for result in report.results
        if result.ops
    )
    return replace(report, model=replace(report.model, layers=tuple(layers)), results=results)
