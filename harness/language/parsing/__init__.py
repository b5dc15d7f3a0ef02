"""How the text of a kernel becomes IR."""
