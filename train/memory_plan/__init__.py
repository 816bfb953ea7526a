"""How much memory a run will need, found out before anything is loaded."""
