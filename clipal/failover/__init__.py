"""The attempt loop: asks one provider after another until one has answered."""
