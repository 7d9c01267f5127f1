"""Who answers: selection, health, outcomes and the attempt loop."""
