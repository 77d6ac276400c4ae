"""How it is measured: processes that take turns, and tables of what they did."""
