"""How known programs print their progress: one TOML file for each, and Python where rules aren't enough."""
