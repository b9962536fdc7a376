# Everything from a bare clone: each target makes the environment that it needs.
#   make test             the quick tier and the checks
#   make test-exhaustive  the other tests: races, kills, mutants, full products
#   make test-all         both
PYTHON ?= python3
BIN := .venv/bin
WORKERS ?= 3
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test test-exhaustive test-all check bench clean

demo: .venv/.installed
	$(BIN)/leftfold demo

# The quick tier, with the checks beside it; their output is kept and printed after it. Three workers, each with a PostgreSQL
# of its own. What measures time runs afterwards, alone. Children keep their bytecode, whatever the shell says of that.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/pytest $(PYTEST_OPTIONS)
BESIDE := --numprocesses=$(WORKERS) --dist=worksteal

test: .venv/.installed
	@said=$$(mktemp); trap 'rm -f "$$said"' EXIT; \
	$(MAKE) --no-print-directory check >"$$said" 2>&1 & checks=$$!; failed=0; \
	$(PYTEST) $(BESIDE) -m "not exhaustive and not alone" || failed=1; \
	wait $$checks || failed=1; \
	cat "$$said"; \
	$(PYTEST) -m "not exhaustive and alone" || failed=1; \
	exit $$failed

test-exhaustive: .venv/.installed
	$(PYTEST) $(BESIDE) -m "exhaustive and not alone"
	$(PYTEST) -m "exhaustive and alone"

test-all:
	$(MAKE) test
	$(MAKE) test-exhaustive

check: .venv/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports

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
