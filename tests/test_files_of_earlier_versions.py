"""Files that were once written can be read for ever, with the same answers.

`files/write.py` says what they hold. Each is loaded in a new process.
"""

import pathlib
import subprocess
import sys
import tarfile

import numpy as np
import pytest

FILES = pathlib.Path(__file__).parent / "files"
VERSIONS = sorted(path.name for path in FILES.iterdir() if path.is_dir())
# The first version that wrote files, and so one that always has some.
FIRST = "0.1.0"

_OF_KERAS = """
import sys

import keras
import numpy as np
import tf_cvxlayers

path, answers = sys.argv[1:]
model = keras.models.load_model(path, safe_mode=True)
with np.load(path.removesuffix(".keras") + ".npz") as archive:
    data = [archive[f"input_{k}"] for k in range(len(model.inputs))]
outputs = keras.tree.flatten(model(data if len(data) > 1 else data[0]))
np.savez(answers, **{f"output_{k}": value for k, value in enumerate(outputs)})
"""

_SAVED_MODEL = """
import sys

folder, data, answers, kind = sys.argv[1:]
if kind == "portable":
    for name in ("tf_cvxlayers", "cvxpy", "diffcp", "scs", "clarabel", "keras"):
        sys.modules[name] = None
else:
    import tf_cvxlayers

import numpy as np
import tensorflow as tf

model = tf.saved_model.load(folder)
with np.load(data) as archive:
    x = tf.constant(archive["input_0"])
found = model.signatures["serving_default"](x=x)
with tf.GradientTape() as tape:
    tape.watch(x)
    total = tf.reduce_sum(model.serve(x)[:, 0])
assert np.abs(tape.gradient(total, x)).max() > 0
assert (model.signatures["status"](x=x)["status"].numpy() == 0).all()
np.savez(answers, **found)
"""


def _compare(path, answers):
    with np.load(path) as written, np.load(answers) as found:
        names = [name for name in written if name.startswith("output_")]
        assert sorted(found) == sorted(names)
        for name in names:
            assert found[name].dtype == written[name].dtype
            # Engines may come closer to a solution than they did; float32 rounds.
            close = 1e-5 if written[name].dtype == np.float32 else 1e-9
            np.testing.assert_allclose(found[name], written[name], rtol=0, atol=close)


def test_there_are_files_of_the_first_version():
    assert FIRST in VERSIONS


@pytest.mark.parametrize(
    "name", ["general", pytest.param("nested", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_keras_file_answers_as_when_it_was_written(version, name, tmp_path):
    path, answers = FILES / version / f"{name}.keras", tmp_path / "answers.npz"
    subprocess.run([sys.executable, "-c", _OF_KERAS, path, answers], check=True)
    _compare(path.with_suffix(".npz"), answers)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind"), [("served", "portable"), ("softmax", "callback")]
)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_saved_model_answers_as_when_it_was_written(version, name, kind, tmp_path):
    path, answers = FILES / version / f"{name}.tar.xz", tmp_path / "answers.npz"
    with tarfile.open(path) as archive:
        archive.extractall(tmp_path, filter="data")
    arguments = [tmp_path / name, FILES / version / f"{name}.npz", answers, kind]
    subprocess.run([sys.executable, "-c", _SAVED_MODEL, *arguments], check=True)
    _compare(FILES / version / f"{name}.npz", answers)
