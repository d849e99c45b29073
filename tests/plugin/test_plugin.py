"""The plugin in runs of its own: options, marker, messages, cache, xdist."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Run = Callable[..., pytest.RunResult]
Asked = Callable[[], list[str]]

FAILING = """
    import opcheck

    def test_it():
        opcheck.assert_supported("m.h5", target="metal@1.2.0", step="inference")
"""


def test_the_message_is_the_table_of_ops_with_reasons(run: Run) -> None:
    result = run(FAILING)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E*AssertionError: models/captioner.h5 is not supported (INCOMPLETE:*",
            "E*inference on metal@1.2.0: 6 of 15 ops leave the GPU*",
            "E*block/attention*Einsum*float32*cpu*registers no*",
            "E*error*OPC101*block/attention:*",
        ]
    )
    assert "testing.py" not in result.stdout.str()  # the frames of the assertion are hidden


def test_what_is_allowed_does_not_count(run: Run) -> None:
    source = """
        import opcheck

        def test_all():
            allow = ["Einsum", "Pack", "Gate", "Lambda"]  # op types and layer classes
            opcheck.assert_supported("m.h5", "metal@1.2.0", step="inference", allow=allow)

        def test_paths():
            allow = ["block*", "evil*"]
            opcheck.assert_supported("m.h5", "metal@1.2.0", step="inference", allow=allow)

        def test_one_name():
            opcheck.assert_layer_on_accelerator(
                "m.h5", "block/attention", "metal@1.2.0", allow="Einsum"
            )

        def test_too_few():
            opcheck.assert_supported("m.h5", "metal@1.2.0", step="inference", allow=["Einsum"])
    """
    result = run(source)
    result.assert_outcomes(passed=3, failed=1)
    assert "Einsum \u00d7" not in result.stdout.str()


def test_no_fallback_counts_warnings_too(run: Run) -> None:
    source = """
        import opcheck

        codes = ("OPC101", "OPC103", "OPC104", "OPC201")
        ignore = tuple(opcheck.Ignore(code=code, reason="known") for code in codes)
        OPTIONS = opcheck.Options(step="training", ignore=ignore)

        def test_supported():
            opcheck.assert_supported("m.h5", "metal@1.2.0", options=OPTIONS)

        def test_no_fallback():
            opcheck.assert_no_fallback("m.h5", "metal@1.2.0", options=OPTIONS)
    """
    result = run(source)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["E*warning*OPC141*embedding:*"])


def test_another_version_is_no_fallback(run: Run) -> None:
    """The canonical report warns that its graph is of another TensorFlow than DirectML's."""
    source = """
        import opcheck

        def test_it():
            allow = ["Einsum", "CudnnRNNV3"]
            target = "directml@0.4.0"
            opcheck.assert_no_fallback("m.h5", target, step="inference", allow=allow)
    """
    run(source).assert_outcomes(passed=1)


def test_a_layer(run: Run) -> None:
    source = """
        import opcheck

        def test_good():
            opcheck.assert_layer_on_accelerator("m.h5", "dense", "metal@1.2.0")

        def test_bad():
            opcheck.assert_layer_on_accelerator("m.h5", "block", "metal@1.2.0")

        def test_none():
            opcheck.assert_layer_on_accelerator("m.h5", "dens", "metal@1.2.0")
    """
    result = run(source)
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(
        [
            "E*leaves the accelerator in block",
            "E*Einsum*",
            "E*models/captioner.h5 has no layer dens. Did you mean dense?",
            "E*Its layers: *dense*",
        ]
    )


def test_a_layer_that_is_in_one_step_only(run: Run) -> None:
    """The canonical report's embedding has ops in training alone, its rescaling in no step."""
    source = """
        import opcheck

        def test_one_step():
            opcheck.assert_layer_on_accelerator("m.h5", "embedding", "metal@1.2.0")

        def test_no_step():
            opcheck.assert_layer_on_accelerator("m.h5", "resc*", "metal@1.2.0")
    """
    result = run(source)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "E*leaves the accelerator in embedding",
            "E*layer resc[*] has no op in inference on metal@1.2.0, training on metal@1.2.0,*",
        ]
    )


def test_a_layer_is_not_shown_where_something_else_could_not_be_analysed(run: Run) -> None:
    """What is missing may be the layer's, or run inside it."""
    source = """
        import msgspec
        import opcheck
        import pytest
        from opcheck import pipeline

        @pytest.fixture
        def gap(monkeypatch, canned):
            whole = pipeline.check

            def check(*arguments):
                report = whole(*arguments)
                results = (
                    msgspec.structs.replace(r, incomplete=("The layer td/own was not analysed.",))
                    for r in report.results
                )
                return msgspec.structs.replace(report, results=tuple(results))

            monkeypatch.setattr(pipeline, "check", check)

        def test_other_layer(gap):
            opcheck.assert_layer_on_accelerator("m.h5", "dense", "metal@1.2.0", step="inference")

        def test_definite(gap):
            opcheck.assert_layer_on_accelerator("m.h5", "block", "metal@1.2.0")
    """
    result = run(source)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "E*inference on metal@1.2.0 could not be analysed as a whole, so it is not shown*",
            "E*The layer td/own was not analysed.",
            "E*leaves the accelerator in block",
        ]
    )


