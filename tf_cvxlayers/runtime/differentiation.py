"""Rules for gradients: how they are given to TensorFlow, and where they end.

TensorFlow's `tf.custom_gradient` registers each rule that a graph is traced with for
the life of the process, and with it the tensors that the rule closes over, their graph,
and all graphs within that. Here a rule belongs to its graph, and goes with it. So do
the rules that others register in a graph with a layer: each step of a Keras optimizer
has one, from `tf.distribute`, which would keep all that the layer was traced to.

What TensorFlow knows without a public function that tells is asked for where a version
has it. Where one has moved it, rules stay registered, and forward mode inside a graph
gives zeros instead of an error.
"""

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

try:
    from tensorflow.python.framework.ops import gradient_registry

    _RULES = gradient_registry._registry
except (ImportError, AttributeError):  # pragma: no cover - another TensorFlow
    _RULES = None
try:
    from tensorflow.python.eager.forwardprop_util import pack_tangents
except ImportError:  # pragma: no cover - another TensorFlow
    pack_tangents = None

# The rules of the registry that are known: of a graph with a layer, or of none.
_SEEN: set[str] = set()
_PREFIX = "CustomGradient-"
# Under this name a graph has its rules, and the registry's record of one has it.
_OF_GRAPH, _OF_RECORD = "_tf_cvxlayers_rules", "type"

_ONCE = (
    "tf_cvxlayers layers can be differentiated once, in reverse mode. Second "
    "derivatives and forward mode (tf.autodiff.ForwardAccumulator) of the solution of "
    "an optimization problem are not implemented. For a Hessian-vector product, take "
    "differences of gradients at two nearby points."
)


def differentiable_once(
    outputs: Sequence[tf.Tensor],
    sources: Sequence[tf.Tensor],
    adjoint: Callable[[list[tf.Tensor], list[tf.Tensor]], Sequence[tf.Tensor]],
) -> list[tf.Tensor]:
    """The outputs as functions of the sources, whose gradient is what a rule says.

    Args:
        outputs: computed from `without_gradient(sources)`.
        sources: what is differentiated by.
        adjoint: from the sources and a cotangent for each output to a gradient for each
            source. It is not differentiated in its turn: that raises
            NotImplementedError.
    """

    def forward(*sources):
        def backward(*cotangents):
            # A rule within the rule, so that differentiating the gradient meets a
            # refusal; TensorFlow would take what the rule closes over for constants.
            def once(*tensors):
                constant, count = without_gradient(tensors), len(sources)
                return tuple(adjoint(constant[:count], constant[count:])), _refuse

            given = [tf.convert_to_tensor(cotangent) for cotangent in cotangents]
            for cotangent, output in zip(given, outputs, strict=True):
                cotangent.set_shape(output.shape)  # which Python need not have told
            return tuple(_with_rule(once, [*sources, *given]))

        return tuple(outputs), backward

    return _with_rule(forward, sources)


def without_gradient(tensors: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """The tensors as constants: of what is computed from them TensorFlow prepares no
    derivatives."""
    return [tf.stop_gradient(tensor) for tensor in tensors]


def refuse_forward_mode(tensors: Sequence[tf.Tensor]) -> None:
    """Raise NotImplementedError if a `tf.autodiff.ForwardAccumulator` watches one of
    the tensors: inside a graph it would give zeros without a word."""
    if pack_tangents is not None and pack_tangents(list(tensors)).tangents:
        raise NotImplementedError(_ONCE)


def _refuse(*_cotangents):
    raise NotImplementedError(_ONCE)


def _with_rule(
    function: Callable[..., tuple[Any, Any]], tensors: Sequence[tf.Tensor]
) -> list[tf.Tensor]:
    """`tf.custom_gradient(function)(*tensors)`, with a rule that its graph owns."""
    outputs = tf.custom_gradient(function)(*tensors)
    if not tf.executing_eagerly() and outputs:
        op = outputs[0].op
        _give_to_graph(op.get_attr("_gradient_op_type").decode(), op.graph)
        collect_rules()
    return list(outputs)


def collect_rules() -> None:
    """Give the rules that were registered in graphs with layers to these graphs."""
    for name, record in list((_RULES or {}).items()):
        if name.startswith(_PREFIX) and name not in _SEEN and isinstance(record, dict):
            _SEEN.add(name)
            graph = _graph_within(record.get(_OF_RECORD))
            if hasattr(graph, _OF_GRAPH):
                _give_to_graph(name, graph)


def _graph_within(function: Any, depth: int = 3) -> tf.Graph | None:
    """The graph of a tensor that a function closes over."""
    for cell in getattr(function, "__closure__", None) or ():
        try:
            content = cell.cell_contents
            parts = tf.nest.flatten(content)
        except (TypeError, ValueError):  # keys without an order, or an empty cell
            continue
        for part in parts:
            if tf.is_tensor(part) and isinstance(getattr(part, "graph", 0), tf.Graph):
                return part.graph
        if depth and callable(content):
            graph = _graph_within(content, depth - 1)
            if graph is not None:
                return graph
    return None


def _give_to_graph(name: str, graph: tf.Graph) -> None:
    """Let a graph own a rule; the registry keeps a way to find it."""
    record = None if _RULES is None else _RULES.get(name)
    if not isinstance(record, dict) or _OF_RECORD not in record:
        return  # pragma: no cover - another TensorFlow
    _SEEN.add(name)
    rules = {**getattr(graph, _OF_GRAPH, {}), name: record[_OF_RECORD]}
    setattr(graph, _OF_GRAPH, rules)
    found = weakref.ref(graph)

    def rule(op, *cotangents):
        return getattr(found(), _OF_GRAPH)[name](op, *cotangents)

    record[_OF_RECORD] = rule
    weakref.finalize(graph, _forget, name).atexit = False


def _forget(name: str) -> None:
    _SEEN.discard(name)
    _RULES.pop(name, None)
