"""The pages under docs/targets."""

from __future__ import annotations

import json
import re

import pytest

from opcheck.formats import kernels_page
from opcheck.targets import known_targets, resolve
from opcheck.targets.support import history, support


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return kernels_page.pages()


def data(page: str) -> dict:
    (text,) = re.findall(r'<script id="data" type="application/json">(.*?)</script>', page)
    return json.loads(text)


def test_the_pages_are_up_to_date(pages: dict[str, str]) -> None:
    """They are generated from targets/data."""
    committed = {p.name: p.read_text("utf-8") for p in kernels_page.FOLDER.glob("*.html")}
    stale = [name for name in pages.keys() | committed if committed.get(name) != pages.get(name)]
    assert not stale, (
        "docs/targets is not what targets/data says. Write it again, and commit it: "
        "python -m opcheck.formats.kernels_page (with the docs extra; `make docs` does it too)"
    )


def test_a_page_a_plugin_small_and_of_one_piece(pages: dict[str, str]) -> None:
    assert set(pages) == {f"{target.plugin}.html" for target in known_targets()}
    for page in pages.values():
        assert len(page.encode()) < 400_000
        assert not re.search(r"https?:|<link|@import|\bsrc=|fetch\(|import\(", page)


@pytest.mark.parametrize("op", ["Conv2D", "ArgMax", "StatelessRandomUniformV2", "Pack", "Einsum"])
def test_it_says_what_the_command_says(op: str, pages: dict[str, str]) -> None:
    """`opcheck ops metal --op` reads the same data another way."""
    page = data(pages["metal.html"])
    arm = [i for i, (_, arch, _) in enumerate(page["versions"]) if arch == "arm64"]
    versions = [page["versions"][i][0] for i in arm]
    said = set()
    for *words, mask in page["ops"].get(op, []):
        device, origin, attr, host, _, types = (page["words"][i] for i in words)
        there = frozenset(versions[n] for n, i in enumerate(arm) if page["masks"][mask][i] == "1")
        said |= {(device, origin, attr, t, host, there) for t in types.split(" ") if there}
    target = resolve("metal,arch=arm64")
    known = history(target)
    order = [t.version for t in known]
    expected = set()
    for each in support(target, known, op):
        there = frozenset(
            version
            for span in each.spans
            for version in order[order.index(span.first) : order.index(span.last) + 1]
        )
        host = " ".join(each.host_memory)
        for value in each.types or ("",):
            expected.add((each.device, each.origin, each.attr, value, host, there))
    assert said == expected
    assert bool(expected) == (op != "Einsum")


def test_what_only_the_cpu_has(pages: dict[str, str]) -> None:
    page = data(pages["metal.html"])
    assert set(page["masks"][page["cpu"]["Einsum"]]) == {"1"}
    assert "MatMul" not in page["cpu"]
    assert page["masks"][page["cpu"]["ArgMax"]][0] == "0"


def test_data_cannot_end_the_script() -> None:
    odd = kernels_page.Page((), ("</script><b>",), (), {}, {})
    assert "<" not in kernels_page._embedded(odd)
