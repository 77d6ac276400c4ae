"""The stages of a call, from the values of the parameters to the variables."""
