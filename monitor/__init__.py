"""ganwatch."""
