# Two commands on a fresh machine: `make demo` and `make test`. Each target makes `.venv` first
# and installs into it what is missing; nothing is needed but Python, make and a package registry.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Material for MkDocs announces its successor at every build; that is no news of ours.
export NO_MKDOCS_2_WARNING := 1
STAMP := $(VENV)/.installed

.PHONY: demo test test-versions check bench docs screenshots clean
.DEFAULT_GOAL := test

# Installing the package builds the docs page from `ui/`, when that changed.
UI := $(shell find ui -type f -not -path '*/node_modules/*')

$(STAMP): pyproject.toml hatch_build.py $(UI)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable ".[all]" --group dev
	touch $@

demo: $(STAMP)
	$(BIN)/python -m examples.demo

test: $(STAMP)
	$(BIN)/python -m pytest

# The hosts' tests on the oldest versions and on others, each in a `.venv-*` of its own.
test-versions: $(STAMP)
	$(BIN)/python tests/versions.py

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mkdocs build --strict --quiet
	@if command -v npm >/dev/null; \
		then cd ui && npm ci --silent && npm run --silent check; \
		else echo "There is no npm on PATH: the types of ui/ are not checked."; \
	fi

bench: $(STAMP)
	$(BIN)/python -m benchmarks

docs: $(STAMP)
	$(BIN)/mkdocs serve

screenshots: $(STAMP)
	SCREENSHOTS=1 $(BIN)/python -m pytest tests/asyncapi/test_page_in_browser.py -k screenshot

clean:
	rm -rf ui/node_modules $(VENV) .venv-* site dist faststream_integrations/asyncapi/static .pytest_cache .mypy_cache .ruff_cache
