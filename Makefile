# Two commands do everything: `make demo` and `make test`. Both start from nothing but this folder,
# a Python of at least 3.11 and make; what they install goes into .venv, at the locked versions.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
OUT ?= results
VENV := .venv
BIN := $(VENV)/bin
PLUGIN := plugins/napari-volumetry
PLUGIN_PROJECT := $(wildcard $(PLUGIN)/pyproject.toml)
SETUP_PYTHON := $(if $(PYTHON),$(PYTHON),python3)

# Files and folders: a removed module counts as a change, too.
sources = $(shell find $(1) -name __pycache__ -prune -o -name '.*' -prune -o -name tests -prune -o -print 2>/dev/null)
PACKAGE_SOURCES := pyproject.toml README.md LICENSE $(call sources,volumetry)
PLUGIN_SOURCES := $(if $(PLUGIN_PROJECT),$(call sources,$(PLUGIN)))

# uv is quicker; pip does the same where uv does not run.
# Compiled at once: a first start is then as quick as all others, also where Python may not write its cache.
install = $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python $(1) || $(BIN)/python -m pip install --quiet $(1)
# What was locked is built with what was locked, and nothing is resolved anew.
OWN := --force-reinstall --no-deps --no-build-isolation

# The tests run against the installed package, never against the folder beside them.
export VOLUMETRY_TEST_INSTALLED = 1
export HYPOTHESIS_PROFILE ?= ci
export MPLBACKEND = Agg
export PIP_DISABLE_PIP_VERSION_CHECK = 1
PYTEST := $(BIN)/pytest

.NOTPARALLEL:
.PHONY: demo docs prove test check browser test-screen test-core lock clean

demo: $(VENV)/.package
	@$(BIN)/volumetry demo --out $(OUT)

test: check browser test-screen test-core

# For the tests of pages; without it they are skipped, and say so.
browser:
	@.ci/system-packages pages

check: $(VENV)/.test $(VENV)/.package
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy volumetry $(wildcard $(PLUGIN)/src)

# The plugin's tests draw on a screen, each process on its own where there can be several. Where Qt cannot be loaded
# they are left out, and that is said.
SCREENS = $$(command -v Xvfb >/dev/null && echo --numprocesses=logical --maxprocesses=2 --dist=loadfile)
test-screen: $(VENV)/.test $(VENV)/.package $(if $(PLUGIN_PROJECT),$(VENV)/.plugin)
ifneq ($(PLUGIN_PROJECT),)
	@.ci/system-packages screen
	@if $(BIN)/python -c 'import PySide6.QtWidgets'; then .ci/on-a-screen $(PYTEST) $(PLUGIN) $(SCREENS); \
	else echo "left out: the tests of $(PLUGIN), since Qt lacks a library of the system (above)"; fi
else
	@echo "no plugin, no tests on a screen"
endif

test-core: $(VENV)/.test $(VENV)/.package
	@.ci/system-packages readers
	$(PYTEST) tests --numprocesses=logical --maxprocesses=4 --dist=loadfile --cov --cov-report=term

# The documents as a site, in build/site: tests/test_site.py builds it, too, and holds it to its search and links.
docs: $(VENV)/.test $(VENV)/.package
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# The long proofs whole, of which the tests run a seeded twentieth.
prove: $(VENV)/.test $(VENV)/.package $(VENV)/.plugin
	VOLUMETRY_PROVE=1 $(PYTEST) tests -m prove --numprocesses=logical --maxprocesses=4
	VOLUMETRY_PROVE=1 .ci/on-a-screen $(PYTEST) $(PLUGIN) -m prove

$(VENV)/.setup: requirements-setup.lock
	@echo "setting up $(VENV) with $(SETUP_PYTHON)"
	@$(SETUP_PYTHON) -m venv $(VENV) || { .ci/system-packages venv && $(SETUP_PYTHON) -m venv --clear $(VENV); }
	-@$(BIN)/python -m pip install --quiet --require-hashes -r $< 2>&1 | { grep -v 'is ignored: it is neither' || true; }
	@touch $@

$(VENV)/.runtime: requirements.lock $(VENV)/.setup
	@echo "installing what the program needs ($<)"
	@$(call install,--require-hashes -r $<)
	@touch $@

$(VENV)/.test: requirements-test.lock $(VENV)/.runtime
	@echo "installing what the tests need ($<)"
	@$(call install,--require-hashes -r $<)
	@touch $@

# A stamp bears the time at which its installation began: what is edited meanwhile is installed by the next run.
$(VENV)/.package: $(PACKAGE_SOURCES) $(VENV)/.runtime
	@echo "installing volumetry"
	@touch $@.begun
	@$(call install,$(OWN) .)
	@mv $@.begun $@

$(VENV)/.plugin: $(PLUGIN_SOURCES) $(VENV)/.test $(VENV)/.package
	@echo "installing $(PLUGIN)"
	@touch $@.begun
	@$(call install,$(OWN) ./$(PLUGIN))
	@mv $@.begun $@

# `make lock` follows pyproject.toml and keeps every pin that still fits; `make lock UPGRADE=--upgrade` renews all.
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-header --no-emit-index-url --no-emit-find-links $(UPGRADE)
lock: $(VENV)/.setup
	$(COMPILE) --group setup -o requirements-setup.lock
	$(COMPILE) pyproject.toml --all-extras --group build --group test --group docs --group bench --group dev --group gui -o requirements-test.lock
	$(COMPILE) pyproject.toml --group build -c requirements-test.lock -o requirements.lock

clean:
	rm -rf $(VENV) build dist .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .hypothesis
