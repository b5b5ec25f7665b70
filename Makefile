# From a bare machine (Python >= 3.11 and make) to a running apiledger: `make up`. Plain sh, GNU make 3.81 or newer.

.PHONY: help up stop test lint bench soak audit lock install chromium

# The versions the tests run on come first; `make up PYTHON=python3.14` chooses another.
PYTHON = python3.13 python3.12 python3.11 python3
BIN = .venv/bin
# Debian's package and Google's; where none is on PATH, the browser that Playwright brings.
BROWSERS = chromium chromium-browser google-chrome google-chrome-stable
PIP = $(BIN)/python -m pip install --disable-pip-version-check
# Where every core has a worker, each with a sandbox of its own, memory is what runs out: four at most.
PYTEST = $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --timeout 300

# Sets $python. Debian splits ensurepip from python3, and a venv without it has no pip.
find_python = \
	python=; \
	for name in $(PYTHON); do \
	  if $$name -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    python=$$name; break; \
	  fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "apiledger: no Python >= 3.11 with venv among: $(PYTHON)." >&2; \
	  echo "Next step: on Debian or Ubuntu 'sudo apt-get install python3 python3-venv', on macOS" >&2; \
	  echo "'brew install python@3.13', or name one yourself: make up PYTHON=/path/to/python3" >&2; \
	  exit 1; \
	fi

help:
	@echo "make up     install once, then serve the dashboard and Dagster on this machine"
	@echo "make stop   stop what 'make up' started"
	@echo "make test   lint, types and all tests but the heavy ones"
	@echo "make lint   ruff and mypy"
	@echo "make bench  the benchmarks, each as a ratio to a plain counterpart"
	@echo "make soak   the heavy tests"
	@echo "make audit  ask which locked packages have known weaknesses (needs the network, and installs pip-audit)"
	@echo "make lock   compile requirements.lock from pyproject.toml (UPGRADE=--upgrade for newer releases)"

up: install
	@exec $(BIN)/apiledger up

stop: install
	@exec $(BIN)/apiledger stop

test: lint chromium
	$(PYTEST) -m "not soak"

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: install
	$(BIN)/python -m tests.benchmarks $(ARGS)

soak: install chromium
	$(BIN)/python -m pytest -m soak --timeout 3600

# Asked for by name alone: nothing else here asks anybody outside. A package that cannot be looked up is no success.
audit: install
	@set -e; \
	if [ ! -x .venv/audit-tools/bin/pip-audit ]; then \
	  $(find_python); \
	  $$python -m venv --clear .venv/audit-tools; \
	  if ! .venv/audit-tools/bin/python -m pip install --disable-pip-version-check --quiet pip-audit; then \
	    rm -r .venv/audit-tools; \
	    echo "apiledger: pip-audit could not be installed. Next step: make audit where there is a network." >&2; \
	    exit 1; \
	  fi; \
	fi; \
	.venv/audit-tools/bin/pip-audit --strict --require-hashes --disable-pip --progress-spinner off \
	  --requirement requirements.lock $(ARGS) || { \
	  echo "apiledger: a locked package is known to be weak, or could not be asked about (above)." >&2; \
	  echo "Next step: make lock UPGRADE='--upgrade-package NAME', then make test." >&2; \
	  exit 1; \
	}

# Installs when the lock, the project's settings or the folder is another than last time, and is silent, without
# network, when none is. --no-deps: the lock is complete, and pip in hash mode takes an extra's requirement
# (dlt[duckdb]) for one without a hash. Of pip's hundreds of lines a few are shown; its errors all are.
install:
	@want="$(CURDIR) $$(cat requirements.lock pyproject.toml | cksum)"; \
	if [ "$$(cat .venv/installed 2>/dev/null)" = "$$want" ] && $(BIN)/python -c '' 2>/dev/null; then exit 0; fi; \
	set -e; \
	if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	  $(find_python); \
	  echo "apiledger: making .venv with $$($$python --version)"; \
	  $$python -m venv --clear .venv; \
	fi; \
	rm -f .venv/installed; \
	echo "apiledger: installing $$(grep -c == requirements.lock) locked packages into .venv (once; a minute or two)"; \
	{ $(PIP) --no-deps --require-hashes -r requirements.lock && echo Done; } | { \
	  fetched=0; \
	  while read -r word rest; do case $$word in \
	    Collecting|Processing) fetched=$$((fetched + 1)); \
	      if [ $$((fetched % 20)) = 0 ]; then echo "  fetched $$fetched"; fi ;; \
	    Installing) echo "  unpacking" ;; \
	    Done) exit 0 ;; \
	  esac; done; exit 1; \
	}; \
	$(PIP) --quiet --no-deps --no-build-isolation -e .; \
	echo "$$want" > .venv/installed; \
	echo "apiledger: installed"

chromium: install
	@found() { \
	  for name in $(BROWSERS); do if command -v $$name >/dev/null 2>&1; then return 0; fi; done; \
	  $(BIN)/python -c 'import os, playwright.sync_api as p; \
	exit(not os.path.exists(p.sync_playwright().start().chromium.executable_path))' 2>/dev/null; \
	}; \
	if found; then exit 0; fi; \
	sudo=; [ "$$(id -u)" = 0 ] || sudo="sudo -n"; \
	if grep -q '^ID=debian' /etc/os-release 2>/dev/null && $$sudo true 2>/dev/null; then \
	  echo "apiledger: installing Debian's Chromium for the browser tests (once)"; \
	  $$sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq chromium >/dev/null; \
	else \
	  echo "apiledger: installing Playwright's Chromium for the browser tests (once)"; \
	  $(BIN)/playwright install chromium; \
	fi; \
	if ! found; then \
	  echo "apiledger: the browser tests need Chromium and it could not be installed." >&2; \
	  echo "Next step: install chromium or google-chrome so that it is on PATH, then run make again." >&2; \
	  exit 1; \
	fi

# uv writes one lock for every platform and Python; a host in it would tie every machine to one registry.
lock:
	@set -e; \
	uv=$$(command -v uv || true); \
	if [ -z "$$uv" ]; then \
	  uv=.venv/lock-tools/bin/uv; \
	  if [ ! -x $$uv ]; then \
	    $(find_python); \
	    $$python -m venv .venv/lock-tools; \
	    .venv/lock-tools/bin/python -m pip install --disable-pip-version-check --quiet uv; \
	  fi; \
	fi; \
	$$uv pip compile pyproject.toml --extra test --universal --generate-hashes --no-header --no-annotate \
	  --no-emit-index-url --no-emit-find-links --quiet --output-file requirements.lock $(UPGRADE); \
	if grep -n '://\|^--\|^-i ' requirements.lock; then \
	  echo "apiledger: requirements.lock names a host or an index (above). Next step: compile it without them." >&2; \
	  exit 1; \
	fi
