"""What ``ganwatch`` does, where it is more than a call: one module a command."""
