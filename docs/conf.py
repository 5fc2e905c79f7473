"""Configuration of the manual; see https://www.sphinx-doc.org."""

import utopya_backend

project = "utopya-backend"
author = "The utopya-backend developers"
copyright = f"2026, {author}"
release = utopya_backend.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build", "jupyter_execute"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # the tests execute the notebook

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_default_options = {"members": True, "show-inheritance": True}

html_theme = "furo"
html_title = "utopya-backend"
