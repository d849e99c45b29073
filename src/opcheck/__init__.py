"""opcheck: which ops of a Keras model leave the accelerator, and why."""

__version__ = "0.1.0"
