"""Where trials run: the engines, their worker processes, and what can go wrong in them."""
