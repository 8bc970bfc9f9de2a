"""Where images come from. After ``prepare`` they are plain arrays and nobody asks again."""
