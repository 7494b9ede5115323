# The verbs of this project. Each target sets up what it needs in .venv and does it again only where something changed.
# GNU make 3.81 (macOS) is enough. PYTHON is the interpreter that .venv is made with; ARGS goes to the command run.

PYTHON ?= python3
# `train` brings MLX for this system; `cuda13` is the alternative on Linux with an NVIDIA GPU.
EXTRA ?= train
ARGS ?=

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check

ENGINE_SOURCES := $(wildcard engine/*/*.pyx engine/*/*.pxd engine/*/*.h) setup.py
PORTABLE_SOURCES := $(wildcard portable/*.py portable/*.pyx) engine/network/quantized.py engine/network/document.py
SHIM_SOURCE := mlx_train/device/blas_shim.c
# The tests that mirror the engine's tree.
ENGINE_TESTS := tests/engine

# Stamps stand for what was done to .venv, so they live and go with it.
BUILDER := $(VENV)/.builder
INSTALLED := $(VENV)/.installed-$(EXTRA)
DEVELOP := $(VENV)/.develop

.PHONY: help run test check format docs notebooks bench debug-test sanitize fuzz wasm arm64-check web wheel clean
.DELETE_ON_ERROR:

help:
	@echo 'make run         set up, then solve the game, train networks on it and measure them'
	@echo 'make test        set up, then the whole test suite'
	@echo 'make check       formatting, linters and types'
	@echo 'make format      rewrite the files as `make check` wants them'
	@echo 'make docs        the documentation as a site, in build/site'
	@echo 'make notebooks   run the notebooks in full; the results go to runs/notebooks'
	@echo 'make bench       measure everything; prints a Markdown table'
	@echo 'make debug-test  the engine compiled with bounds checks, and its tests'
	@echo 'make sanitize    the engine compiled with AddressSanitizer and UBSan, and its tests (Linux)'
	@echo 'make fuzz        hostile input for every reader, under the same sanitizers'
	@echo 'make wasm        the engine for the browser, web/ur.wasm'
	@echo 'make web         play in the browser'
	@echo 'make arm64-check the kernels compiled for arm64, compared with this machine under qemu-user'
	@echo 'make wheel       a wheel and a source archive in dist/'
	@echo 'make clean       remove what was built (.venv stays)'
	@echo
	@echo 'Variables: PYTHON=$(PYTHON) EXTRA=$(EXTRA) ARGS=$(ARGS)'

run: $(INSTALLED)
	@$(PY) -m mlx_train run $(if $(findstring --resume,$(ARGS)),,--preset quick --teacher exact) $(ARGS)

test: $(INSTALLED) $(DEVELOP) web/ur.wasm
	@$(PY) -m pytest -n auto --maxprocesses 4 --dist worksteal $(ARGS)

check: $(INSTALLED) $(DEVELOP)
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" cython-lint engine portable
	$(PY) -m mypy
	$(VENV)/bin/lint-imports --no-cache

format: $(DEVELOP)
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

docs: $(INSTALLED) $(DEVELOP)
	@NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build -q $(ARGS)
	@echo 'build/site/index.html'

notebooks: $(INSTALLED) $(DEVELOP)
	@$(PY) -m mlx_train.tools.notebooks $(ARGS)

bench: $(INSTALLED) $(DEVELOP) web/ur.wasm
	@$(PY) -m mlx_train.tools.bench $(ARGS)

# These builds are made from a copy, so that they leave the release build beside the sources alone.
debug-test: $(INSTALLED) $(DEVELOP) build/debug/.copied
	cd build/debug && ../../$(PY) -m pytest $(ENGINE_TESTS) $(ARGS)

sanitize: $(INSTALLED) $(DEVELOP) build/sanitize/.copied
	cd build/sanitize && $(SANITIZED) ../../$(PY) -m pytest -n 0 -p no:cacheprovider $(ENGINE_TESTS) $(ARGS)

# ARGS="--inputs 1000000 --seed 1 map table" tries other inputs, or those of some readers.
fuzz: $(INSTALLED) $(DEVELOP) build/sanitize/.copied
	cd build/sanitize && $(SANITIZED) PYTHONPATH=tests/support:. ../../$(PY) tests/support/hostile.py $(ARGS)

# What Python itself, which is not compiled with the sanitizers, has to load first; it frees nothing at its end.
SANITIZED = LD_PRELOAD="$$($${CC:-cc} -print-file-name=libasan.so) $$($${CC:-cc} -print-file-name=libstdc++.so.6)" \
  ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
BUILD_debug := UR_DEBUG=1
BUILD_sanitize := UR_SANITIZE=1

.PHONY: build/debug/.copied build/sanitize/.copied
build/debug/.copied: build/debug/.built
build/sanitize/.copied: build/sanitize/.built
build/debug/.copied build/sanitize/.copied:
	@rm -rf $(@D)/tests && cp -R tests $(@D)/tests
	@for folder in weights docs; do ln -sfn ../../$$folder $(@D)/$$folder; done
	@find engine -name '*.py' | tar cf - -T - | tar xf - -C $(@D)
	@cp -R mlx_train/. $(@D)/mlx_train && cp pyproject.toml $(@D)/
	@cd $(@D) && $(if $(findstring sanitize,$@),$(SANITIZED)) ../../$(PY) -c \
	  'import engine; assert "$(@D)" in engine.__file__, engine.__file__'

build/%/.built: $(ENGINE_SOURCES) | $(BUILDER)
	@echo 'Compiling the engine for $*'
	@rm -rf $(@D) && mkdir -p $(@D)/mlx_train/device
	@cp -R engine $(@D)/engine && rm -f $(@D)/engine/*/*.so $(@D)/engine/*/*.c
	@cp setup.py pyproject.toml README.md LICENSE $(@D)/ && cp mlx_train/*.py $(@D)/mlx_train/
	@cp $(SHIM_SOURCE) mlx_train/device/*.py $(@D)/mlx_train/device/
	@cd $(@D) && $(BUILD_$*) ../../$(PY) setup.py -q build_ext --inplace
	@touch $@

wasm: web/ur.wasm

web/ur.wasm: $(INSTALLED) $(DEVELOP) $(PORTABLE_SOURCES)
	@echo 'Compiling $@'
	@$(PY) portable/build.py wasm $@

web: web/ur.wasm
	@$(PY) -m mlx_train web $(ARGS)

ARM64_CHECK := build/check-aarch64

arm64-check: $(INSTALLED) $(DEVELOP) $(ARM64_CHECK)
	@command -v qemu-aarch64 >/dev/null || command -v qemu-aarch64-static >/dev/null || \
	  { echo 'No qemu-aarch64: install one (apt-get install qemu-user)' >&2; exit 1; }
	@$(PY) -m pytest tests/portable/test_arm64.py -m slow $(ARGS)

$(ARM64_CHECK): $(INSTALLED) $(DEVELOP) $(PORTABLE_SOURCES)
	@echo 'Compiling the kernels for arm64'
	@$(PY) portable/build.py check $@

wheel: $(BUILDER) web/ur.wasm
	$(PIP) wheel -qq --no-build-isolation --no-deps -w dist .
	$(PY) setup.py -q sdist

clean:
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache
	rm -f engine/*/*.c engine/*/*.so mlx_train/*/*.so portable/*.c portable/*.h web/ur.wasm $(VENV)/.installed-*
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo '$(PYTHON) is missing or older than 3.11: say make PYTHON=/path/to/python3.11' >&2; exit 1; }
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@$(PIP) install -qq --upgrade pip
	@touch $@

# What pyproject.toml asks for to build: the builds below run in .venv itself, so that they can go on where they stopped.
$(BUILDER): $(VENV)/.created pyproject.toml
	@$(PY) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' > $@.txt
	@$(PIP) install -qq -r $@.txt
	@touch $@

# The first time, pip compiles the engine too; after that, a changed source is compiled in place.
$(INSTALLED): $(BUILDER) $(ENGINE_SOURCES) $(SHIM_SOURCE)
	@command -v $${CC:-cc} >/dev/null || { echo 'No C compiler: install one (xcode-select --install, or gcc)' >&2; exit 1; }
	@echo 'Compiling the engine and installing into $(VENV): a minute or two'
	@# A module that became Python, or moved, leaves its library behind, which Python would import first.
	@for built in engine/*.so engine/*/*.so; do [ -f "$${built%%.*}.pyx" ] || rm -f "$$built"; done
	@$(if $(filter $(BUILDER) setup.py,$?),\
	  $(PIP) install -qq --no-build-isolation -e '.[$(EXTRA)]',\
	  $(PY) setup.py -q build_ext --inplace)
	@touch $@

$(DEVELOP): $(BUILDER)
	@echo 'Installing the development tools into $(VENV)'
	@$(PIP) install -qq --group dev
	@touch $@
