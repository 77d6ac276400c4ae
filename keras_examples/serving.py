"""
Title: Serving a model with an optimization layer
Author: the tf_cvxlayers contributors
Date created: 2026/11/23
Last modified: 2026/11/28
Description: A network that divides a budget within limits is trained, exported in the
    layout of TensorFlow Serving with warm-up requests, and queried: also with requests
    that no answer satisfies. So are an entropy, a geometric and a semidefinite program.
"""

"""
## Introduction

A budget of 1 is divided among five places. A network rates them by what it knows of
them, and a layer turns the ratings `x` into a division,

    y = argmin_y  || y - x ||^2   subject to  sum(y) == 1,  0 <= y <= capacity,

that no capacity is exceeded by. The capacities come with each request. If they sum to
less than 1, there is no such division, and whoever asked has to learn that without
spoiling the other requests of the batch.

The exported file consists of TensorFlow's own operations. TensorFlow Serving, which
knows nothing of CVXPY, runs it as it is.
"""

import json
import urllib.request

import cvxpy
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2
from tools.harness import Example, console, new_table

import tf_cvxlayers
from tf_cvxlayers import CvxpyLayer, Status

NAME, PLACES, FEATURES = "allocation", 5, 8

"""
## A small model
"""


def division():
    """Return the layer, fed with ratings and capacities."""
    x = cvxpy.Parameter(PLACES, name="x")
    capacity = cvxpy.Parameter(PLACES, name="capacity")
    y = cvxpy.Variable(PLACES, name="y")
    constraints = [cvxpy.sum(y) == 1, y >= 0, y <= capacity]
    problem = cvxpy.Problem(cvxpy.Minimize(cvxpy.sum_squares(y - x)), constraints)
    return CvxpyLayer(problem, parameters=[x, capacity], variables=y, name="division")


def network():
    """Return the network, from features and capacities to a division."""
    features = keras.Input((FEATURES,), name="features")
    capacity = keras.Input((PLACES,), name="capacity")
    ratings = keras.layers.Dense(PLACES)(features)
    outputs = division()(ratings, capacity)
    return keras.Model({"features": features, "capacity": capacity}, outputs)


def examples(count):
    """Return inputs and the divisions that a hidden network makes of them."""
    random = np.random.default_rng(0)
    inputs = {
        "features": random.normal(size=(count, FEATURES)).astype("float32"),
        "capacity": random.uniform(0.25, 0.8, (count, PLACES)).astype("float32"),
    }
    hidden = random.normal(size=(FEATURES, PLACES)).astype("float32") / 4
    return inputs, division()(inputs["features"] @ hidden, inputs["capacity"]).numpy()


def train(epochs, count):
    """Return the trained network."""
    inputs, outputs = examples(count)
    model = network()
    model.compile(keras.optimizers.Adam(1e-2), "mse")
    history = model.fit(inputs, outputs, epochs=epochs, verbose=0).history["loss"]
    console.print(
        f"{epochs} epochs on {count} divisions: mean squared error {history[0]:.1e}, "
        f"then {history[-1]:.1e}"
    )
    return model


"""
## The file

`export` writes what TensorFlow Serving reads: a folder of the model's name with one
folder for each version. Requests in `assets.extra` are run when the server loads the
file, so that the first client does not wait for TensorFlow to set itself up.
"""


def export(model, folder):
    """Write the next version; return its folder."""
    versions = [int(path.name) for path in folder.glob("[0-9]*")]
    version = folder / str(max(versions, default=0) + 1)
    exported = tf_cvxlayers.export(model, version, portable=True)
    console.print(f"exported: {exported.path}, signatures {exported.signatures}")
    return version


def write_warm_up(version, requests):
    """Write requests to run when the file is loaded, a dict of arrays each."""
    folder = version / "assets.extra"
    folder.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(folder / "tf_serving_warmup_requests")) as writer:
        for signature in ("serving_default", "status"):
            for inputs in requests:
                request = predict_pb2.PredictRequest()
                request.model_spec.name = NAME
                request.model_spec.signature_name = signature
                for name, array in inputs.items():
                    request.inputs[name].CopyFrom(tf.make_tensor_proto(array))
                log = prediction_log_pb2.PredictionLog(
                    predict_log=prediction_log_pb2.PredictLog(request=request)
                )
                writer.write(log.SerializeToString())


"""
## Asking

A request over REST names a signature and lists instances. `serving_default` answers
with the outputs, and refuses the request if an instance has no solution. `status`
answers always: its `status` is 0 where there is a solution.

The same request also goes to a client that loads the file as the server does: the
newest version, its signatures, and the warm-up.
"""


class Server:
    """TensorFlow Serving at an address."""

    def __init__(self, address):
        self.url = f"{address.rstrip('/')}/v1/models/{NAME}:predict"

    def predict(self, request):
        """Return the answer to a request, both as JSON objects."""
        body = json.dumps(request).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url, body, headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)


class Local:
    """The same in this process."""

    def __init__(self, folder):
        version = max(folder.glob("[0-9]*"), key=lambda path: int(path.name))
        self.signatures = tf.saved_model.load(version, tags="serve").signatures
        records = version / "assets.extra" / "tf_serving_warmup_requests"
        for record in tf.data.TFRecordDataset(str(records)):
            log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
            request = log.predict_log.request
            inputs = {
                name: tf.constant(tf.make_ndarray(proto))
                for name, proto in request.inputs.items()
            }
            self.signatures[request.model_spec.signature_name](**inputs)

    def predict(self, request):
        """Return the answer to a request, both as JSON objects."""
        signature = self.signatures[request.get("signature_name", "serving_default")]
        instances = request["instances"]
        specs = signature.structured_input_signature[1]
        inputs = {
            name: tf.constant([instance[name] for instance in instances], spec.dtype)
            for name, spec in specs.items()
        }
        outputs = {key: value.numpy() for key, value in signature(**inputs).items()}
        if len(outputs) == 1:
            return {"predictions": next(iter(outputs.values())).tolist()}
        rows = range(len(instances))
        return {
            "predictions": [
                {key: value[row].tolist() for key, value in outputs.items()}
                for row in rows
            ]
        }