def test_a_layer_of_which_everything_is_allowed_has_ops_all_the_same(run: Run) -> None:
    source = """
        import opcheck

        def test_it():
            opcheck.assert_layer_on_accelerator(
                "m.h5", "block/attention", "metal@1.2.0", allow=["Einsum"]
            )
    """
    run(source).assert_outcomes(passed=1)


def test_what_is_wrong_with_a_call_is_said_without_our_frames(run: Run) -> None:
    source = """
        import opcheck

        def test_no_model():
            opcheck.assert_supported(3, "metal@1.2.0")
    """
    result = run(source)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*UsageError: int is no model. Give a path*"])
    assert "api.py" not in result.stdout.str()


def test_an_idle_allow_is_told_where_the_test_fails(run: Run) -> None:
    source = """
        import opcheck

        def test_it():
            allow = ["Enisum", "Pack"]
            opcheck.assert_supported("m.h5", "metal@1.2.0", step="inference", allow=allow)
    """
    result = run(source)
    result.stdout.fnmatch_lines(["E*allow 'Enisum': there is no finding on such*"])
    assert "'Pack'" not in result.stdout.str().partition("AssertionError")[2]


FIXTURE = """
    def test_it(opcheck):
        opcheck.check("m.h5")
"""


@pytest.mark.parametrize(
    ("ini", "words", "expected"),
    [
        ("", ["--opcheck-target", "metal@1.2.0"], "metal@1.2.0 both auto"),
        (
            "",
            ["--opcheck-target=metal@1.2.0", "--opcheck-target=directml@0.4.0"],
            "metal@1.2.0 directml@0.4.0 both auto",
        ),
        (
            "opcheck_targets =\\n    metal@1.2.0\\n    directml@0.4.0",
            [],
            "metal@1.2.0 directml@0.4.0 both auto",
        ),
        ("opcheck_step = training\\nopcheck_evidence = predicted", [], " training predicted"),
        (
            "opcheck_targets = metal@1.2.0\\nopcheck_step = training",
            ["--opcheck-target", "directml@0.4.0", "--opcheck-step", "inference"],
            "directml@0.4.0 inference auto",
        ),
    ],
)
def test_options_and_ini(
    ini: str,
    words: list[str],
    expected: str,
    run: Run,
    asked: Asked,
    pytester: pytest.Pytester,
) -> None:
    pytester.makeini("[pytest]\n" + ini.replace("\\n", "\n"))
    run(FIXTURE, *words).assert_outcomes(passed=1)
    assert [line.strip() for line in asked()] == [expected.strip()]


def test_the_projects_configuration_is_the_weakest(
    run: Run, asked: Asked, pytester: pytest.Pytester
) -> None:
    pytester.makepyprojecttoml("[tool.opcheck]\ntargets = ['metal']\nstep = 'training'\n")
    run(FIXTURE, "--opcheck-target", "directml@0.4.0").assert_outcomes(passed=1)
    assert asked() == ["directml@0.4.0 training auto"]


def test_the_marker_counts_before_options_and_the_call_before_the_marker(
    run: Run, asked: Asked
) -> None:
    source = """
        import pytest

        @pytest.mark.opcheck(target="directml@0.4.0", step="inference", allow="Einsum")
        def test_marked(opcheck):
            opcheck.check("m.h5")
            opcheck.check("m.h5", "metal@1.2.0", step="training")
    """
    run(source, "--opcheck-target", "metal@1.1.0", "--strict-markers").assert_outcomes(passed=1)
    assert asked() == ["directml@0.4.0 inference auto", "metal@1.2.0 training auto"]


def test_the_markers_allow_reaches_the_assertion(run: Run) -> None:
    source = """
        import pytest

        @pytest.mark.opcheck(target="metal@1.2.0", allow=["Einsum", "Pack", "Gate", "Lambda"])
        def test_marked(opcheck):
            opcheck.assert_supported("m.h5", step="inference")

        @pytest.mark.opcheck(target="metal@1.2.0", allow=["Einsum", "Pack", "Gate"])
        def test_marked_and_called(opcheck):
            opcheck.assert_supported("m.h5", step="inference", allow="Lambda")
    """
    run(source).assert_outcomes(passed=2)


