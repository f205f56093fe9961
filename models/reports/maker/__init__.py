"""The page on post-only against market orders."""
