PY ?= python3
BIN = .venv/bin

.PHONY: install chat test bench soak lock

install: .venv/.ok

.venv/.ok: constraints.txt pyproject.toml
	@$(PY) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "coworker needs Python 3.11 or newer; $(PY) is older. Say: make $(MAKECMDGOALS) PY=python3.12" >&2; exit 1; }
	@echo "Installing into .venv (once) ..." >&2
	@$(PY) -m venv .venv
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes --only-binary :all: -r constraints.txt >&2
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation --no-index -e . >&2
	@$(BIN)/python -m pip check >&2
	@touch $@

chat: install
	@$(BIN)/coworker chat

test: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n 4 --dist worksteal

bench: install
	$(BIN)/python -m benchmarks

soak: install
	$(BIN)/pytest -m "soak or not soak" --soak

# Pins every dependency with the hashes of all its wheels and no index address.
lock:
	$(PY) -m venv .venv/lock
	.venv/lock/bin/pip install -q pip-tools
	.venv/lock/bin/pip-compile -q --generate-hashes --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
	  --strip-extras --allow-unsafe --no-header --no-annotate --extra dev --build-deps-for editable -o constraints.txt pyproject.toml
