"""Stands in for the SDK's unpublished package of the same name; main.py runs the tests itself."""
