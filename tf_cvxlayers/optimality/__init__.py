"""What is true at a solution of a cone program, whoever found it."""
