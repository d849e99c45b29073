"""`opcheck trace`: what it writes, read back with TensorFlow's own readers and TensorBoard."""

from __future__ import annotations

import gzip
import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener

import pytest

from .conftest import FIXTURES
from .test_emulator import ENDING, TARGET

# Of each event file the summaries' tags, plugins and devices; of each profile its planes.
READ = """
import json, sys
from pathlib import Path
import tensorflow as tf
from tensorflow.core.protobuf import config_pb2
from tensorflow.core.util import event_pb2
from opcheck.worker.tensorboard import _xspace

found = {}
root = Path(sys.argv[1])
for path in root.rglob("events.out.tfevents.*"):
    for record in tf.compat.v1.io.tf_record_iterator(str(path)):
        for value in event_pb2.Event.FromString(record).summary.value:
            run = config_pb2.RunMetadata.FromString(value.tensor.string_val[0])
            nodes = [node for graph in run.partition_graphs for node in graph.node]
            devices = {node.device.rpartition("device:")[2] for node in nodes}
            found[str(path.parent.relative_to(root))] = [
                value.tag, value.metadata.plugin_data.plugin_name, sorted(devices)]
for path in root.rglob("*.xplane.pb"):
    space = _xspace()
    space.ParseFromString(path.read_bytes())
    kernels = {m.name.partition(":")[0] for p in space.planes for m in p.event_metadata.values()}
    found[str(path.parents[3].relative_to(root))].append(sorted(kernels))
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trace") / "log"
    model = str(FIXTURES / f"multi_input-{ENDING}")
    subprocess.run(
        [sys.executable, "-m", "opcheck", "trace", model, "-t", TARGET, "-o", str(path)],
        check=True,
    )
    return path


def test_tensorflow_reads_it(folder: Path) -> None:
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", READ, str(folder)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert set(found) == {f"{TARGET}/inference", f"{TARGET}/training"}
    for place, (tag, plugin, devices, kernels) in found.items():
        assert (tag, plugin) == (place.partition("/")[2], "graph_run_metadata_graph")
        assert "GPU:0" in devices
        assert any("MatMul" in name for name in kernels)


def test_the_report_has_the_times(folder: Path) -> None:
    report = json.loads((folder / "report.json").read_text())
    for result in report["results"]:
        assert result["evidence"] == "emulated"
        products = [op["cost"] for op in result["ops"] if op["op"] == "MatMul"]
        assert products
        assert all(cost["self_time_ns"] > 0 for cost in products)
        assert {cost["self_time_device"] for cost in products} == {"CPU"}
        assert result["disagreements"] == []


@pytest.fixture
def profiler(folder: Path) -> Iterator[Callable[..., Any]]:
    """What TensorBoard's profile tab asks its server for, by route and parameters."""
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder)]
    server = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", "0"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    opener = build_opener(ProxyHandler({}))
    assert server.stderr is not None
    log = folder.parent / "tensorboard.log"
    with log.open("w") as file:
        for line in server.stderr:
            file.write(line)
            if found := re.search(r"TensorBoard \S+ at (http://127.0.0.1:\d+)/", line):
                break
    assert found, log.read_text()

    def ask(route: str, **parameters: str) -> Any:
        url = f"{found[1]}/data/plugin/profile/{route}?{urlencode(parameters)}"
        with opener.open(url) as response:
            data = response.read()
            zipped = response.headers.get("Content-Encoding") == "gzip"
        return json.loads(gzip.decompress(data) if zipped else data)

    try:
        yield ask
    finally:
        server.kill()
        server.communicate()


@pytest.mark.skipif(
    importlib.util.find_spec("tensorboard_plugin_profile") is None,
    reason="needs the extra `profile`",
)
def test_tensorboard_opens_the_profile(profiler: Callable[..., Any]) -> None:
    runs = {run.rpartition("/")[0]: run for run in profiler("runs")}
    assert set(runs) == {f"{TARGET}/inference", f"{TARGET}/training"}
    for run in runs.values():
        tools = {tool.rstrip("^@"): tool for tool in profiler("run_tools", run=run)}
        assert {"overview_page", "framework_op_stats", "trace_viewer"} <= set(tools)
        (host,) = profiler("hosts", run=run, tag=tools["framework_op_stats"])
        overview, operations, events = (
            profiler("data", run=run, tag=tools[tool], host=host["hostname"])
            for tool in ("overview_page", "framework_op_stats", "trace_viewer")
        )
        assert overview
        column = [each["id"] for each in operations[0]["cols"]].index("type")
        kinds = {row["c"][column]["v"] for row in operations[0]["rows"]}
        assert any("MatMul" in kind for kind in kinds)
        assert any("MatMul" in event["name"] for event in events["traceEvents"])
