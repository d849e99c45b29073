"""`check` on every file of the corpus, beside Kerases that would run it: what the table says.

Every file that can be read is put to one TensorFlow, in a process whose network is open and whose
files are not closed, so that a canary means something; the whole command is tried on a few.
The corpus and the table are those of tests/hostile.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pytest
from corpus import ATTACKS, Bait, make_all, stored
from outcomes import expected, printed_safely, run

from opcheck import config, loading, pipeline
from opcheck.confine import GIB, environment
from opcheck.errors import OpcheckError
from opcheck.loading.tensorflow_names import is_file_op
from opcheck.worker import devices
from opcheck.worker.answer import answer
from opcheck.worker.protocol import WorkerReply, WorkerRequest

from .conftest import BATCH, KERAS, TENSORFLOW

COLUMN = "check, TensorFlow " + ".".join(map(str, TENSORFLOW))
EXPECTED = expected()
OPTIONS = ["-t", "metal@1.2.0", "--step", "inference", "--evidence", "predicted"]
COMMAND = ["CVE-2025-9905.h5", "CVE-2025-12058-url.h5", "print-to-file.h5", "write-file.pb"]
MEMORY = 6 * GIB  # of TensorFlow with all of them, one after the other
SLOWEST = 400  # seconds, likewise

Corpus = dict[str, tuple[Path, Bait]]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="fifos")


@pytest.fixture(scope="module")
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.01)
        yield server


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory, listener: socket.socket) -> Corpus:
    return make_all(tmp_path_factory.mktemp("corpus"), listener.getsockname()[1])


@pytest.fixture
def model(
    request: pytest.FixtureRequest, corpus: Corpus, listener: socket.socket
) -> Iterator[Path]:
    """The file of the attack that is the parameter; it does nothing, whatever the test does."""
    path, bait = corpus[request.param]
    yield path
    assert not list(bait.folder.glob("canary*")), "code from the file ran"
    with pytest.raises(TimeoutError):
        listener.accept()


@pytest.fixture(scope="module")
def folders(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The worker's answers, by the path of the model."""
    place = tmp_path_factory.mktemp("answers")
    options = config.Options(step="inference", evidence="predicted")
    folders = {}
    for name, (path, _) in corpus.items():
        try:
            request = pipeline.worker_request(loading.read(str(path)), options)
        except OpcheckError:
            continue
        folders[str(path)] = folder = place / name
        folder.mkdir()
        (folder / "request.json").write_bytes(msgspec.json.encode(request))
    with (place / "output").open("wb") as output:
        subprocess.run(
            [sys.executable, str(BATCH), *map(str, folders.values())],
            env=environment(os.environ),
            stdout=output,
            stderr=output,
            timeout=SLOWEST,
            preexec_fn=_limited,
            check=True,
        )
    return folders


def _limited() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))


