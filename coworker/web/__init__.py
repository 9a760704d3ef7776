"""Pages of the public web: which addresses may be read, how they are fetched, and as what text."""
