"""Where it works: repositories, trusted views of them, and the map."""
