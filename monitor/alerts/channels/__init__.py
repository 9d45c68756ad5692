"""Ways to tell people: each channel delivers one event, or says in plain words why it could not."""
