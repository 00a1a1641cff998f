"""What every model is: the interface, the register, states, layers. No model is here."""
