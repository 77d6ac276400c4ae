"""Layers with problems of their own."""
