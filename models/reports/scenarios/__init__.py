"""The page that says which engine of scenarios to believe."""
