"""The compiler: five passes from TileLang source to a plan and programs."""
