"""Sphinx's settings for the site; docs/site/make_site.py writes the pages that it reads."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

project = author = "makemore"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode", "docstrings"]
smartquotes = False  # text stays as it was written, options included: --short
highlight_language = "text"  # a block says so if it is code

# Markdown: `{.class}` before a block, and links to headings as GitHub has them.
myst_enable_extensions = ["attrs_block"]
myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
maximum_signature_line_length = 80
viewcode_line_numbers = False
default_role = "literal"

html_theme = "furo"
html_title = "makemore"
html_static_path = [str(HERE / "static")]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_search_scorer = str(HERE / "static/scorer.js")
html_copy_source = False
html_show_copyright = False
html_use_index = html_domain_indices = False
# From a disk a page may not read another one, which a summary in the results would need.
html_show_search_summary = False
html_theme_options = {
    "top_of_page_buttons": [],
    "light_css_variables": {
        "color-brand-primary": "#0a5a94",
        "color-brand-content": "#0a5a94",
        "color-brand-visited": "#6b3fa0",
        "color-code-background": "#f3f5f8",
    },
    "dark_css_variables": {
        "color-brand-primary": "#7cc0f0",
        "color-brand-content": "#7cc0f0",
        "color-brand-visited": "#c7a6ee",
    },
}
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
