# Every command a person needs. `make help` lists them; VENV, PYTHON, N, SOAK and ARGS can be given.
PYTHON ?= python3
VENV ?= .venv
N ?= 20
SOAK ?= 1000
ARGS ?=
SPREAD := -n auto --dist loadfile --no-loadscope-reorder --max-worker-restart=0
BIN := $(VENV)/bin
SOURCES := setup.py pyproject.toml MANIFEST.in LICENSE $(wildcard README.md spinbed.py) $(shell \
	find sim cy_kernels -name '*.py' -o -name '*.py[xi]' -o -name '*.px[di]' -o -name py.typed) \
	$(wildcard sim/subjects/native/*.c sim/bench/*.c)

.DEFAULT_GOAL := help
.PHONY: help run test test-unprivileged test-aarch64 test-newest abi3 lint types soak litmus bench costs clean prerequisites

help:
	@echo 'make run     build into $(VENV) and run scenarios/smoke'
	@echo 'make test    the test suite (ARGS="-k name" to choose)'
	@echo 'make test-unprivileged    the same, not as root and with a /dev/shm of 64 MiB'
	@echo 'make test-aarch64         the tests of the rings and waits, built for aarch64, in an emulator'
	@echo 'make test-newest          the wheel built and tested on CPython 3.14, which is downloaded for it;'
	@echo '                          ARGS=--free-threaded: on 3.14t too, which takes ten minutes more'
	@echo 'make abi3    the wheel for every CPython from 3.11 on: built, audited, run on each of this host'
	@echo 'make lint    ruff'
	@echo 'make types   mypy'
	@echo 'make soak    smoke and fast N=$(N) times in a row, a new seed each time; then SOAK=$(SOAK) runs,'
	@echo '             three in ten ended by signals, and a look for what is left'
	@echo 'make litmus  each litmus shape 10^6 times on this machine; no outcome may be beyond TSO'
	@echo 'make bench   this ring beside its peers, 20 minutes: writes docs/performance.md; ARGS=--quick'
	@echo 'make costs   the measurements of benchmarks/'
	@echo 'make clean   remove what was built, $(VENV) included'

run: $(VENV)/.installed
	$(BIN)/spinbed run scenarios/smoke $(ARGS)

# The script, not `python -m pytest`: that would put the checkout ahead of the installed wheel. A
# file's tests share what its fixtures have started: so a worker takes whole files, in their order.
test: $(VENV)/.installed-test
	$(BIN)/pytest $(SPREAD) $(ARGS)

test-unprivileged: $(VENV)/.installed-test
	$(BIN)/python tests/unprivileged.py $(SPREAD) $(ARGS)

test-aarch64: $(VENV)/.installed-test
	$(BIN)/python tests/aarch64_kernels.py --folder $(VENV)/aarch64 $(ARGS)

# Nothing of this host's build is used: an interpreter that has pip is enough.
test-newest: $(VENV)/.created
	$(BIN)/python tests/newest_pythons.py $(ARGS)

abi3: $(VENV)/.installed-test
	$(BIN)/python tests/abi3_wheel.py --folder $(VENV)/abi3 $(ARGS)

lint: $(VENV)/.installed-lint
	$(BIN)/ruff check $(ARGS) .

types: $(VENV)/.installed-lint
	$(BIN)/mypy $(ARGS)

# Of ten runs one gets Ctrl-C, one SIGKILL and one SIGTERM, at any moment of it.
soak: $(VENV)/.installed
	@for round in $$(seq $(N)); do \
		$(BIN)/spinbed run scenarios/smoke scenarios/fast --jobs 2 --seed $$round \
			--report text=$(VENV)/soak.txt || { cat $(VENV)/soak.txt; exit 1; }; \
		tail -n 1 $(VENV)/soak.txt; \
	done; echo "soak: $(N) of $(N) rounds as expected"
	$(BIN)/python tests/litter_soak.py --runs $(SOAK) $(ARGS)

litmus: $(VENV)/.installed-test
	$(BIN)/python tests/litmus_live.py $(ARGS)

# A peer that cannot be installed has a row that says so.
bench: $(VENV)/.installed
	@for peer in pyzmq numpy matplotlib faster-fifo kickmsg iceoryx2 cloudtoid-interprocess subetha-ipc; do \
		$(PIP) install $$peer || echo "not installed: $$peer"; \
	done
	$(BIN)/spinbed bench --page docs/performance.md --json $(VENV)/bench.json $(ARGS)

costs: $(VENV)/.installed
	@for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python $$file $(ARGS) || exit; done

clean:
	rm -rf $(VENV) build dist .tox *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	rm -f cy_kernels/*.so cy_kernels/_build_note.txt
	find sim cy_kernels tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

# What is missing is named with the Debian package that brings it. Only the first three are fatal.
define CHECK
import os, shlex, shutil, sys, sysconfig
if not sys.platform.startswith("linux"):
    sys.exit(f"spinbed runs on Linux only; this is {sys.platform}")
if sys.version_info < (3, 9):
    sys.exit(f"spinbed needs Python 3.9 or newer (Debian package python3); this is {sys.version}")
try:
    import ensurepip, venv
except ImportError as error:
    sys.exit(f"missing: {error.name}, to make a virtual environment (Debian package python3-venv)")
lost = []
compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "gcc")[0]
if shutil.which(compiler) is None:
    lost.append(f"missing: the C compiler {compiler} (Debian packages gcc and libc6-dev)")
header = os.path.join(sysconfig.get_path("include"), "Python.h")
if not os.path.isfile(header):
    lost.append(f"missing: {header} (Debian package python3-dev)")
if lost:
    print(*lost, "The kernels cannot be compiled: the installation will be pure.", sep="\n")
endef
export CHECK

prerequisites:
	@command -v $(PYTHON) >/dev/null || { \
		echo 'missing: $(PYTHON), 3.9 or newer (Debian packages python3 and python3-venv)'; exit 1; }
	@$(PYTHON) -c "$$CHECK"

$(VENV)/.created: | prerequisites
	$(PYTHON) -m venv --clear $(VENV)
	@touch $@

# One wheel for all that is installed into $(VENV). A file deleted from the sources would live on in
# build/lib*; compiled kernels are kept, they are rebuilt when a source is newer. pip hides what the
# build says, so the outcome is asked for.
PIP := $(BIN)/pip --quiet --disable-pip-version-check
$(VENV)/.wheel: $(VENV)/.created $(SOURCES)
	find build/lib* -type f ! -name '*.so' -delete 2>/dev/null || true
	rm -rf $(VENV)/wheel
	$(PIP) wheel --no-deps --wheel-dir $(VENV)/wheel .
	$(PIP) install --no-deps --force-reinstall $(VENV)/wheel/*.whl
	@cd / && echo "kernels: $$($(abspath $(BIN))/python -c 'import cy_kernels, logging; logging.disable(); print(cy_kernels.status())')"
	@touch $@

define install
$(PIP) install "$$(echo $(VENV)/wheel/*.whl)$(1)"
@touch $@
endef

$(VENV)/.installed: $(VENV)/.wheel
	$(call install,)

$(VENV)/.installed-test: $(VENV)/.wheel
	$(call install,[test])
	@touch $(VENV)/.installed

# Neither looks at what is installed of our own: it may be older than the sources.
$(VENV)/.installed-lint: pyproject.toml | $(VENV)/.created
	@test -e $(VENV)/.wheel || $(MAKE) --no-print-directory $(VENV)/.wheel
	$(call install,[lint])