def ask(server, capacities, features):
    """Return divisions and statuses for capacities."""
    instances = [
        {"features": features.tolist(), "capacity": capacity.tolist()}
        for capacity in capacities
    ]
    request = {"signature_name": "status", "instances": instances}
    answers = server.predict(request)["predictions"]
    divisions = np.array([answer["output_0"] for answer in answers], float)
    return divisions, np.array([answer["status"] for answer in answers])


def plot(totals, divisions, statuses, run):
    """Draw the division as all capacities shrink together."""
    figure, axis = plt.subplots(figsize=(6, 4), layout="constrained")
    for place, shares in enumerate(divisions.T):
        axis.plot(totals, shares, label=f"place {place + 1}")
    failed = totals[statuses > Status.INACCURATE]
    if len(failed):
        axis.axvspan(failed.min(), failed.max(), color="0.9", label="no solution")
    axis.set_xlabel("sum of the capacities")
    axis.set_ylabel("share of the budget")
    axis.legend(frameon=False, fontsize="small")
    run.save(figure, "serving.png")


"""
## Every cone

Files hold any problem in this way, also those that are no quadratic programs: the
softmax as the division of largest entropy, transmitters that save power together (a
geometric program), or the correlation matrix that is nearest to measurements (a
semidefinite program).
"""


def transmitters(users=5):
    """Return a layer from gains to the least powers of signals that are heard."""
    gain = cvxpy.Parameter(users, pos=True, name="gain")
    power = cvxpy.Variable(users, pos=True, name="power")
    noise = [
        0.1 + 0.05 * sum(power[j] for j in range(users) if j != k) for k in range(users)
    ]
    heard = [3.0 * noise[k] / (gain[k] * power[k]) <= 1.0 for k in range(users)]
    problem = cvxpy.Problem(cvxpy.Minimize(cvxpy.sum(power)), heard)
    return CvxpyLayer(problem, gain, power, gp=True, name="transmitters")


def correlation(order=4):
    """Return a layer from a symmetric matrix to the nearest correlation matrix."""
    measured = cvxpy.Parameter((order, order), symmetric=True, name="measured")
    nearest = cvxpy.Variable((order, order), PSD=True, name="nearest")
    distance = cvxpy.sum_squares(nearest - measured)
    problem = cvxpy.Problem(cvxpy.Minimize(distance), [cvxpy.diag(nearest) == 1])
    return CvxpyLayer(problem, measured, nearest, name="correlation")


def every_cone(folder, quick):
    """Export other layers; print how far their files are from them."""
    random = np.random.default_rng(0)
    noise = random.normal(size=(8, 4, 4)).astype("float32")
    ratings = random.normal(size=(8, PLACES)).astype("float32")
    softmax = tf_cvxlayers.layers.VariationalSoftmax(name="softmax")
    softmax.build(ratings.shape)
    others = [(softmax, ratings)]
    if not quick:
        gains = random.uniform(1.0, 2.0, (8, PLACES)).astype("float32")
        others += [
            (transmitters(), gains),
            (correlation(), noise + noise.swapaxes(1, 2)),
        ]
    table = new_table(None, "layer", "without Python", "largest difference")
    for layer, values in others:
        exported = tf_cvxlayers.export(layer, folder / layer.name / "1", portable=True)
        signature = tf.saved_model.load(exported.path).signatures["serving_default"]
        (name,) = signature.structured_input_signature[1]
        (answers,) = signature(**{name: tf.constant(values)}).values()
        difference = np.abs(answers - layer(values)).max()
        table.add_row(layer.name, str(exported.portable), f"{difference:.1e}")
    console.print(table)


"""
## Run it
"""


def main():
    run = Example(
        "Export a model, and query it.",
        quick="few steps of training",
        options={
            "--server": {
                "help": "address of a TensorFlow Serving that serves "
                "OUTPUT/models/allocation, such as http://localhost:8501; asked too, "
                "and no new version is made"
            },
        },
    )
    keras.utils.set_random_seed(0)

    folder = run.output / "models" / NAME
    if not run.options.server:
        model = train(*((2, 200) if run.quick else (40, 2000)))
        inputs, _ = examples(8)
        version = export(model, folder)
        write_warm_up(version, [{name: part[:1] for name, part in inputs.items()}])

    features = examples(1)[0]["features"][0]
    totals = np.linspace(0.5, 2.5, 81)
    capacities = totals[:, None] * np.array([0.3, 0.1, 0.2, 0.15, 0.25])
    divisions, statuses = ask(Local(folder), capacities, features)
    if run.options.server:
        served, _ = ask(Server(run.options.server), capacities, features)
        np.testing.assert_allclose(served, divisions, atol=1e-5)
        console.print(f"{run.options.server} gives the same {len(served)} answers")
    table = new_table(None, "sum of capacities", "status", "division")
    for k in range(0, len(totals), 10):
        shares = " ".join(f"{share:.3f}" for share in divisions[k])
        table.add_row(f"{totals[k]:.2f}", Status(int(statuses[k])).name, shares)
    console.print(table)
    plot(totals, divisions, statuses, run)
    if not run.options.server:
        every_cone(run.output / "models", run.quick)


if __name__ == "__main__":
    main()
