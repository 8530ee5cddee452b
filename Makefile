# Two commands set a fresh machine up: `make dev` (serve the sample chat) and `make test`.
PYTHON ?=
BIN := .venv/bin

.PHONY: install dev test parity matrix lint format types bench clean

install: .venv/installed

.venv/installed: pyproject.toml scripts/python
	@python=$$(PYTHON="$(PYTHON)" sh scripts/python) || exit 6; \
	test -x $(BIN)/python || "$$python" -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

dev: install
	$(BIN)/agents-emu dev sample_agents/chat_py --ai auto

test: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2 --dist loadfile

# The protocol's scenarios on the Node host; PARITY=workerd also plays them on a real `wrangler dev`, PARITY=record records what it does.
parity: install
	$(BIN)/pytest tests/parity

# All samples on all versions of the SDK that tests/matrix knows; `make test` plays a part of it.
matrix: install
	MATRIX=all $(BIN)/pytest tests/matrix

lint: install
	$(BIN)/ruff check .

format: install
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

types: install
	$(BIN)/mypy

bench: install
	$(BIN)/python -m bench

clean:
	rm -rf .venv build .pytest_cache .mypy_cache .ruff_cache
