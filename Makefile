PYTHON ?= python3

# Two at a time, each with one thread: with more, the threads of one wait for those of the other
PYTEST = OMP_NUM_THREADS=1 .venv-dev/bin/python -m pytest -q -n 2 --dist loadfile

.PHONY: demo check lint types test slow an4 docs wheel clean

# What is said in the example recordings, in an environment that can only recognise
demo: .venv/installed
	.venv/bin/speechrnn transcribe examples/english

# In two minutes: style, types, and the tests that neither train nor call the command line
QUICK = $(addprefix tests/,alignment lm nn pronunciation runs scoring) \
	$(patsubst %,tests/test_%.py,architecture files layers manifest normalisers segments writers)
check: lint types
	$(PYTEST) -m 'not slow and not wheel and not recipe and not browser' $(QUICK)

lint: .venv-dev/installed
	.venv-dev/bin/python -m ruff check --quiet .
	.venv-dev/bin/python -m ruff format --check --quiet .

types: .venv-dev/installed
	.venv-dev/bin/python -m mypy speechrnn

# The test suite, in an environment with everything
test: .venv-dev/installed
	$(PYTEST)

# The tests that take minutes
slow: .venv-dev/installed
	.venv-dev/bin/python -m pytest -q -m slow

# Train, package and evaluate AN4 (see recipes/an4/README.md)
an4: .venv-dev/installed
	PATH="$(CURDIR)/.venv-dev/bin:$$PATH" recipes/an4/run.sh

# The documentation as a web site, in build/site
docs: .venv-docs/installed
	.venv-docs/bin/mkdocs build --strict

wheel: .venv-dev/installed
	.venv-dev/bin/python -m build --wheel

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

.venv-dev/installed: pyproject.toml
	$(PYTHON) -m venv .venv-dev
	.venv-dev/bin/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@

.venv-docs/installed: pyproject.toml
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/python -m pip install --quiet --disable-pip-version-check -e '.[docs]'
	touch $@

clean:
	rm -rf .venv .venv-dev .venv-docs build dist *.egg-info
