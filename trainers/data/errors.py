"""Data that cannot be used."""


class DataError(Exception):
    """Data that cannot be used; the message names the file or field, the reason and the remedy."""
