"""Media, which turn the composition on the canvas into oil, watercolor, print, pastel or dots."""
