"""How models are trained: batches, optimizer and schedule, the recipe, several devices."""
