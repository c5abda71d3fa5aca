"""How Sphinx builds the documentation: `make docs`. Nothing is fetched from the network."""

from __future__ import annotations

import os
import tempfile

# The API reference imports Airflow, which makes its home when it is imported: not in the home of whoever builds.
os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="airflow-home-"))

from airflow_provider_runcomfy import __version__

project = "airflow-provider-runcomfy"
copyright = "the authors, Apache-2.0"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["img"]

myst_enable_extensions = ["colon_fence"]
# Links such as copies.md#one-that-failed-and-the-rest are those that GitHub makes.
myst_heading_anchors = 4

autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}
# What the docstrings name and no page here describes: the standard library's, Airflow's, and the `api` room's.
nitpick_ignore_regex = [(r"py:.*", r"(?!airflow_provider_runcomfy\.exceptions\.).*")]

html_theme = "furo"
html_title = "RunComfy for Airflow"
html_show_sphinx = False
