# make demo   checks a real model, in an environment of its own
# make test   the unit, functional and TensorFlow tests, in environments of their own
#
# Both need Python 3.10 to 3.12, pip and make, and nothing else. Everything lands in this checkout:
# .venv-* and .nox; `make clean` removes them. Another Python: make test PYTHON=python3.12

ifndef PYTHON
# The first that runs: under pyenv a shim may exist for a version that is not switched on.
PYTHON := $(shell for python in python3.11 python3.12 python3.10 python3; do \
	$$python -c '' 2>/dev/null && echo $$python && break; done)
endif
VERSION = $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
PIP_INSTALL = -m pip install -qq --disable-pip-version-check
NOX = .venv-nox/bin/nox

# What the newest tensorflow-metal runs beside. The demo's model is of Keras 3: no tf_keras, which
# would bring the full `tensorflow` as well.
DEMO_TENSORFLOW = "tensorflow-cpu==2.18.*; sys_platform != 'darwin'" \
	"tensorflow==2.18.*; sys_platform == 'darwin'"
DEMO_MODEL = fixtures/transformer_block-k3.15.keras

# Some systems' Python comes without ensurepip: then pip fetches virtualenv, for here only.
define make_venv
$(PYTHON) -m venv --clear $(1) 2>/dev/null || { \
	$(PYTHON) $(PIP_INSTALL) --target .venv-bootstrap "virtualenv<21" && \
	PYTHONPATH=.venv-bootstrap $(PYTHON) -m virtualenv --quiet --clear $(1); }
endef

.DEFAULT_GOAL := help
.PHONY: help demo test lint registries fixtures applications bench docs clean

help:  ## show this
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

demo: .venv-demo/installed  ## check a Transformer block against tensorflow-metal
	.venv-demo/bin/opcheck check $(DEMO_MODEL) --target metal --fail-on never

test: .venv-nox/installed  ## all tests, with the default TensorFlow (2.18)
	$(NOX) --parallel 2 -s "tf(2.18-py$(VERSION))" unit-$(VERSION) functional-$(VERSION)

lint: .venv-nox/installed  ## ruff, mypy --strict, the layers
	$(NOX) -s lint

registries: .venv-extract/installed  ## recover src/opcheck/targets/data from the published wheels
	.venv-extract/bin/python -m opcheck.extract.regenerate

fixtures:  ## save the fixture models again; needs Python 3.6 to 3.13 and an hour
	$(PYTHON) fixtures/make.py

applications: .venv-nox/installed  ## what is missing in the record of keras.applications; an hour for all
	$(NOX) -s applications -- --record

bench: .venv-demo/installed  ## time and memory, against a bare script
	.venv-demo/bin/python bench/run.py

docs: .venv-docs/installed  ## what is generated: the rule pages, the kernel pages, the JSON Schema
	.venv-docs/bin/python -m opcheck.rules.docs docs/rules
	.venv-docs/bin/python -m opcheck.formats.kernels_page docs/targets
	.venv-docs/bin/python -m opcheck.report.schema

clean:  ## remove every environment and cache
	rm -rf .venv-* .nox .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .grimp_cache build dist \
		src/opcheck/formats/assets tests/browser/node_modules

.venv-demo/installed: pyproject.toml
	@echo "Setting up the demo's environment, once: TensorFlow is large, this takes a minute."
	@$(call make_venv,.venv-demo)
	@.venv-demo/bin/python $(PIP_INSTALL) --editable . $(DEMO_TENSORFLOW)
	@touch $@

.venv-nox/installed: Makefile
	@$(call make_venv,.venv-nox)
	@.venv-nox/bin/python $(PIP_INSTALL) "nox>=2026.10.20"
	@touch $@

.venv-extract/installed: pyproject.toml
	@$(call make_venv,.venv-extract)
	@.venv-extract/bin/python $(PIP_INSTALL) --editable ".[extract]"
	@touch $@

.venv-docs/installed: pyproject.toml
	@$(call make_venv,.venv-docs)
	@.venv-docs/bin/python $(PIP_INSTALL) --editable .
	@touch $@
