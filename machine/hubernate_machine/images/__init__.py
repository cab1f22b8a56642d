"""Images of the platform and its profiles: recipes, builds, the catalogue."""
