# Every target creates .venv when it is missing or older than requirements.txt, and reuses it otherwise.
# A machine needs python3 (3.11 or newer) with pip, and nothing else.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.requirements-installed
export PYTHONPATH := .
export MPLBACKEND := Agg

COHORT ?= data/cohort
DEMO ?= output/demo

.DEFAULT_GOAL := help
.PHONY: help install demo test lint format cohort train monai-label monai-label-test clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | awk -F'|' '{printf "%-16s %s\n", $$1, $$2}'

# torch goes in first and alone, so that the build the package index offers for this machine (CPU or CUDA) is taken.
# A Python without ensurepip still makes an environment; pip then installs into it from outside.
$(STAMP): requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed for the pinned packages, found " + sys.version.split()[0] + ". Name another one with: make PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || $(PYTHON) -m venv --clear --without-pip $(VENV)
	if $(BIN)/python -m pip --version >/dev/null 2>&1; then pip="$(BIN)/python -m pip"; else pip="$(PYTHON) -m pip --python $(BIN)/python"; fi; \
	$$pip install --quiet "$$(grep '^torch==' requirements.txt)" && $$pip install --quiet --requirement requirements.txt
	touch $@

install: $(STAMP) ## create .venv with the pinned packages

demo: $(STAMP) ## segment a synthetic sample volume with the shipped weights
	$(BIN)/python -m scripts.make_sample --output_dir $(DEMO)
	$(BIN)/python -m monai.bundle run --config_file configs/inference.yaml --dataset_dir $(DEMO)/images --output_dir $(DEMO)/results
	@printf '\nResults: %s\n' "$$(cd $(DEMO)/results && pwd)" && find $(DEMO)/results -type f | sort

# A process for each core, and no more threads than that in each: PyTorch would start as many in every process again.
test: $(STAMP) ## run the tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

lint: $(STAMP) ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP) ## rewrite the code in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

cohort: $(STAMP) ## make the synthetic cohort in data/cohort
	$(BIN)/python -m scripts.make_cohort --output_dir $(COHORT)

train: $(STAMP) ## train on the synthetic cohort
	test -f $(COHORT)/datalist.json || $(BIN)/python -m scripts.make_cohort --output_dir $(COHORT)
	$(BIN)/python -m monai.bundle run --config_file configs/train.yaml --dataset_dir $(COHORT)

# MONAI Label's own environment: torch first, as above, then the pinned packages and nothing that they ask for.
MONAI_LABEL_VENV ?= .venv-monai-label
MONAI_LABEL_STAMP := $(MONAI_LABEL_VENV)/.requirements-installed
$(MONAI_LABEL_STAMP): requirements-monai-label.txt scripts/monai_label/torchvision_utils.py
	test -x $(MONAI_LABEL_VENV)/bin/python || $(PYTHON) -m venv $(MONAI_LABEL_VENV) || $(PYTHON) -m venv --clear --without-pip $(MONAI_LABEL_VENV)
	if $(MONAI_LABEL_VENV)/bin/python -m pip --version >/dev/null 2>&1; then pip="$(MONAI_LABEL_VENV)/bin/python -m pip"; else pip="$(PYTHON) -m pip --python $(MONAI_LABEL_VENV)/bin/python"; fi; \
	$$pip install --quiet "$$(grep '^torch==' requirements-monai-label.txt)" && $$pip install --quiet --no-deps --requirement requirements-monai-label.txt
	site="$$($(MONAI_LABEL_VENV)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"; \
	mkdir -p "$$site/torchvision" && cp scripts/monai_label/torchvision_utils.py "$$site/torchvision/utils.py"
	touch $@

monai-label: $(MONAI_LABEL_STAMP) ## create .venv-monai-label with MONAI Label for the CPU

monai-label-test: $(STAMP) $(MONAI_LABEL_STAMP) ## run a MONAI Label server and ask it over HTTP
	OMP_NUM_THREADS=1 MONAI_LABEL_PYTHON=$(MONAI_LABEL_VENV)/bin/python $(BIN)/python -m pytest tests/monai_label -s

clean: ## remove caches, keep .venv, data and results
	rm -rf .pytest_cache .ruff_cache .mypy_cache
	find bundle scripts tests -name __pycache__ -type d -prune -exec rm -rf {} +
