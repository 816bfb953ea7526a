"""Before a project is open: choose one, make one, or take over a dataset of another tool."""
