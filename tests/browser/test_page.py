"""The HTML report in a real browser: it opens, it answers, and it keeps to itself.

That no test logs an error or asks the network for anything is checked in conftest.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from opcheck.report import Report, reading

Opened = Callable[[Report], Chrome]
ATTENTION = "block/attention"
BOXES = "return graph.cy.nodes().map((box) => NODES.get(box.data('node')).path)"


@pytest.fixture
def page(opened: Opened, report: Report) -> Chrome:
    return opened(report)


def find(page: Chrome, selector: str) -> WebElement:
    return page.find_element(By.CSS_SELECTOR, selector)


def texts(page: Chrome, selector: str) -> list[str]:
    return [element.text for element in page.find_elements(By.CSS_SELECTOR, selector)]


def click_box(page: Chrome, path: str) -> None:
    """A real click where the graph draws the layer."""
    page.execute_script("document.getElementById('graph').scrollIntoView({block: 'center'})")
    x, y = page.execute_script(
        "const box = graph.cy.nodes().filter("
        "(n) => NODES.get(n.data('node')).path === arguments[0])[0].renderedPosition();"
        "const here = document.getElementById('graph').getBoundingClientRect();"
        "return [box.x - here.width / 2, box.y - here.height / 2];",
        path,
    )
    ActionChains(page).move_to_element_with_offset(find(page, "#graph"), x, y).click().perform()


def row(page: Chrome, path: str) -> WebElement:
    return find(page, f'[role=treeitem][title="{path}"]')


def test_a_click_on_a_layer_shows_its_ops(page: Chrome) -> None:
    click_box(page, ATTENTION)
    details = find(page, "#details")
    assert details.find_element(By.TAG_NAME, "h3").text == ATTENTION
    assert "4 ops" in details.text
    assert "0 FLOPs, unknown for 4 ops" in details.text
    assert details.text.count("Einsum_") == 4
    assert "tensorflow-metal registers no Einsum" in details.text
    assert "return_attention_scores=True" in details.text  # what to do
    assert row(page, ATTENTION).get_attribute("aria-selected") == "true"


def test_the_graph_is_the_report_s(page: Chrome, report: Report) -> None:
    drawn = page.execute_script(
        "return graph.cy.edges().map((e) => [e.source(), e.target()].map("
        "(n) => NODES.get(n.data('node')).path).concat(e.data('crossings')))"
    )
    flows = [f for f in report.results[0].flows if f.source != f.target]
    assert sorted(drawn[:]) == sorted(
        [shown(flow.source), shown(flow.target), flow.crossings] for flow in flows
    )
    assert any(crossings for _, _, crossings in drawn)


def shown(path: str | None) -> str:
    """As the page prints a name."""
    return (path or "(outside any layer)").encode("unicode_escape").decode()


def test_a_filter_filters(page: Chrome) -> None:
    everything = len(page.find_elements(By.CSS_SELECTOR, "#table tbody tr"))
    find(page, "#filter").send_keys("einsum_2")
    assert texts(page, "#table tbody td.name") == ["block/attention/einsum/Einsum_2"]
    assert find(page, "#count").text.startswith("1 of 15")
    find(page, "#filter").send_keys(Keys.CONTROL, "a", Keys.DELETE)
    assert len(page.find_elements(By.CSS_SELECTOR, "#table tbody tr")) == everything
    find(page, "#verdicts input[value=cpu]").click()
    verdicts = texts(page, "#table tbody td.verdict0")
    assert "cpu" not in verdicts
    assert "unknown" in verdicts


def test_a_column_sorts(page: Chrome) -> None:
    find(page, "#verdicts input[value=accelerator]").click()
    head = '#table th button[data-key="name"]'
    find(page, head).click()
    names = texts(page, "#table tbody td.name")
    assert names == sorted(names, key=str.casefold)
    assert len(names) > 10
    find(page, head).click()
    assert texts(page, "#table tbody td.name") == names[::-1]
    assert find(page, "#table th[aria-sort]").get_attribute("aria-sort") == "descending"


def test_targets_side_by_side(page: Chrome) -> None:
    heads = texts(page, "#table thead th")
    assert "metal@1.2.0" in heads
    assert "directml@0.4.0" in heads
    page.find_elements(By.CSS_SELECTOR, ".result button")[2].click()
    assert "lstm" in texts(page, "#table tbody td.layer")
    lstm = texts(page, "#table tbody tr:first-child td")
    assert lstm[3:5] == ["not there", "fails"]
    pressed = [
        button.get_attribute("aria-pressed")
        for button in page.find_elements(By.CSS_SELECTOR, ".result button")
    ]
    assert pressed == ["false", "false", "true", "false"]


def test_what_to_do_leads_to_the_layer(page: Chrome) -> None:
    """On the target that the finding is of, with what hides the layer opened."""
    find(page, "#collapse").click()
    card = page.find_element(By.XPATH, "//ul[@class='findings']/li[contains(., 'directml@0.4.0')]")
    way = card.find_element(By.CSS_SELECTOR, "button.goto")
    path = way.text
    way.click()
    assert find(page, "#details h3").text == path
    chosen = find(page, ".result button[aria-pressed=true]").text
    assert chosen.startswith("directml@0.4.0")
    assert row(page, path).is_displayed()


def test_the_layers_to_look_at_are_named_before_one_is_selected(page: Chrome) -> None:
    ways = texts(page, "#details .where-list button")
    assert ATTENTION in ways
    assert "dense" not in ways
    page.find_elements(By.CSS_SELECTOR, "#details .where-list button")[
        ways.index(ATTENTION)
    ].click()
    assert find(page, "#details h3").text == ATTENTION


def test_an_empty_table_says_so(page: Chrome) -> None:
    assert not find(page, "#nothing").is_displayed()
    find(page, "#filter").send_keys("no such op")
    assert "choose other verdicts" in find(page, "#nothing").text


def test_a_nested_model_closes_and_opens(page: Chrome) -> None:
    assert ATTENTION in page.execute_script(BOXES)
    row(page, "block").find_element(By.CSS_SELECTOR, ".twisty").click()
    assert ATTENTION not in page.execute_script(BOXES)
    assert row(page, "block").get_attribute("aria-expanded") == "false"
    find(page, "#expand").click()
    assert ATTENTION in page.execute_script(BOXES)


def test_the_keyboard_goes_through_the_list(page: Chrome) -> None:
    find(page, "#find").click()
    keys = ActionChains(page)
    for _ in range(6):  # past the buttons, to the one row that takes the focus
        keys.send_keys(Keys.TAB)
    keys.perform()
    assert page.switch_to.active_element.get_attribute("role") == "treeitem"
    ActionChains(page).send_keys(Keys.HOME, Keys.ARROW_DOWN, Keys.ENTER).perform()
    assert find(page, "#details h3").text == "block"
    ActionChains(page).send_keys(Keys.ARROW_LEFT).perform()
    assert row(page, "block").get_attribute("aria-expanded") == "false"
    assert page.switch_to.active_element.get_attribute("title") == "block"
    ActionChains(page).send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.SPACE).perform()
    assert find(page, "#details h3").text == ATTENTION


def test_the_keyboard_goes_along_the_graph(page: Chrome) -> None:
    page.execute_script("document.getElementById('graph').focus()")
    ActionChains(page).send_keys(Keys.ARROW_DOWN).perform()
    assert find(page, "#details h3").text == "dense"
    ActionChains(page).send_keys(Keys.ARROW_DOWN).perform()
    assert find(page, "#details h3").text == ATTENTION
    ActionChains(page).send_keys(Keys.ARROW_UP).perform()
    assert find(page, "#details h3").text == "dense"
    before = page.execute_script("return graph.cy.zoom()")
    ActionChains(page).send_keys("-").perform()
    assert page.execute_script("return graph.cy.zoom()") < before


def test_light_and_dark(page: Chrome) -> None:
    def background() -> str:
        return page.execute_script("return getComputedStyle(document.body).backgroundColor")

    for scheme in ("light", "dark"):
        features = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", features)
        followed = background()
        find(page, "#theme").click()
        assert background() != followed
        find(page, "#theme").click()
        assert background() == followed
        page.execute_script("delete document.documentElement.dataset.theme")
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_print(page: Chrome) -> None:
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert not find(page, "#ops").is_displayed()
    assert not find(page, ".tools").is_displayed()
    assert find(page, ".print-only table").is_displayed()
    page.execute_script("dispatchEvent(new Event('beforeprint'))")
    wide = "const image = document.querySelector('#picture img'); return image.decode().then("
    assert page.execute_script(f"{wide}() => image.naturalWidth)") > 200
    page.execute_script("dispatchEvent(new Event('afterprint'))")
    assert len(page.print_page()) > 10_000
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


HOSTILE = (
    "</script><script>forged = 1</script><img src=x onerror='forged = 1'>"
    '"><svg onload=forged=1>{{ 7 * 7 }}\x1b[31m\u202e'
)


def test_a_hostile_name_is_inert(opened: Opened, tmp_path: Path) -> None:
    snapshot = Path(__file__).parents[1] / "snapshots" / "canonical.json"
    text = snapshot.read_text(encoding="utf-8")
    for name in ("block/gate", "models/captioner.h5", "CudnnRNNV3"):
        text = text.replace(name, json.dumps(HOSTILE)[1:-1])
    path = tmp_path / "hostile.json"
    path.write_text(text, encoding="utf-8")
    page = opened(reading.read(path))
    name = page.execute_script(
        "return DATA.layers.map((l) => l.path).find((p) => p.includes('svg'))"
    )
    assert name == HOSTILE.replace("\x1b", r"\x1b").replace("\u202e", r"\u202e")
    page.execute_script(
        "select([...OF_LAYER.values()].find((node) => node.path === arguments[0]))", name
    )
    assert find(page, "#details h3").text == name
    find(page, "#filter").send_keys("svg")
    assert page.find_elements(By.CSS_SELECTOR, "#table tbody tr")
    assert page.execute_script("return typeof forged") == "undefined"
    assert page.find_elements(By.CSS_SELECTOR, "img, svg, main script") == []


def test_two_thousand_layers_open_in_under_three_seconds(opened: Opened, large: Report) -> None:
    """By the page's own clock, from the start of loading to the drawn graph; the best of three."""
    ready = "return performance.getEntriesByName('opcheck:ready')[0].startTime"
    page = opened(large)
    times = [page.execute_script(ready)]
    for _ in range(2):
        page.refresh()
        times.append(page.execute_script(ready))
    assert min(times) < 3000
    assert page.execute_script("return graph.cy.nodes(':visible').length") > 5
    find(page, "#find").send_keys("layer_1234")
    row(page, "block_123/layer_1234").click()
    assert find(page, "#details h3").text == "block_123/layer_1234"
    assert "12 ops" in find(page, "#details").text
    find(page, "#find").send_keys(Keys.CONTROL, "a", Keys.DELETE)
    row(page, page.execute_script("return ROOT.children[0].path")).find_element(
        By.CSS_SELECTOR, ".twisty"
    ).click()
    drawn = page.execute_script(
        "return graph.cy.nodes().map((n) => NODES.get(n.data('node')).path)"
    )
    assert "block_1" in drawn


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessibility(scheme: str, page: Chrome, packages: Path) -> None:
    """axe finds nothing; it looks at names, roles, keyboard traps and contrast."""
    features = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", features)
    page.execute_script((packages / "axe-core" / "axe.min.js").read_text(encoding="utf-8"))
    click_box(page, ATTENTION)
    found = page.execute_async_script(
        "const done = arguments[0]; axe.run({preload: false}).then((r) => done(r.violations.map("
        "(v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160)).join(' ')}`)))"
    )
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert not found, "\n".join(found)


def test_a_report_without_ops_opens(opened: Opened, report: Report) -> None:
    """Every step failed to be traced: the page says so, and is no empty shell."""
    page = opened(replace(report, results=report.results[-1:]))
    assert "no gradient for block/gate" in find(page, "#results").text
    assert "What to do" in find(page, "main").text