def test_markers_are_joined_and_the_nearest_counts(run: Run, asked: Asked) -> None:
    source = """
        import pytest

        @pytest.mark.opcheck(target="metal@1.2.0", step="training", allow=["Einsum", "Pack"])
        class TestModel:
            @pytest.mark.opcheck(step="inference", allow=["Einsum", "Pack", "Gate", "Lambda"])
            def test_marked(self, opcheck):
                opcheck.assert_supported("m.h5")
    """
    run(source).assert_outcomes(passed=1)
    assert asked() == ["metal@1.2.0 inference auto"]


def test_what_comes_back_is_what_a_check_gives(run: Run) -> None:
    source = """
        import opcheck as package

        def test_it(opcheck):
            options = package.Options(fail_on="never", allow_unknown=True)
            for report in (
                opcheck.check("m.h5", "metal@1.2.0"),
                package.assert_supported("m.h5", "metal@1.2.0", options=options),
            ):
                assert isinstance(report, package.Report)
    """
    run(source).assert_outcomes(passed=1)


@pytest.mark.parametrize("arguments", ["'metal'", "targets='metal'"])
def test_a_wrong_marker_is_an_error(arguments: str, run: Run) -> None:
    source = f"""
        import pytest

        @pytest.mark.opcheck({arguments})
        def test_marked(opcheck):
            pass
    """
    result = run(source)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*takes target, step and allow*"])


def test_a_wrong_configuration_is_said_without_a_traceback(
    run: Run, pytester: pytest.Pytester
) -> None:
    pytester.makepyprojecttoml("[tool.opcheck]\nstpe = 'training'\n")
    result = run(FIXTURE)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*stpe is not an option*Did you mean step?"])


def test_each_question_is_asked_once_a_session(run: Run, asked: Asked) -> None:
    source = """
        import opcheck as package
        import pytest

        @pytest.mark.parametrize("i", range(3))
        def test_many(opcheck, i):
            opcheck.check("m.h5", "metal@1.2.0")
            with pytest.raises(AssertionError):
                package.assert_supported("m.h5", "metal@1.2.0")
            with pytest.raises(AssertionError):
                package.assert_no_fallback("m.h5", "metal@1.2.0")

        def test_a_file_that_changed():
            with open("m.h5", "w") as file:
                file.write("x")
            with pytest.raises(AssertionError):
                package.assert_supported("m.h5", "metal@1.2.0")
    """
    run(source).assert_outcomes(passed=4)
    assert asked() == ["metal@1.2.0 both auto"] * 2


def test_other_policies_are_no_other_question(run: Run, asked: Asked) -> None:
    source = """
        import opcheck as package
        from opcheck import testing

        def test_many(opcheck):
            for options in (
                package.Options(targets=("metal@1.2.0",), max_crossings=0),
                package.Options(targets=("metal@1.2.0",), fail_on="never"),
            ):
                report = testing.report_of("m.h5", options=options)
                assert report.verdict.fail_on == options.fail_on
                kinds = {failure.kind for failure in report.verdict.failures}
                assert ("limit" in kinds) is (options.max_crossings == 0)
            opcheck.check("m.h5", "metal@1.2.0")
    """
    run(source).assert_outcomes(passed=1)
    assert asked() == ["metal@1.2.0 both auto"]


def test_a_function_is_the_same_question_though_keras_numbers_its_layers_anew(
    run: Run, asked: Asked
) -> None:
    source = """
        import pytest

        @pytest.fixture(autouse=True)
        def keras(monkeypatch):
            number = iter(range(100))
            monkeypatch.setattr(
                "opcheck.api.source_of", lambda model, options: (f"{next(number)}.h5", options)
            )

        def build():
            pass

        @pytest.mark.parametrize("i", range(3))
        def test_many(opcheck, i):
            assert opcheck.check(build, "metal@1.2.0").results
    """
    run(source).assert_outcomes(passed=3)
    assert asked() == ["metal@1.2.0 both auto"]


def test_under_xdist(run: Run) -> None:
    pytest.importorskip("xdist")
    source = """
        import pytest

        @pytest.mark.parametrize("i", range(6))
        def test_many(opcheck, i):
            assert opcheck.check("m.h5").results
    """
    words = ("-n", "2", "--opcheck-target", "metal@1.2.0")
    run(source, *words).assert_outcomes(passed=6)


def test_a_run_that_asks_nothing_imports_nothing(run: Run) -> None:
    source = """
        import sys

        def test_it():
            heavy = {"opcheck.pipeline", "opcheck.testing", "tensorflow", "networkx"}
            assert not heavy & set(sys.modules)
    """
    run(source, "-p", "no:cacheprovider", "--noconftest").assert_outcomes(passed=1)
