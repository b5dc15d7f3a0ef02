"""Every public name of TileLang's language, and what becomes of it."""
