# `make demo` and `make test` are the whole set-up; both skip what is done.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
PEERS := .venv-bench/.installed

.PHONY: demo test lint bench nightly clean

demo: $(INSTALLED)
	@scripts/demo.sh

test: $(INSTALLED) lint
	$(BIN)/pytest

lint: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: $(INSTALLED) $(PEERS)
	for script in demo ingest prepare finetune answering; do $(BIN)/python bench/$$script.py || exit 1; done
	$(BIN)/python bench/memory_7b.py --layers 2

nightly: test bench

$(INSTALLED): pyproject.toml constraints.txt scripts/install_tesseract.sh
	scripts/install_tesseract.sh
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11) and "EduLLama needs Python 3.11 or newer: make PYTHON=python3.12")'
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $@

# Peers to compare with live apart, so that their pins never bend ours.
$(PEERS): bench/peers.txt constraints.txt
	test -x .venv-bench/bin/python || $(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet -c constraints.txt -r bench/peers.txt
	@touch $@

clean:
	rm -rf .venv .venv-bench runs
