# make repro: run the study in params.yaml and name its report.   make test: run the tests.
# Both set everything up in .venv first, once. WORKERS: processes that run stages, 0 for as many as
# there are cores for.
# make VENV=/path repro: in an environment that is there already; nothing is set up then.

PYTHON ?= python3
WORKERS ?= 0
ifneq ($(origin VENV),command line)
VENV := .venv
READY := $(VENV)/.ready
endif
BIN := $(abspath $(VENV))/bin
export PATH := $(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: repro test test-fast lint verify setup merge-driver lock clean
.DEFAULT_GOAL := repro

setup: $(READY)

.venv/.ready: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "error: aledger needs Python 3.10 or newer; set PYTHON=..."; exit 1; }
	@echo "setting up $(VENV) (once)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --requirement requirements.lock
	@touch $@

# Index sets are compared with the committed ones where the settings are the committed ones.
repro: $(READY)
	@python -m stages.grow --workers $(WORKERS)
	@git diff --quiet HEAD -- params.yaml 2>/dev/null; if [ $$? -eq 1 ]; then \
		python -m stages.verify && \
		echo "params.yaml is not the committed one: index sets are not compared with git"; \
	else python -m stages.verify --committed; fi
	@echo "report: reports/index.html and reports/report.md"

test: $(READY)
	python -m pytest -q -n 2 --dist loadfile

test-fast: $(READY)
	python -m pytest -q -n 2 --dist loadfile -m "not slow"

lint: $(READY)
	ruff check . && ruff format --check -q .

verify: $(READY)
	python -m stages.verify --committed --list

# From then on git merges dvc.lock stage by stage in this clone.
merge-driver: $(READY)
	@python -m stages.merge --install

# Rewrites requirements.lock from pyproject.toml, for every supported Python at once.
lock:
	$(PYTHON) -m venv $(VENV)-lock && $(VENV)-lock/bin/python -m pip install --quiet uv
	$(VENV)-lock/bin/uv pip compile --universal --python-version 3.10 --upgrade \
		--no-emit-index-url --no-header --no-annotate --group dev --extra cluster \
		--output-file requirements.lock --quiet pyproject.toml
	rm -rf $(VENV)-lock

clean:
	rm -rf .venv
