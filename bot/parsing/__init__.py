"""Pure: turns user input (forms, commands, configuration) into typed values."""
