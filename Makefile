# The only list of commands; .ci/run calls it. Runs with GNU make 3.81 and any POSIX sh.
# Another interpreter: make test PYTHON=/path/to/python3

PYTHON =
PYTHONS = $(if $(PYTHON),$(PYTHON),python3.13 python3.12 python3.11 python3 python3.14)
VENV = .venv
BIN = $(VENV)/bin
READY = $(VENV)/ready
# One test process a processor that we may use, eight at most: each takes memory.
JOBS = $(shell n=$$(nproc 2>/dev/null || sysctl -n hw.logicalcpu 2>/dev/null || echo 2); \
	[ $$n -le 8 ] || n=8; echo $$n)
PIP = $(BIN)/python -m pip --disable-pip-version-check --quiet

NOTEBOOKS = $(wildcard notebooks/*.ipynb)
STUBS = $(patsubst migkit/_engine/%.pyi,migkit._engine.%,$(wildcard migkit/_engine/*.pyi))
ENGINE = $(wildcard migkit/_engine/*.pyx migkit/_engine/*.pxd)

.PHONY: help reproduce test jupyter setup build lint types figures bench fuzz notebooks check clean \
	FORCE
.DEFAULT_GOAL := help

help:
	@echo "make reproduce   set up if need be, then the evidence, figures and report in reproduction/;"
	@echo "                 with real QEMUs in reproduction-real/ where migkit lab install was run"
	@echo "make test        set up if need be, then every check: style, types, tests, notebooks"
	@echo "make jupyter     JupyterLab on the notebooks"
	@echo "make lint        ruff, its formatter, cython-lint"
	@echo "make types       mypy, and the stubs of the compiled modules against these"
	@echo "make notebooks   no stored outputs, and each notebook runs"
	@echo "make figures     the README's picture again, from reproduction/"
	@echo "make bench       how fast the engine is on this machine"
	@echo "make fuzz        130000 damaged streams: each is read or refused, and memory stays small"
	@echo "make check       the same as make test"
	@echo "make setup       only the environment in $(VENV)"
	@echo "make clean       remove the environment and everything built"

reproduce: build
	$(BIN)/migkit reproduce --out reproduction/
	@if $(BIN)/python -c "from migkit.lab import choose_qemu as c; c('before'); c('after')" \
		2>/dev/null; then \
		$(BIN)/migkit reproduce --real --out reproduction-real/; \
	else \
		echo "No real QEMU of both rules is installed, so none was run: $(BIN)/migkit lab install," \
			"then make reproduce again."; \
	fi

test: lint types
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal --nbmake --nbmake-timeout=900 \
		tests $(NOTEBOOKS)

check: test

jupyter: build
	$(BIN)/jupyter lab notebooks

lint: build
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --check --quiet .
ifneq ($(ENGINE),)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/cython-lint $(ENGINE)
endif

types: build
	$(BIN)/mypy --no-error-summary
ifneq ($(STUBS),)
	$(BIN)/python -m mypy.stubtest --concise --mypy-config-file pyproject.toml \
		--allowlist tests/house/stubtest-allowlist.txt --ignore-unused-allowlist $(STUBS)
endif

notebooks: build
ifneq ($(NOTEBOOKS),)
	$(BIN)/nbstripout --verify --keep-id $(NOTEBOOKS)
	$(BIN)/python -m pytest -n $(JOBS) --nbmake --nbmake-timeout=900 $(NOTEBOOKS)
endif

figures: reproduce
	cp reproduction/figures/01-tail.svg docs/figures/ram_save_complete.svg

bench: build
	$(BIN)/migkit bench

# A case that fails is kept in .hypothesis, and tried first the next time.
fuzz: build
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal --hypothesis-profile=nightly tests/fuzz

setup: build

# Compiled modules that changed are built again here, where a compiler error can be read.
build: $(READY)
	@$(BIN)/ninja --quiet -C $(VENV)/build

# The stamp holds the folder it was made for: a checkout that was moved is set up again.
ifneq ($(shell cat $(READY) 2>/dev/null),$(CURDIR))
$(READY): FORCE
endif

$(READY): pyproject.toml meson.build meson.options
	@set -e; \
	if [ "$$(cat $(READY) 2>/dev/null)" != "$(CURDIR)" ] || ! $(BIN)/python -c '' 2>/dev/null; then \
		rm -rf $(VENV); \
	fi; \
	rm -f $(READY); \
	cc_found=; \
	for cc in $${CC:-} cc gcc clang; do \
		if printf '#include <stdio.h>\nint main(void) { return 0; }\n' | \
			$$cc -x c -c -o /dev/null - >/dev/null 2>&1; then cc_found=$$cc; break; fi; \
	done; \
	if [ -z "$$cc_found" ]; then \
		echo "migkit needs a C compiler with its headers and none works here:" \
			"install one (Debian, Ubuntu: apt install gcc libc6-dev; macOS: xcode-select --install)." >&2; \
		exit 1; \
	fi; \
	if [ ! -d $(VENV) ]; then \
		python=; \
		for candidate in $(PYTHONS); do \
			if $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; \
			then python=$${python:-$$candidate}; else continue; fi; \
			if $$candidate -c "$$PYTHON_IS_WHOLE" >/dev/null 2>&1; then python=$$candidate; break; fi; \
		done; \
		if [ -z "$$python" ]; then \
			echo "migkit needs Python 3.11 or newer and none of these is one: $(PYTHONS);" \
				"install it (Debian, Ubuntu:" \
				"apt install python3 python3-venv python3-dev; macOS: brew install python)" \
				"or name one with PYTHON=/path/to/python3." >&2; \
			exit 1; \
		fi; \
		if ! $$python -c 'import ensurepip, venv' >/dev/null 2>&1; then \
			echo "$$python cannot make virtual environments because its venv package is missing:" \
				"install it (Debian, Ubuntu: apt install python3-venv)." >&2; \
			exit 1; \
		fi; \
		if ! $$python -c "$$PYTHON_IS_WHOLE" >/dev/null 2>&1; then \
			echo "$$python has no C headers (Python.h), which the compiled modules need:" \
				"install them (Debian, Ubuntu: apt install python3-dev)." >&2; \
			exit 1; \
		fi; \
		echo "Setting up $(VENV) with $$($$python --version); the first time takes a minute or more."; \
		$$python -m venv $(VENV) || { rm -rf $(VENV); exit 1; }; \
	else \
		echo "Bringing $(VENV) up to date."; \
	fi; \
	PATH="$(CURDIR)/$(BIN):$$PATH"; export PATH; \
	CYTHON="'$(CURDIR)/$(BIN)/cython'"; export CYTHON; \
	$(PIP) install --upgrade --no-compile 'pip>=25.1' && \
	$(PIP) install --no-compile --group build && \
	$(PIP) install --no-compile --no-build-isolation -Cbuild-dir=$(VENV)/build --group dev \
		--editable '.[notebooks]' || { \
		echo "The set-up stopped at the message above: packages come from Python's package index," \
			"so check the network or pip's settings, then run the same command again." >&2; \
		exit 1; }; \
	printf '%s\n' "$(CURDIR)" > $(READY)

define PYTHON_IS_WHOLE
import ensurepip, os, sys, sysconfig, venv
header = os.path.join(sysconfig.get_path("include"), "Python.h")
sys.exit(not os.path.exists(header))
endef
export PYTHON_IS_WHOLE

clean:
	rm -rf $(VENV) build dist reproduction reproduction-real
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

FORCE:
