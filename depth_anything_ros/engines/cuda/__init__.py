"""Device memory and streams through one seam: ``seam.py`` says what an engine needs, one leaf per library gives it."""
