"""Architectures put together from others."""
