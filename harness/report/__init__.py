"""Views of results: each is drawn from the object that ``--json`` writes."""
