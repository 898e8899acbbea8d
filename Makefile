# Two commands on a fresh machine: `make demo` and `make test`. Each target makes `.venv` first and
# installs into it what is missing, in the versions of `constraints.txt`; nothing is needed but Python,
# make and a package registry. What is interrupted begins anew at the next call.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Material for MkDocs announces its successor at every build; that is no news of ours.
export NO_MKDOCS_2_WARNING := 1
STAMP := $(VENV)/.installed

.PHONY: demo test test-versions test-pythons check dist lock bench docs screenshots clean
.DEFAULT_GOAL := test

# Installing the package builds the docs page from `ui/`, when that changed.
UI := $(shell find ui -type f -not -path '*/node_modules/*')

$(STAMP): pyproject.toml constraints.txt hatch_build.py $(UI)
	$(PYTHON) -m tools.environments $(VENV) --editable ".[all]" --group dev
	touch $@

demo: $(STAMP)
	$(BIN)/python -m examples.demo

test: $(STAMP)
	$(BIN)/python -m pytest

# The hosts' tests on the oldest versions and on others, each in a `.venv-*` of its own.
test-versions: $(STAMP)
	$(BIN)/python -m tests.versions versions

# The contract, the hosts, the compiler and the life of brokers on every Python that is there.
test-pythons: $(STAMP)
	$(BIN)/python -m tests.versions pythons

check: $(STAMP)
	$(BIN)/python -m tools.version
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mkdocs build --strict --quiet
	@if command -v npm >/dev/null; \
		then cd ui && npm ci --silent && npm run --silent check; \
		else echo "There is no npm on PATH: the types of ui/ are not checked."; \
	fi

# The sdist and the wheel, checked and installed as a stranger does it; nothing is published.
dist: $(STAMP)
	$(BIN)/python -m tools.dist

# The newest versions of everything, to be tested and committed.
lock:
	$(PYTHON) -m tools.lock

# All benchmarks, or the groups that are named: `make bench workers`.
ifneq ($(filter bench,$(MAKECMDGOALS)),)
BENCHMARKS := $(filter-out bench,$(MAKECMDGOALS))
.PHONY: $(BENCHMARKS)
$(BENCHMARKS):
	@:
endif
bench: $(STAMP)
	$(BIN)/python -m benchmarks $(BENCHMARKS)

docs: $(STAMP)
	$(BIN)/mkdocs serve

screenshots: $(STAMP)
	SCREENSHOTS=1 $(BIN)/python -m pytest tests/asyncapi/test_page_screenshots.py

clean:
	rm -rf ui/node_modules $(VENV) $(VENV).* .venv-* site dist faststream_integrations/asyncapi/static .pytest_cache .mypy_cache .ruff_cache
