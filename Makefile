# Breakwater. `make help` lists the targets; every target sets up what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
USERDIR ?= user_data
CONFIG ?= user_data/config_bitcoin.json
MODEL ?= LSTMForecaster
PORT ?= 18080
WORKERS ?= 2
DAYS ?= 7
# Optional: DATA=<freqtrade data directory>  TIMERANGE=YYYYMMDD-YYYYMMDD
SPAN = $(if $(DATA),--data $(DATA)) $(if $(TIMERANGE),--timerange $(TIMERANGE))

.DEFAULT_GOAL := help
.PHONY: help install lock demo hedge data simulate exchange test test-all pages lint format types compare validate claims maker crowding scenarios bench bench-live faults kills soak check-upgrade mutation clean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

install: $(VENV)/.installed  ## Create .venv from requirements.lock, versions and hashes fixed

# The lock file covers one platform; elsewhere the bounds of pyproject.toml decide.
LOCKED = import platform as p, sys; \
  sys.exit((sys.version_info[:2], p.system(), p.machine()) != ((3, 11), "Linux", "x86_64"))

$(VENV)/.installed: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: Python 3.11 or later is needed; set PYTHON=python3.x"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "error: this Python has no venv; run: apt-get install python3-venv"; exit 1; }
	@echo "== 1/4 virtual environment in $(VENV) (seconds)"
	$(PYTHON) -m venv $(VENV)
	@if $(PYTHON) -c '$(LOCKED)'; then \
	  echo "== 2/4 $$(grep -c '==' requirements.lock) packages as requirements.lock has them (2 to 10 minutes, 1 GB)"; \
	  .ci/packages $(BIN)/python $(PIP_FLAGS); \
	else \
	  echo "== 2/4 no lock file for this platform: newest packages pyproject.toml allows (5 to 20 minutes)"; \
	  $(BIN)/python -m pip install --disable-pip-version-check $(PIP_FLAGS) --editable ".[dev]"; \
	fi
	@echo "== 3/4 the pack itself (seconds)"
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@echo "== 4/4 do the versions fit together?"
	$(BIN)/python -m pip check
	@touch $@

LOCK_FLAGS ?= $(if $(PIP_FIND_LINKS),--find-links $(PIP_FIND_LINKS))
lock: install  ## Renew requirements.lock from pyproject.toml; LOCK_FLAGS=--upgrade for the newest
	@echo "resolving (seconds); a version already locked stays unless --upgrade is given"
	@grep -v '^#' requirements.lock > requirements.lock.new
	$(BIN)/uv pip compile pyproject.toml --extra dev --generate-hashes --python-version 3.11 \
	  --python-platform x86_64-manylinux_2_28 --no-annotate --no-header --quiet \
	  $(LOCK_FLAGS) --output-file requirements.lock.new
	@{ grep '^#' requirements.lock; cat requirements.lock.new; } > requirements.lock.whole
	@mv requirements.lock.whole requirements.lock && rm requirements.lock.new

demo: install  ## Backtest BitcoinCrossMargin with a report (DATA=, TIMERANGE=, MODEL=, CONFIG=)
	$(BIN)/breakwater demo --config $(CONFIG) --userdir $(USERDIR) --model $(MODEL) $(SPAN)

hedge: install  ## Backtest LitecoinHedge against every baseline, with a report (DATA=, TIMERANGE=)
	$(BIN)/breakwater hedge-report --userdir $(USERDIR) $(SPAN)

data: install  ## Download the history of five coins with `freqtrade download-data`
	$(BIN)/freqtrade download-data --config user_data/config_bitcoin.json --userdir $(USERDIR) \
	  --pairs BTC/USDT:USDT ETH/USDT:USDT LTC/USDT:USDT BCH/USDT:USDT XRP/USDT:USDT --timeframes 1h --days 1100

simulate: install  ## Write the seeded simulated market to $(USERDIR)/data/simulated
	$(BIN)/breakwater simulate $(USERDIR)/data/simulated

