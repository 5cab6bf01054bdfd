"""Media: they turn what a composition has put on the canvas into oil, watercolor, a print, a pastel, dots."""
