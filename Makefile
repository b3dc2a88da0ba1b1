# Two commands: `make run` runs the main job, `make test` passes the tests. Both set up what they need,
# once, in .venv; the second time they are quiet.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXTERNAL := .external
HARNESS_CODEX ?= $(CURDIR)/$(EXTERNAL)/codex/node_modules/.bin/codex
HARNESS_MINI ?= $(CURDIR)/$(EXTERNAL)/mini/bin/mini
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --quiet
# Tests mostly wait for processes they started. Whole files stay together, for what their tests share.
PARALLEL := -n auto --maxprocesses=4 --dist loadfile

.PHONY: run test test-all test-external test-mlflow external-agents bench hacks lint types unit schema records wheel browser screenshots clean

run: $(VENV)/installed
	@$(BIN)/harness run tasks/moe_align.yaml

test: lint types unit

# Everything: also whole runs of the bundled tasks and every cheat of the corpus. About a quarter of an hour.
test-all: lint types $(VENV)/installed-dev
	@$(BIN)/python -m pytest $(if $(wildcard $(EXTERNAL)/installed),,--ignore=tests/external)

# The real Codex CLI and the real mini-swe-agent against a model server of the tests' own.
test-external: $(VENV)/installed-dev external-agents
	@HARNESS_CODEX=$(HARNESS_CODEX) HARNESS_MINI=$(HARNESS_MINI) $(BIN)/python -m pytest tests/external

external-agents: $(EXTERNAL)/installed
	@:

# Logging to MLflow's own tracking server, which is about 1 GB and therefore installed for this alone.
test-mlflow: $(VENV)/installed-dev $(EXTERNAL)/mlflow/installed
	@HARNESS_MLFLOW=$(CURDIR)/$(EXTERNAL)/mlflow/bin/mlflow $(BIN)/python -m pytest tests/harness/test_mlflow.py

# Every cheat of the corpus, and the honest patches that must not be taken for one.
hacks: $(VENV)/installed-dev
	@$(BIN)/python -m pytest tests/hacks

# What the harness itself costs: worktrees against git's own, and attempts beside their agent, tests and timing. And,
# simulated, what search strategies find and how often the winner is as fast as is published.
bench: $(VENV)/installed-dev
	@$(BIN)/python -m benchmarks.worktrees
	@$(BIN)/python -m benchmarks.attempts
	@$(BIN)/python -m benchmarks.throughput
	@$(BIN)/python -m benchmarks.memory
	@$(BIN)/python -m benchmarks.leaderboard
	@$(BIN)/python -m benchmarks.agent_step
	@$(BIN)/python -m benchmarks.report
	@$(BIN)/python -m benchmarks.strategies

lint: $(VENV)/installed-dev
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .

types: $(VENV)/installed-dev
	@$(BIN)/mypy --no-error-summary

unit: $(VENV)/installed-dev
	@$(BIN)/python -m pytest $(PARALLEL) -m "not slow" --ignore=tests/hacks --cov --cov-report=term:skip-covered

# The figures and tables of the record for MoE alignment, from what lies in tasks/moe_align/records.
records: $(VENV)/installed
	@$(BIN)/python -m benchmarks.moe_align_record

schema: $(VENV)/installed
	@$(BIN)/python -m harness.task > tasks/task.schema.json

# The pages in a real browser (Debian: apt-get install chromium), and the pictures of them in docs/pictures.
browser: $(VENV)/installed-dev
	@$(BIN)/python -m pytest -rs tests/browser

screenshots: $(VENV)/installed-dev
	@$(BIN)/python tests/browser/screenshots.py

wheel: $(VENV)/installed-dev
	@$(BIN)/python -m build --quiet --wheel

clean:
	@rm -rf $(VENV) $(EXTERNAL) dist build

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "perf-harness needs Python 3.11 or newer; name one with: make PYTHON=python3.12 ..."; exit 2; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml | $(VENV)/bin/python
	@echo "Installing into $(VENV) (once; torch and triton are about 1.5 GB, expect a few minutes) ..."
	@$(PIP) --editable .
	@touch $@

$(VENV)/installed-dev: pyproject.toml | $(VENV)/installed
	@echo "Installing the tools for development into $(VENV) (once) ..."
	@$(PIP) --editable '.[dev]'
	@touch $@

# mini-swe-agent without `mcp` waits for ever instead of saying that a package is missing.
$(EXTERNAL)/installed:
	@command -v npm >/dev/null || { echo "Codex is installed with npm, which comes with Node.js: install that."; exit 2; }
	@echo "Installing Codex and mini-swe-agent into $(EXTERNAL) (once; about 1.1 GB) ..."
	@mkdir -p $(EXTERNAL)/codex
	@npm install --silent --no-fund --no-audit --prefix $(EXTERNAL)/codex @openai/codex
	@$(PYTHON) -m venv $(EXTERNAL)/mini
	@$(EXTERNAL)/mini/bin/python -m pip --disable-pip-version-check install --quiet --quiet mini-swe-agent mcp
	@touch $@

$(EXTERNAL)/mlflow/installed:
	@$(PYTHON) -m venv $(EXTERNAL)/mlflow
	@$(EXTERNAL)/mlflow/bin/python -m pip --disable-pip-version-check install --quiet --quiet mlflow
	@touch $@
