"""How TensorFlow and Keras run things, and every private name of theirs."""
