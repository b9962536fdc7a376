# Everything from a bare clone: each target makes the environment that it needs.
PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test check bench clean

demo: .venv/.installed
	$(BIN)/leftfold demo

# Three workers, each with a PostgreSQL of its own, for much of the time is spent waiting for flushes. Children keep their
# bytecode, whatever the shell says of that.
test: check
	PYTHONDONTWRITEBYTECODE= $(BIN)/pytest --numprocesses=3 --dist=worksteal -m "not alone"
	PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -m alone

check: .venv/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright

bench: .venv/.installed
	$(BIN)/python -m benchmarks

.venv/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "leftfold needs Python 3.11 or newer; say which: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Making .venv (once; about a minute)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

clean:
	rm -rf .venv .venv-peer .venv-peer-binary .mypy_cache .ruff_cache .pytest_cache .hypothesis
