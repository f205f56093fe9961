"""An installed Chromium that opens pages, and what it finds wrong with them."""
