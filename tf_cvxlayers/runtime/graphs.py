"""Functions of tensors as TensorFlow functions, each traced once.

As a function thousands of small ops run at once, and a graph that calls it many times
has one node for each call: TensorFlow keeps such a function whole instead of copying it
into its callers, and makes it ready to run once.

Tracing takes as long as some fifteen eager calls that run their ops one by one. So the
first ones do: most programs that try a layer out, and most tests, make no more.
"""

import threading
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from tf_cvxlayers.runtime.threads import in_new_thread
from tf_cvxlayers.runtime.whole_functions import whole
from tf_cvxlayers.runtime.xla import compiled_by_xla

Shape = tuple[int | None, ...]

# How many eager calls run their ops one by one before a function is traced for them.
FIRST_CALLS = 16


class _Traced(NamedTuple):
    """A function that was traced, and the nested tensors that it returns."""

    function: Any
    outputs: Any

    def __call__(self, tensors: Sequence[tf.Tensor]) -> Any:
        expected = tf.nest.flatten(self.outputs)
        # As a bare op: a concrete function would look at its arguments for 0.3 ms, and
        # prepare derivatives.
        found = tf.raw_ops.PartitionedCall(
            args=tensors, Tout=[output.dtype for output in expected], f=self.function
        )
        if not tf.executing_eagerly():
            for output, spec in zip(found, expected, strict=True):
                output.set_shape(spec.shape)
        return tf.nest.pack_sequence_as(self.outputs, found)


class Graphs:
    """The functions that were traced so far, for all threads."""

    def __init__(self) -> None:
        # Tracing is Python: a second thread would gain nothing by doing it too.
        self._lock = threading.Lock()
        self._traced: dict[Hashable, _Traced] = {}
        self._calls: dict[Hashable, int] = {}

    def is_op_by_op(
        self,
        name: str,
        values: Sequence[tf.Tensor],
        shapes: Sequence[Shape],
        first_calls: int | None = None,
    ) -> bool:
        """Whether this call of a function is to run its ops one by one: where XLA takes
        them into its own function, and in the first eager calls."""
        if compiled_by_xla():
            return True
        if not tf.executing_eagerly():
            return False
        key = _key(name, values, shapes)
        self._calls[key] = calls = self._calls.get(key, 0) + 1
        return calls <= (FIRST_CALLS if first_calls is None else first_calls)

    def run(
        self,
        name: str,
        function: Callable[..., Any],
        arguments: Sequence[Any],
        shapes: Sequence[Shape],
    ) -> Any:
        """`function(*arguments)`, as one node of the graph that is being built.

        Args:
            name: what the function does.
            function: of nested tensors, to nested tensors.
            arguments: nested tensors.
            shapes: of any such arguments.
        """
        tensors = tf.nest.flatten(arguments)
        key = _key(name, tensors, shapes)
        with self._lock:
            if key not in self._traced:
                self._traced[key] = _traced(function, arguments, shapes)
        return self._traced[key](tensors)


def _key(name: str, tensors: Sequence[tf.Tensor], shapes: Sequence[Shape]) -> Hashable:
    return name, tuple(shapes), tuple(tensor.dtype for tensor in tensors)


def _traced(
    function: Callable[..., Any],
    arguments: Sequence[Any],
    shapes: Sequence[Shape],
) -> _Traced:
    specs = [
        tf.TensorSpec(shape, tensor.dtype)
        for tensor, shape in zip(tf.nest.flatten(arguments), shapes, strict=True)
    ]
    # Without values: what is traced outlives them.
    structure = tf.nest.map_structure(lambda _: None, arguments)

    def of_tensors(*tensors):
        return function(*tf.nest.pack_sequence_as(structure, tensors))

    # Whatever graph, tape, device or strategy is around the call, the function is to
    # serve others too. (`tf.init_scope` would leave graphs, but stop all tapes.)
    concrete = in_new_thread(lambda: whole(of_tensors, specs))
    outputs = tf.nest.map_structure(
        lambda output: tf.TensorSpec(output.shape, output.dtype),
        concrete.structured_outputs,
    )
    return _Traced(concrete, outputs)