exchange: install  ## Serve the loopback exchange on 127.0.0.1:$(PORT); with DATA= it trades
	$(BIN)/breakwater exchange --port $(PORT) $(if $(DATA),--data $(DATA))

test: install lint types  ## Lint, types, doctests and the tests that need no more than minutes
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m "not slow" -q

test-all: install lint types  ## Everything, the slow tests too
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -q

pages: install  ## Every report page in Chromium: a desk and a phone, light and dark
	BREAKWATER_BROWSER=required $(BIN)/python -m pytest -n 0 -q tests/test_models/reports/test_in_browser.py

lint: install  ## Style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: install  ## Rewrite to the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: install  ## mypy --strict on all three packages
	$(BIN)/mypy

compare: install  ## All models, same folds, several seeds: a table with intervals (DATA=, MODELS=)
	$(BIN)/breakwater compare --userdir $(USERDIR) $(if $(DATA),--data $(DATA)) $(if $(MODELS),--models $(MODELS))

validate: install  ## What a sceptic asks of every model before risking money: a report (DATA=, MODELS=)
	$(BIN)/breakwater validate --userdir $(USERDIR) --jobs $(WORKERS) $(if $(DATA),--data $(DATA)) $(if $(MODELS),--models $(MODELS))

maker: install  ## The same signals as post-only and as market orders, with a report (DATA=)
	$(BIN)/breakwater maker --userdir $(USERDIR) $(if $(DATA),--data $(DATA))

crowding: install  ## What a crowd of copies, and three exchanges, do to a fall: two reports (CRASHES=)
	$(BIN)/breakwater crowding --userdir $(USERDIR) $(if $(CRASHES),--data $(CRASHES))
	$(BIN)/breakwater venues --userdir $(USERDIR)

claims: install  ## What articles say of models, measured, with verdicts (DATA=)
	$(BIN)/breakwater claims --userdir $(USERDIR) $(if $(DATA),--data $(DATA))

scenarios: install  ## Which engine of joint scenarios to believe, and the lows it holds possible (DATA=)
	$(BIN)/breakwater scenarios --userdir $(USERDIR) $(if $(DATA),--data $(DATA))

numbers: install  ## Every measured table of the pages again, by its own command (DATA=, ONLY=, EVENTS=)
	$(BIN)/python -m tests.numbers $(if $(DATA),--data $(DATA),--list) $(if $(EVENTS),--events $(EVENTS)) $(if $(ONLY),--only $(ONLY))

bench: install  ## Compare speed and memory with Freqtrade's own transformer, in one run
	$(BIN)/python -m tests.benchmarks.networks $(if $(DATA),--data $(DATA))

bench-live: install  ## Time from a candle's close to the order, against stock Freqtrade, in one run (ROUNDS=)
	$(BIN)/python -m tests.benchmarks.live $(if $(ROUNDS),--rounds $(ROUNDS))

faults: install  ## Every fault of the loopback exchange against the live bot, as a table
	$(BIN)/python -m tests.test_integration.fault_matrix

kills: install  ## kill -9 of the running bot a hundred times, anywhere, as a table (KILLS=, SEED=)
	$(BIN)/python -m tests.test_integration.killed_bot --kills $(or $(KILLS),100) --seed $(or $(SEED),0)

soak: install  ## The live bot through DAYS (7) simulated days with random faults: memory, books, stops
	$(BIN)/python -m tests.test_integration.soak --days $(DAYS)

check-upgrade:  ## Probes and fast tests against the newest Freqtrade, in a throw-away venv (TESTS=no)
	$(PYTHON) -m tests.upgrade --python $(PYTHON) --workers $(WORKERS) $(if $(filter no,$(TESTS)),--probes-only)
mutation: install  ## Plant mistakes where money depends on it; the tests must notice (ROOMS=, EVERY=)
	$(BIN)/python -m tests.mutation $(ROOMS) $(if $(EVERY),--every $(EVERY))

clean:  ## Remove the virtual environment and caches, keep user_data
	rm -rf $(VENV) build .pytest_cache .mypy_cache .ruff_cache *.egg-info
