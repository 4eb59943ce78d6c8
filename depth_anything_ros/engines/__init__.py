"""Engines, one library each; ``load_engine`` imports them by name, nothing is imported here."""
