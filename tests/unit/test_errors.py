"""The exceptions: their tree, their text, and how they come back from a graph."""

import pickle

import pytest
import tensorflow as tf

from tf_cvxlayers import clear_errors, errors
from tf_cvxlayers.errors import (
    CvxLayersError,
    ExportError,
    ParameterError,
    ProblemError,
    SolverError,
    Status,
)

FAILURES = [status for status in Status if not status.has_solution]


def test_every_exception_is_ours_and_a_builtin_one_where_that_fits():
    for own, builtin in (
        (ProblemError, ValueError),
        (ParameterError, ValueError),
        (SolverError, RuntimeError),
        (ExportError, Exception),
    ):
        assert issubclass(own, CvxLayersError)
        assert issubclass(own, builtin)


def test_statuses_with_a_solution_come_first():
    assert [status.has_solution for status in Status] == [True, True] + [False] * 4
    assert [int(status) for status in Status] == list(range(6))


@pytest.mark.parametrize("status", list(Status))
def test_every_status_has_advice(status):
    assert status.advice


@pytest.mark.parametrize("status", FAILURES)
def test_a_solver_error_says_which_elements_why_and_what_to_try(status):
    error = SolverError.from_elements((2, 5), (status, status))
    assert error.indices == (2, 5)
    assert error.statuses == (status, status)
    text = str(error)
    assert f"element 2: {status.name}; element 5: {status.name}" in text
    assert text.count(status.advice) == 1
    assert "on_failure='nan'" in text


def test_a_long_list_of_elements_is_cut():
    error = SolverError.from_elements(tuple(range(20)), (FAILURES[0],) * 20)
    assert "and 12 more" in str(error)
    assert len(error.indices) == 20


@pytest.mark.parametrize(
    "error",
    [
        ProblemError("one"),
        ParameterError("two"),
        ExportError("three"),
        SolverError.from_elements((1,), (Status.PRIMAL_INFEASIBLE,)),
    ],
    ids=lambda error: type(error).__name__,
)
def test_exceptions_survive_pickling(error):
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


def _graph_failure(text):
    raise tf.errors.InvalidArgumentError(
        None, None, f"assertion failed: [{text}] [[x]]"
    )


def test_clear_errors_rebuilds_a_solver_error():
    text = f"{errors.SOLVER_MARK} indices=0,3 statuses=2,4 (...)"
    with pytest.raises(SolverError) as caught, clear_errors():
        _graph_failure(text)
    assert caught.value.indices == (0, 3)
    assert caught.value.statuses == (Status.PRIMAL_INFEASIBLE, Status.ITERATION_LIMIT)


def test_clear_errors_rebuilds_a_parameter_error():
    text = "Expected parameter 'a' to be finite. Received: NaN."
    with pytest.raises(ParameterError) as caught, clear_errors():
        _graph_failure(f"{errors.PARAMETER_MARK}: {text} [end]")
    assert str(caught.value) == text


def test_clear_errors_passes_our_own_and_all_others():
    own = ParameterError("as it is")
    for error in (own, KeyError("other"), KeyboardInterrupt()):
        with pytest.raises(type(error)) as caught, clear_errors():
            raise error
        assert caught.value is error
