# Every target starts from a bare checkout: the first one makes .venv and installs what constraints.txt names.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: demo test install lint types format bench

demo: $(INSTALLED)
	$(BIN)/python -m jobs.demo

# On all cores; a test file alone is quicker without workers: .venv/bin/python -m pytest tests/unit/...
test: lint types
	$(BIN)/python -m pytest -n auto --dist worksteal

install: $(INSTALLED)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo --no-cache

types: $(INSTALLED)
	$(BIN)/mypy

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(INSTALLED)
	$(BIN)/python -m jobs.bench

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	$(BIN)/charmill warm-up
	touch $@
