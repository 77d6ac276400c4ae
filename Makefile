# Everything runs in an environment of its own, .venv, which the first target that
# needs it makes. Another interpreter: `make test PYTHON=/path/to/python3.12`.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
RUN := $(VENV)/bin/python
STAMP := $(VENV)/.installed

# Leaves out most of TensorFlow's start-up notes about the processor and GPUs (a few
# come before its logging is set up); errors still appear.
export TF_CPP_MIN_LOG_LEVEL ?= 2

.DEFAULT_GOAL := help
.PHONY: help install example test check bench clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s  %s\n", $$1, $$2}' \
	    $(MAKEFILE_LIST)

install: $(STAMP)  ## make .venv and install the package in it, editable

# The stamp is written last, so that an interrupted installation is done again.
$(STAMP): setup.cfg
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "Python 3.11 or newer is needed, found PYTHON='$(PYTHON)'."; \
	    echo "Try: make PYTHON=/path/to/python3.11"; exit 1; }
	"$(PYTHON)" -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

example: $(STAMP)  ## run the first example, two ReLU layers as convex problems
	$(RUN) keras_examples/relu_layers.py

# The tests of one problem run in one process, where its layer is traced.
PYTEST := $(RUN) -m pytest -n 2 --dist loadgroup

test: $(STAMP)  ## run the fast tests
	$(PYTEST)

check: $(STAMP)  ## lint, types, every example in its quick form, slow tests
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	@set -e; for example in keras_examples/*.py; do \
	    echo "$(RUN) $$example --quick"; \
	    $(RUN) "$$example" --quick; \
	done
	$(PYTEST) -m slow

bench: $(STAMP)  ## time the layers against other packages
	$(RUN) benchmarks/run.py

clean:  ## remove the environment, caches, builds and outputs
	rm -rf $(VENV) build dist *.egg-info .hypothesis .mypy_cache .pytest_cache \
	    .ruff_cache keras_examples/output benchmarks/output
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
