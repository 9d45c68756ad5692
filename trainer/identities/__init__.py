"""Identity banks: the people of a training set, as a face recognizer sees them."""
