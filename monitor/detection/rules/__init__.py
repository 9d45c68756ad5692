"""Rules that people write: what to watch of a run, and from when on it is trouble. Pure, like all here."""
