# `make help` lists the targets.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
VENV_OPENMMLAB ?= .venv-openmmlab
# Folder with a wheel of mmcv 2.1.0; without one that fits it is built.
WHEELS ?= $(wildcard ../shared/wheels)
# Test processes; each of them computes on one thread.
JOBS ?= $(shell nproc 2>/dev/null || echo 2)

# A stamp is written last and named after its pins: an environment without the
# right one is half made or out of date, and is made again from nothing.
pins = $(shell cat $(1) | cksum | tr ' ' -)
SHARED_PINS := requirements/common.txt requirements/dev.txt
STAMP := $(VENV)/made-$(call pins,requirements/onedl.txt $(SHARED_PINS))
STAMP_OPENMMLAB := \
    $(VENV_OPENMMLAB)/made-$(call pins,requirements/openmmlab.txt $(SHARED_PINS))

PYTEST = OMP_NUM_THREADS=1 $(1)/bin/python -m pytest -n $(JOBS) --dist worksteal \
    --durations=10 $(ARGS)
EDITABLE := install --no-deps --no-build-isolation --editable .

.PHONY: help setup setup-openmmlab test test-openmmlab lint demo clean
.DELETE_ON_ERROR:

help:  ## Show this list.
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | column -t -s '|'

setup: $(STAMP)  ## Make .venv with the OneDL stack (5.5 GB, 2 minutes).

setup-openmmlab: $(STAMP_OPENMMLAB)  ## Make .venv-openmmlab with the upstream stack.

test: $(STAMP)  ## Run the tests; ARGS='tests/test_tools.py -x' narrows them.
	$(call PYTEST,$(VENV))

test-openmmlab: $(STAMP_OPENMMLAB)  ## Run the tests on the upstream stack.
	$(call PYTEST,$(VENV_OPENMMLAB))

lint: $(STAMP)  ## Check style and formatting.
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

demo: $(STAMP)  ## Segment drawn tasks at once, then train on such; show pictures.
	$(VENV)/bin/python tools/demo.py

clean:  ## Remove what builds and tests leave; environments and results stay.
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +

$(STAMP):
	@echo '==> $(VENV): OneDL stack, 5.5 GB, about 2 minutes'
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install -r requirements/onedl.txt
	$(VENV)/bin/python -m pip $(EDITABLE)
	touch $@

# mmcv is built with --no-build-isolation: compiling its operators needs torch.
$(STAMP_OPENMMLAB):
	@echo '==> $(VENV_OPENMMLAB): upstream stack, 5.5 GB, about 2 minutes'
	rm -rf $(VENV_OPENMMLAB)
	$(PYTHON) -m venv $(VENV_OPENMMLAB)
	$(VENV_OPENMMLAB)/bin/python -m pip install -r requirements/openmmlab.txt
	$(VENV_OPENMMLAB)/bin/python -m pip install --no-index \
	    $(addprefix --find-links ,$(WHEELS)) --no-deps --only-binary :all: mmcv==2.1.0 || { \
	  echo '==> no wheel of mmcv 2.1.0 fits; building it, about 15 minutes' && \
	  MMCV_WITH_OPS=1 $(VENV_OPENMMLAB)/bin/python -m pip install --verbose \
	    --no-build-isolation --no-deps mmcv==2.1.0; }
	$(VENV_OPENMMLAB)/bin/python -m pip $(EDITABLE)
	touch $@
