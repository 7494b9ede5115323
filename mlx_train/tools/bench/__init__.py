"""Measures of speed, size and memory, a module for each subject. What a test asserts does not belong here."""
