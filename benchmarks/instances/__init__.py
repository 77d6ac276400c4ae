"""What is solved: numbers, and their exact answers. NumPy only."""
