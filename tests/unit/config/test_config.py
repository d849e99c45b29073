"""Defaults < pyproject.toml < environment < command line."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from opcheck.config import Ignore, Options, load, validate
from opcheck.errors import UsageError


def write(folder: Path, text: str) -> Path:
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    return folder


def test_defaults(tmp_path: Path) -> None:
    write(tmp_path, "[project]\nname = 'x'\n")
    assert load({}, start=tmp_path, environment={}) == Options()


def test_each_source_overrides_the_one_before(tmp_path: Path) -> None:
    write(
        tmp_path,
        "[tool.opcheck]\ntargets = ['metal']\nstep = 'training'\nbatch-size = 4\ntimeout = 5\n",
    )
    environment = {"OPCHECK_STEP": "inference", "OPCHECK_BATCH_SIZE": "8", "HOME": "/"}
    options = load({"batch-size": 16}, start=tmp_path, environment=environment)
    assert options == Options(targets=("metal",), step="inference", batch_size=16, timeout=5.0)


def test_the_nearest_pyproject_counts(tmp_path: Path) -> None:
    write(tmp_path, "[tool.opcheck]\nstep = 'training'\n")
    inner = tmp_path / "inner"
    (inner / "deep").mkdir(parents=True)
    write(inner, "[tool.opcheck]\nstep = 'inference'\n")
    assert load({}, start=inner / "deep", environment={}).step == "inference"


@pytest.mark.parametrize("name", ["pyproject.toml", "opcheck.toml"])
@pytest.mark.parametrize("nested", ["", "tool = 1\n", "[project]\nname = 'x'\n[tool.ruff]\n"])
def test_a_pyproject_of_others_hides_no_policy(nested: str, name: str, tmp_path: Path) -> None:
    table = "[tool.opcheck]\n" * (name == "pyproject.toml")
    (tmp_path / name).write_text(f"{table}fail-on = 'warning'\n", encoding="utf-8")
    package = tmp_path / "package"
    package.mkdir()
    write(package, nested)
    assert load({}, start=package, environment={}).fail_on == "warning"
    write(package, "[tool.opcheck]\n")  # an empty table says: the defaults
    assert load({}, start=package, environment={}) == Options()


def test_a_list_in_the_environment_is_split_at_spaces(tmp_path: Path) -> None:
    write(tmp_path, "")
    options = load(
        {},
        start=tmp_path,
        environment={"OPCHECK_TARGETS": "metal@1.2.0,macos=12 directml"},
    )
    assert options.targets == ("metal@1.2.0,macos=12", "directml")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("fail_on = 'error'", "fail_on is not an option .* Did you mean fail-on"),
        ("colour = true", "colour is not an option .* Options: targets"),
        ("step = 'train'", "step: it cannot be 'train' .* Did you mean training"),
        ("batch-size = 0", "batch-size: expected a whole number of at least 1"),
        ("batch-size = '2'", "batch-size: expected a whole number, got a text"),
        ("timeout = 0", "timeout: expected a number above 0"),
        ("targets = 'metal'", "targets: expected a list, got a text"),
        ("trust = true", "trust can be given on the command line only"),
        ("ignore = 'x'", "ignore: expected a list, got a text"),
        ("ignore = [{ op = 'Einsum' }]", "ignore: it lacks the key `reason`"),
        ("ignore = [{ op = 'Einsum', reason = '' }]", "ignore: expected a text that is not empty"),
        ("ignore = [{ reason = 'x' }]", "An ignore needs code, layer or op"),
        ("ignore = [{ reason = 'x', target = 'metal' }]", "An ignore needs code, layer or op"),
        ("ignore = [{ reason = 'x', layre = 'a' }]", "layre is not an option .*mean layer"),
        (
            "ignore = [{ reason = 'x', op = 'a', expires = 'soon' }]",
            "ignore: expires is no date like 2030-12-31",
        ),
    ],
)
def test_a_wrong_table(table: str, message: str, tmp_path: Path) -> None:
    write(tmp_path, f"[tool.opcheck]\n{table}\n")
    with pytest.raises(UsageError, match=message) as error:
        load({}, start=tmp_path, environment={})
    assert "pyproject.toml" in str(error.value)


@pytest.mark.parametrize("text", ["[tool.opcheck", "[tool]\nopcheck = 1\n", "\udcff"])
def test_a_pyproject_that_cannot_be_used(text: str, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(UsageError, match=r"pyproject\.toml"):
        load({}, start=tmp_path, environment={})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("OPCHECK_FAILON", "error", "OPCHECK_FAILON is not .* Did you mean OPCHECK_FAIL_ON"),
        ("OPCHECK_TRUST", "1", "OPCHECK_TRUST can be given on the command line only"),
        ("OPCHECK_BATCH_SIZE", "two", "OPCHECK_BATCH_SIZE: expected a whole number"),
        ("OPCHECK_IGNORE", "Einsum", "OPCHECK_IGNORE can be given in a file only"),
    ],
)
def test_a_wrong_variable(name: str, value: str, message: str, tmp_path: Path) -> None:
    write(tmp_path, "")
    with pytest.raises(UsageError, match=message):
        load({}, start=tmp_path, environment={name: value})


def test_variables_of_other_parts_are_left_alone(tmp_path: Path) -> None:
    write(tmp_path, "")
    assert load({}, start=tmp_path, environment={"OPCHECK_CACHE_DIR": "/x"}) == Options()


def test_trust_comes_from_the_command_line(tmp_path: Path) -> None:
    write(tmp_path, "")
    assert load({"trust": True}, start=tmp_path, environment={}).trust


def test_opcheck_toml_comes_before_pyproject_in_one_folder(tmp_path: Path) -> None:
    write(tmp_path, "[tool.opcheck]\nstep = 'inference'\ntimeout = 5\n")
    (tmp_path / "opcheck.toml").write_text("step = 'training'\n", encoding="utf-8")
    assert load({}, start=tmp_path, environment={}) == Options(step="training")


def test_a_wrong_key_of_opcheck_toml_names_that_file(tmp_path: Path) -> None:
    (tmp_path / "opcheck.toml").write_text("stpe = 'training'\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"stpe is not an option \(.*opcheck\.toml\)\. .* step\?"):
        load({}, start=tmp_path, environment={})


def test_opcheck_toml_has_no_tool_table(tmp_path: Path) -> None:
    (tmp_path / "opcheck.toml").write_text("[tool.opcheck]\nstep = 'training'\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"its keys stand without \[tool\.opcheck\]"):
        load({}, start=tmp_path, environment={})


IGNORE = """
[[tool.opcheck.ignore]]
layer = "encoder/*"
op = "Einsum"
reason = "mended in #12"
expires = 2026-03-31
"""


def test_an_ignore_holds_to_the_end_of_its_day(tmp_path: Path) -> None:
    write(tmp_path, IGNORE)
    options = load({}, start=tmp_path, environment={}, today=date(2026, 3, 31))
    assert options.ignore == (
        Ignore(layer="encoder/*", op="Einsum", reason="mended in #12", expires=date(2026, 3, 31)),
    )


def test_an_ignore_that_has_expired_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, IGNORE)
    message = r"ignore of layer=encoder/\* op=Einsum expired on 2026-03-31 .*: mended in #12"
    with pytest.raises(UsageError, match=message):
        load({}, start=tmp_path, environment={}, today=date(2026, 4, 1))


def test_a_baseline_is_looked_for_beside_the_file_that_names_it(tmp_path: Path) -> None:
    write(tmp_path, "[tool.opcheck]\nbaseline = 'ci/accepted.json'\n")
    inner = tmp_path / "inner"
    inner.mkdir()
    options = load({}, start=inner, environment={})
    assert options.baseline == str(tmp_path / "ci/accepted.json")
    assert load({"baseline": "mine.json"}, start=inner, environment={}).baseline == "mine.json"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Options(step="trainning"), "step: it cannot be 'trainning' .* Did you mean training"),
        (Options(max_fallback_flops=30), "max-fallback-flops: expected a number of at most 1"),
        (Options(custom_objects=(1,)), "custom-objects: expected a text, got a whole number"),
    ],
)
def test_options_made_by_code_are_checked_too(options: Options, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        validate(options)


def test_good_options_are_good() -> None:
    ignore = Ignore(op="Einsum", reason="known", expires=date(2030, 1, 1))
    validate(Options(targets=("metal",), ignore=(ignore,), memory=4))


def test_without_a_file(tmp_path: Path) -> None:
    """A checkout that is not trusted may name modules to import."""
    write(tmp_path, "[tool.opcheck]\ncustom-objects = ['theirs']\n")
    assert load({}, start=tmp_path, environment={}).custom_objects == ("theirs",)
    assert load({}, start=None, environment={"OPCHECK_STEP": "training"}).custom_objects == ()


def test_a_folder_that_cannot_be_looked_into(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"opcheck.toml cannot be read: .*--no-config"):
        load({}, start=tmp_path / ("x" * 300), environment={})
