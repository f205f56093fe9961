"""What happens to a fall when many alike leave at once, and what makes it less."""
