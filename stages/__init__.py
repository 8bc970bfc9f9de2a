"""aledger: deep active-learning studies as chains of small committed files, grown by DVC."""