@pytest.fixture
def answered(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """`check` gets the answers that are there already."""

    def run_all(requests: Sequence[WorkerRequest], **_: object) -> list[WorkerReply | OpcheckError]:
        return [_reply(folders[request.source.path]) for request in requests]

    monkeypatch.setattr(devices, "run_all", run_all)


def _reply(folder: Path) -> WorkerReply | OpcheckError:
    assert not (folder / "crash").exists(), (folder / "crash").read_text()
    try:
        return answer(folder, 0, WorkerReply)
    except OpcheckError as error:
        return error


@pytest.mark.usefixtures("answered")
@pytest.mark.parametrize("model", ATTACKS, indirect=True)
def test_check(model: Path) -> None:
    ran = run(["check", str(model), *OPTIONS])
    assert ran.cell == EXPECTED[model.name][COLUMN], ran.err
    assert printed_safely(ran.out)
    assert printed_safely(ran.err)


@pytest.mark.parametrize("model", COMMAND, indirect=True)
def test_the_command(model: Path, tmp_path: Path) -> None:
    """The same from the command itself, with its own confined process; nothing is left."""
    done = _opcheck(["check", str(model), *OPTIONS], tmp_path)
    assert str(done.returncode) == EXPECTED[model.name][COLUMN].partition(" ")[0], done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


# Ops with an argument or attribute that is named as a file is, and is none; or that is one only
# with some values, which is asked (`names_elsewhere`).
NO_FILE = re.compile(
    r"BoostedTrees.*|IsBoostedTrees.*|CTCBeamSearchDecoder|DTensorShardedPrefix|Sharded.*"
    r"|(Static)?Regex.*|TensorSliceDataset|XlaCallModule|(Experimental)?SetStatsAggregatorDataset"
    r"|PrintV2|EncodeProto|DecodeProtoV2"
)


def test_every_op_that_names_a_file_is_known() -> None:
    """Those of the TensorFlow here: a new version may bring new ones."""
    done = subprocess.run(
        [sys.executable, str(BATCH.with_name("op_names.py"))],
        capture_output=True,
        text=True,
        check=True,
    )
    ops = done.stdout.split()
    assert len(ops) > 50
    unknown = [op for op in ops if not is_file_op(op) and not NO_FILE.fullmatch(op)]
    assert unknown == []


@pytest.mark.parametrize(
    "name", ["CVE-2025-9905.h5", "print-to-file.pb", "print-placeholder-savedmodel"]
)
def test_the_canary_works(name: str, corpus: Corpus, tmp_path: Path) -> None:
    """The control: with --trust the same file does what it is made for. Last: it leaves it."""
    path, bait = corpus[name]
    if name.endswith(".h5") and TENSORFLOW < (2, 16):
        path, bait = corpus["CVE-2024-3660.h5"]  # the same from Keras 2
    _opcheck(["check", str(path), *OPTIONS[:-1], "auto", "--trust"], tmp_path)
    assert bait.canary.exists()
    bait.canary.unlink()


def _opcheck(command: list[str], temporary: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "opcheck", *command],
        env={**os.environ, "TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_what_the_users_module_imported_is_not_called(tmp_path: Path) -> None:
    """Keras' loader of HDF5 calls whatever stands where a class belongs with the file's config."""
    (tmp_path / "their_layers.py").write_text("from subprocess import Popen, run\n")
    canary, model = tmp_path / "canary", tmp_path / "model.h5"
    config = {"args": ["touch", str(canary)]}
    stored(model, *({"class_name": name, "config": config} for name in ("run", "Popen"))).close()
    command = [sys.executable, "-m", "opcheck", "check", str(model), *OPTIONS]
    done = subprocess.run(
        [*command, "--custom-objects", "their_layers"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "not part of Keras" in done.stdout
    assert not canary.exists()


LOADERS = """
import sys
from contextlib import nullcontext
from copy import deepcopy
from pathlib import Path
from corpus import Bait, code
from opcheck.confine.code import refused
from opcheck.worker.keras_api import available
bait = Bait(Path(sys.argv[1]), 0)
config = {"name": "evil", "batch_input_shape": [None, 4], "function_type": "lambda", "module": "m"}
config |= {"function": [code(bait), None, None], "arguments": {}}
config |= {"output_shape": None, "output_shape_type": "raw"}
model = {"name": "m", "layers": [{"class_name": "Lambda", "config": config}]}
model = {"class_name": "Sequential", "config": model}
for api in available(2):
    for trust in (True, False):
        try:
            with nullcontext() if trust else refused(programs=True):
                api.model_from_config(deepcopy(model), {}, trust=trust)
        except Exception as error:
            print(api.major, trust, bait.canary.exists(), str(error)[:19])
        else:
            print(api.major, trust, bait.canary.exists())
        bait.canary.unlink(missing_ok=True)
"""


def test_the_loaders_make_no_function_of_what_a_file_stores(tmp_path: Path) -> None:
    """Should the look at the config miss one; HDF5's loaders of Keras 2 know no safe mode."""
    path = [str(Path(__file__).parents[1] / "hostile"), *sys.path]
    done = subprocess.run(
        [sys.executable, "-c", LOADERS, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path))},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    for line in lines:
        if line.startswith("2 True"):
            assert line == "2 True True"  # the attack works
        else:
            assert line.split()[2] == "False", line
    assert any(line.startswith("3 False False") for line in lines) or KERAS[0] == 2
    assert "2 False False The file holds code" in lines
