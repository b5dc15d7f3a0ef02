"""From TIR to a block program: every statement understood, or refused where it stands."""
